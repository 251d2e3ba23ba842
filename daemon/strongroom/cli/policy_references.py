"""Whether a policy accepts a release, as a signed reference value names it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.attest.policy import Policy
from strongroom.attest.reference_value import REFERENCE_BYTES_MAX, ReferenceValue, open_reference, parse_reference
from strongroom.cli.caller import read_file
from strongroom.cli.policy_files import public_key, signature_of

__all__ = ["Comparison", "compared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A reference value in a file, and the entry of the policy that accepts it; ``why`` it is or is not."""

    file: str
    value: ReferenceValue
    is_signature_checked: bool
    is_accepted: bool
    why: str

    def document(self) -> dict[str, Any]:  # Any: JSON values
        """For programs."""
        return {
            "file": self.file,
            "kind": self.value.kind,
            "build": self.value.build,
            "measurement": self.value.measurement.hex(),
            "svn": self.value.svn,
            "signature_checked": self.is_signature_checked,
            "accepted": self.is_accepted,
            "why": self.why,
        }


def compared(path: Path, policy: Policy, key: str) -> Comparison:
    """What ``policy`` makes of the reference value in ``path``, which must be signed by ``key`` where there is one.

    Raises ``Failure``, and ``EvidenceRejected`` for a file that is none or has another signature.
    """
    raw = read_file("--reference", path, bytes_max=REFERENCE_BYTES_MAX)
    if key:
        value = open_reference(raw, signature_of(path), public=public_key("--reference-key", key))
    else:
        value = parse_reference(raw)
    is_accepted, why = _found(value, policy)
    return Comparison(file=str(path), value=value, is_signature_checked=bool(key), is_accepted=is_accepted, why=why)


def _found(value: ReferenceValue, policy: Policy) -> tuple[bool, str]:
    place = policy.where(f"accept.{value.kind}")
    facts = {"measurement": value.measurement}
    named = next(
        (
            each.name
            for each in policy.entries_of(value.kind)
            if any(every.fact == "measurement" and every.accepts(facts) for every in each.demands)
        ),
        None,
    )
    if named is None:
        return False, f"no entry of {place} has this measurement"
    if value.svn < policy.min_runner_svn:
        return False, f"svn {value.svn} is below {policy.where('min_runner_svn')} {policy.min_runner_svn}"
    return True, f"{place}.{named}"
