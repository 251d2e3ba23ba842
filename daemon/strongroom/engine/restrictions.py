"""Puts the gate of restrictions and quotas before what the guest of one phase of a run asks of its host."""

from collections.abc import Iterator
from typing import Final

from strongroom.engine.limits import EngineLimits
from strongroom.engine.recorded import Recorded, RecordedStep, phase_of
from strongroom.engine.specs import Spec
from strongroom.guest.ids import owner_checksum
from strongroom.modules.decisions import Decisions, Made
from strongroom.modules.module import ExecutionHelper
from strongroom.modules.quotas import QuotaLimits, Quotas, SecretBytes
from strongroom.modules.restricted import RestrictedHelper
from strongroom.modules.restrictions import Ledger
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["Counted", "new_decisions", "quota_limits", "restricted"]

REFUSED: Final = "Public:User:LimitExceeded:"
UNJOURNALLED_MAX: Final = 100
"""Fetches all of whose secrets are denied are no steps; the quota of fetches allows fewer than this."""


class Counted:
    """What the guest of one run has used up, by phase: over all of its executions, as long as this host keeps it.

    What it does not know yet it takes from the journal, at the beginning of each execution.
    """

    def __init__(self) -> None:
        self._decisions: dict[str, Decisions] = {}
        self._secret_bytes: dict[str, SecretBytes] = {}

    def decisions(
        self, phase: str, recorded: Recorded, limits: EngineLimits, restrictions: sdk_pb2.Restrictions | None
    ) -> Decisions:
        """The decisions of a phase, which has made what is ``recorded``."""
        if phase not in self._decisions:
            self._decisions[phase] = new_decisions(limits, restrictions)
        self._decisions[phase].begin(_made(recorded, phase))
        return self._decisions[phase]

    def secret_bytes(self, phase: str, recorded: Recorded, limits: EngineLimits) -> SecretBytes:
        """The bytes of secrets that a phase was given."""
        counted = self._secret_bytes.setdefault(phase, SecretBytes(limits.secrets_bytes_max))
        for name, step in _steps(recorded, phase):
            if step.secrets and step.completed is not None and step.completed.secrets_response:
                counted.keep(name, sdk_pb2.SecretResponses.FromString(step.completed.secrets_response))
        return counted


def restricted(helper: ExecutionHelper, spec: Spec, decisions: Decisions) -> RestrictedHelper:
    """``helper`` behind a gate."""
    return RestrictedHelper(helper, owner=owner_checksum(spec.row.workflow_owner), decisions=decisions)


def new_decisions(limits: EngineLimits, restrictions: sdk_pb2.Restrictions | None = None) -> Decisions:
    """The decisions of a phase that has not begun."""
    return Decisions(
        Quotas(quota_limits(limits)),
        None if restrictions is None else Ledger(restrictions),
        decided_max=limits.steps_max + limits.secrets_fetches_max + UNJOURNALLED_MAX,
    )


def quota_limits(limits: EngineLimits) -> QuotaLimits:
    """The limits of one run among those of the engine, by equal name."""
    return QuotaLimits(**{name: getattr(limits, name) for name in QuotaLimits.__dataclass_fields__})


def _steps(recorded: Recorded, phase: str) -> Iterator[tuple[str, RecordedStep]]:
    return ((name, step) for name, step in recorded.steps.items() if phase_of(name) == phase)


def _made(recorded: Recorded, phase: str) -> Iterator[Made]:
    for name, step in _steps(recorded, phase):
        step_id = name.removeprefix(phase)
        # By its name: a fetch of nothing is no bytes.
        kind = sdk_pb2.GetSecretsRequest if step_id.startswith("s") else sdk_pb2.CapabilityRequest
        request = kind.FromString(step.request)
        request.callback_id = int(step_id.removeprefix("s"))
        yield Made(request, _refusal(step), answered=step.completed is not None)


def _refusal(step: RecordedStep) -> str:
    """Why the gate refused a step; empty when it did not. What was sent has attempts."""
    if step.completed is None or step.completed.attempts:
        return ""
    if step.secrets:
        return step.completed.secrets_error
    error = sdk_pb2.CapabilityResponse.FromString(step.completed.response).error
    return error if error.startswith(REFUSED) else ""
