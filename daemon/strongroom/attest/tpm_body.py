"""The body of evidence with a quote: a deterministic CBOR map of a version, register values and byte strings.

Source: contracts/attestation.md 9.5 and, for Azure, 4.
"""

from collections.abc import Mapping
from typing import Any, Final

from strongroom.attest.cbor import decode_canonical
from strongroom.attest.codes import UNSUPPORTED_VERSION
from strongroom.attest.evidence import Evidence, EvidenceLimits, check_size, malformed
from strongroom.attest.tpm_quote import checked_pcrs
from strongroom.errors import EvidenceRejected

__all__ = ["BODY_VERSION", "parse_body"]

BODY_VERSION: Final = 1


def parse_body(place: str, evidence: Evidence, bytes_keys: tuple[str, ...], limits: EvidenceLimits) -> dict[str, Any]:
    """The map in a body: ``v``, ``pcrs``, and byte strings at exactly ``bytes_keys``. Raises ``EvidenceRejected``."""
    check_size(f"{place}/1 size", evidence.body, limits.evidence_bytes_max)
    body = decode_canonical(f"{place}/1 body", evidence.body)
    if not isinstance(body, dict):
        raise malformed(f"{place}/1 body", got=type(body).__name__, wanted="a map")
    _check_version(place, body)
    wanted = {"v", "pcrs", *bytes_keys}
    if body.keys() != wanted:
        missing, unknown = sorted(wanted - body.keys()), len(body.keys() - wanted)
        got = f"{', '.join(missing) or 'no key'} missing, {unknown} unknown"
        raise malformed(f"{place}/1 keys", got=got, wanted=", ".join(sorted(wanted)))
    for key in bytes_keys:
        if not isinstance(body[key], bytes):
            raise malformed(f"{place}/1 {key}", got=type(body[key]).__name__, wanted="bytes")
    return body | {"pcrs": checked_pcrs(place, body["pcrs"])}


def _check_version(place: str, untrusted: Mapping[Any, Any]) -> None:
    """Raise ``EvidenceRejected`` for a body of another version. Any: the map of an evidence body, not yet looked at."""
    version = untrusted.get("v")
    # In Python a truth value is a number as well; here it is not.
    if type(version) is not int:
        raise malformed(f"{place}/1 version", got=type(version).__name__, wanted="a number")
    if version != BODY_VERSION:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{place}/1 version", got=str(version), wanted=str(BODY_VERSION))
