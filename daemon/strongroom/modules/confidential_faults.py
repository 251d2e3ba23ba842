"""What went wrong with a confidential execution, as an error of the run. Nothing ever runs locally instead."""

import re
from collections.abc import Mapping
from typing import Final

from strongroom.attest.codes import (
    ALREADY_RELEASED,
    ASSURANCE_TOO_LOW,
    BACKEND_UNAVAILABLE,
    CONFIG,
    INSECURE_KIND,
    MEASUREMENT,
    NONCE_EXPIRED,
    NOT_AUTHORISED,
    POLICY_EPOCH,
    POLICY_INVALID,
    UNSUPPORTED_KIND,
)
from strongroom.errors import (
    Cancelled,
    CapabilityError,
    Forbidden,
    NotFound,
    PluginFault,
    StrongroomError,
    TimedOut,
    Unavailable,
)
from strongroom.modules.module import ExecutionHelper

__all__ = ["BACKEND_AWAY", "away", "broken", "cut_off", "failed", "fault_of", "is_away", "refusal_code"]

PLUGIN: Final = "confidential-workflows"
BACKEND_AWAY: Final = "CONFIDENTIAL_BACKEND_UNAVAILABLE"
"""What programs look for: the run waited for its enclave or its vault as long as it may, and ran nowhere."""
_CODE: Final = re.compile(r"SR-ATTEST-\d{3}")
_DO: Final[Mapping[str, str]] = {
    UNSUPPORTED_KIND: "name the verifier of this kind in [verifiers] load of the vault's policy, and sign that again",
    NONCE_EXPIRED: "start the run again; if it happens often, see what slows the runner down",
    MEASUREMENT: "compare the runner with its release; if it is meant to be there, add what strongroom measure prints"
    " to the vault's policy",
    CONFIG: "give the runner the enclave configuration whose digest the policy names",
    INSECURE_KIND: "run it on hardware; simulations are for a vault that was started for tests",
    POLICY_INVALID: "give the vault a signed policy: policy_file and policy_public_key in plugins.yaml",
    POLICY_EPOCH: "give the vault the newest policy",
    NOT_AUTHORISED: "have the owner sign a manifest that grants this workflow these secrets",
    ASSURANCE_TOO_LOW: "run it on a backend of that class, or set the secret anew for a lower one",
    ALREADY_RELEASED: "start a new run: the attempts of this one are used up, or another runner had this one",
}
_DO_ANYTHING_ELSE: Final = "docs/errors.md says what to do about the code; nothing was released"


def fault_of(error: StrongroomError, helper: ExecutionHelper) -> StrongroomError:
    """The error of a run whose execution by the capability ended with ``error``."""
    if isinstance(error, CapabilityError) and error.name == "Canceled":
        return Cancelled("SR-RUN-018", error.message, fix="start the run again if it is still wanted")
    if isinstance(error, CapabilityError) and error.name == "DeadlineExceeded":
        setting = getattr(helper, "timeout_setting", "limits.run_timeout_ms")
        limit_ms = getattr(helper, "timeout_limit_ms", 0) or helper.timeout_ms
        return TimedOut(
            "SR-RUN-011",
            f"the enclave gave no answer within {limit_ms} ms",
            fix=f"raise {setting} or make the workflow faster",
            limit=limit_ms,
            setting=setting,
        )
    code = refusal_code(error)
    if is_away(error) or code == BACKEND_UNAVAILABLE:
        return away("execution failed", error)
    if code:
        do = _DO.get(code, _DO_ANYTHING_ELSE)
        return Forbidden(code, f"{PLUGIN} capability execution failed", why=str(error), fix=do, capability=PLUGIN)
    return failed("execution failed", "SR-CWF-005", error)


def is_away(error: StrongroomError) -> bool:
    """Whether the far side was not there, or ended nothing in time: it has nothing to tell of this execution."""
    away_names = {"Unavailable", "DeadlineExceeded"}
    return isinstance(error, Unavailable) or (isinstance(error, CapabilityError) and error.name in away_names)


def refusal_code(error: StrongroomError) -> str:
    """The public code with which a vault or an enclave runner refused; empty when that is not what happened."""
    if not isinstance(error, CapabilityError):
        return ""
    found = _CODE.search(error.message)
    return found.group() if found else ""


def away(what: str, cause: StrongroomError) -> Unavailable:
    """The backend or its vault is not there now. Whoever executes the run asks again, as the retry policy has it."""
    is_missing = isinstance(cause, NotFound)
    # Our own backend has said it already.
    word = "" if BACKEND_AWAY in str(cause) else f" ({BACKEND_AWAY})"
    return Unavailable(
        "SR-CWF-004" if is_missing else BACKEND_UNAVAILABLE,
        f"failed to get {PLUGIN} capability" if is_missing else f"{PLUGIN} capability {what}",
        why=f"{cause}{word}",
        fix=f"enable the plugin {PLUGIN} in plugins.yaml, or correct what `strongroom plugin list` shows of it; the"
        " workflow never runs locally"
        if is_missing
        else "correct what `strongroom status` and `strongroom plugin list` show (a plugin that was given up is tried"
        " again by itself), and start the run again; it never runs locally",
        reason=BACKEND_AWAY,
    )


def cut_off() -> Unavailable:
    """The plugin was ended while it executed, and took what the execution called with it."""
    limit = "it took longer than limits.plugin_drain_timeout_ms"
    cause = CapabilityError("Public", "System", "Unavailable", f"the plugin was replaced or stopped, and {limit}")
    return away("did not end the execution", cause)


def failed(what: str, code: str, cause: Exception, *, whole: bool = False) -> PluginFault:
    """The far side answered with an error."""
    return PluginFault(
        code,
        what if whole else f"{PLUGIN} capability {what}",
        why=str(cause),
        fix="the reason is the far side's; the run was not executed locally",
        plugin=PLUGIN,
    )


def broken(what: str, code: str, why: str = "") -> PluginFault:
    """The far side answered with something that is no answer."""
    return PluginFault(
        code,
        what,
        why=why,
        fix="the plugin broke its contract: update it or report this; nothing ran locally",
        plugin=PLUGIN,
    )
