"""What each code of refused evidence means, and what to do: the words of ``docs/errors.md``, which a test compares."""

from collections.abc import Mapping
from typing import Final

from strongroom.attest import codes
from strongroom.attest.checks import Check

__all__ = ["MEANINGS", "do_about", "what_it_means"]

# Code -> (what it means, what to do).
MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    codes.MALFORMED: (
        "The structure of evidence is wrong: a missing, repeated or unknown field, a wrong type, bytes after the end.",
        "Ask for the evidence again; the message names the check.",
    ),
    codes.TOO_LARGE: (
        "Evidence, a certificate or collateral is larger than its limit.",
        "Send evidence of the named kind and nothing else.",
    ),
    codes.UNSUPPORTED_KIND: (
        (
            "There is no verifier for this kind of evidence, the policy does not load it, or a library that it needs "
            "is not installed."
        ),
        (
            "Name the verifier in `[verifiers] load` of the policy. For TDX and SGX install the extra: "
            "`pip install 'strongroom[dcap]'`."
        ),
    ),
    codes.UNSUPPORTED_VERSION: (
        "The version of the format is not one that is accepted.",
        "Update the platform, or strongroom.",
    ),
    codes.ALGORITHM: (
        "A signature or key uses an algorithm that is not accepted.",
        "Nothing: the evidence is not what its kind says.",
    ),
    codes.SIGNATURE: (
        "The signature of the evidence does not verify.",
        "Do not use it.",
    ),
    codes.CHAIN: (
        "A certificate does not belong to the path that was given.",
        "Send the chain of the platform that made the evidence.",
    ),
    codes.ANCHOR: (
        "The path does not begin at a pinned root.",
        "Check that the evidence comes from the platform that it names.",
    ),
    codes.EXPIRED: (
        "A certificate is past its validity.",
        "Verify archived evidence at the time of its result: `--at`.",
    ),
    codes.NOT_YET_VALID: (
        "A certificate is not valid yet.",
        "Check the clock, or the time given with `--at`.",
    ),
    codes.STALE: (
        (
            "The time in the evidence is too far from now, the counters of its TPM went back, "
            "or it was used in another release."
        ),
        "Check the clocks of both machines; a TPM that went back was rolled back.",
    ),
    codes.NONCE_UNKNOWN: (
        "The vault never gave out this challenge.",
        "Ask for a challenge and attest again.",
    ),
    codes.NONCE_USED: (
        "The challenge was used already.",
        "Ask for a new one; each is good for one release.",
    ),
    codes.NONCE_EXPIRED: (
        "The challenge is too old.",
        "Ask for a new one and attest at once.",
    ),
    codes.BINDING: (
        "The evidence is about another execution, key or challenge.",
        "Do not use it: it may have been relayed.",
    ),
    codes.DEBUG: (
        "A debug enclave or debug guest, whose memory its host can read.",
        "Start it without debugging.",
    ),
    codes.PRIVILEGE: (
        "It ran at a privilege level, or with a service beside it, that the policy does not accept.",
        "Compare with the entry of the policy that is named.",
    ),
    codes.TCB: (
        "Firmware or microcode of the platform is older than the policy accepts.",
        "Update the platform.",
    ),
    codes.ADVISORY: (
        "An advisory that the policy refuses applies to the platform.",
        "Update the platform.",
    ),
    codes.REVOKED: (
        "The platform's key or status was revoked.",
        "Use another machine.",
    ),
    codes.MEASUREMENT: (
        "What ran is not among the accepted measurements.",
        "Compare it with the release; add that to the policy if it is meant to be there.",
    ),
    codes.CONFIG: (
        "The enclave was configured otherwise than the policy says.",
        "Start it with the configuration whose digest is wanted.",
    ),
    codes.IDENTITY: (
        "The chip, key or provider is not one that the policy knows.",
        "Enrol it, or use one that is enrolled.",
    ),
    codes.COLLATERAL_MISSING: (
        "The collateral for the quote is missing, or is for another platform.",
        "Fetch the collateral of this platform again.",
    ),
    codes.COLLATERAL_EXPIRED: (
        "The collateral is past its date, or older than the policy takes.",
        "Fetch it again.",
    ),
    codes.INSECURE_KIND: (
        "Simulated evidence was offered where only real one is taken.",
        "Use hardware, or a vault that was started for tests.",
    ),
    codes.POLICY_INVALID: (
        "The vault has no policy, or one that is broken, unsigned, or signed by another key.",
        "Make one, or correct it and sign it again; the message names the place.",
    ),
    codes.POLICY_EPOCH: (
        "The policy is older than one that was in force, or another one of the same epoch.",
        "Use the newest one; after a change raise its epoch and sign it again.",
    ),
    codes.RUNNER_SVN: (
        "The runner is older than the policy accepts.",
        "Update the runner.",
    ),
    codes.NOT_AUTHORISED: (
        (
            "The owner's manifest does not give this workflow this secret, or is older than one that was in force; "
            "or the policy wants attested capabilities only, and the host answered a call."
        ),
        "Have its owner sign a manifest that does; for the policy, use runners that call no capability.",
    ),
    codes.ASSURANCE_TOO_LOW: (
        "The secret, its grant or the policy asks for more assurance than the evidence gives.",
        "Run it on a backend of that class.",
    ),
    codes.ALREADY_RELEASED: (
        "This attempt of the execution has had another release, or the execution has had all its attempts.",
        "Start the run again; `attempts_max` of the vault says how many there are.",
    ),
    codes.POSSESSION: (
        "The runner did not prove that it holds the key it attested.",
        "Do not use it: it may have been relayed.",
    ),
    codes.VERIFIER_FAILED: (
        "Verifying failed unexpectedly, so nothing was released.",
        "Report it with the evidence, which holds no secrets.",
    ),
    codes.BACKEND_UNAVAILABLE: (
        "The confidential backend or its vault is away. The run waits or fails; it is never executed elsewhere.",
        (
            "Correct what `strongroom status` and `strongroom plugin list` show: a plugin that was given up is tried "
            "again by itself."
        ),
    ),
}
# Checks that say more than their code does.
_OF_CHECKS: Final[Mapping[str, tuple[str, str]]] = {
    "result_sha256": (
        "The file is not the result that the enclave signed.",
        (
            "Give the file that `strongroom receipt export RUN --result-file FILE --decrypt --reason TEXT` wrote for "
            "the run of this receipt. If it is that one, it was changed since: do not use it."
        ),
    ),
}
_UNKNOWN: Final = ("A code that this program does not know.", "Use the newest one.")


def what_it_means(check: Check) -> str:
    """What it means that ``check`` does not hold; empty without a code."""
    return _OF_CHECKS.get(check.id, MEANINGS.get(check.code, _UNKNOWN))[0] if check.code else ""


def do_about(check: Check) -> str:
    """What to do about it; empty without a code."""
    if not check.code:
        return ""
    return check.fix or _OF_CHECKS.get(check.id, MEANINGS.get(check.code, _UNKNOWN))[1]
