"""A reference value: what a release must measure to, in a file that whoever built it signs.

JSON with three parts, those of a reference-value triple of CoRIM: the environment (``kind`` of evidence and ``build``),
the measurement (``alg`` and ``value``), and the security version, ``svn``. Its signature, 64 raw bytes, stands beside
it. A file says what to expect and decides nothing: what is accepted is in the policy.
Source: contracts/attestation.md 16.4; the layout is ours.
"""

import json
from dataclasses import dataclass
from typing import Final

from strongroom.attest.assurance import KINDS
from strongroom.attest.codes import SIGNATURE, UNSUPPORTED_VERSION
from strongroom.attest.evidence import check_size, malformed
from strongroom.attest.json_values import Json, parse_json
from strongroom.crypto.signing import SigningKey, is_signed, key_id
from strongroom.errors import EvidenceRejected

__all__ = ["REFERENCE_BYTES_MAX", "ReferenceValue", "open_reference", "parse_reference", "sign_reference"]

PROFILE: Final = "strongroom/reference-value/v1"
REFERENCE_BYTES_MAX: Final = 64 * 1024
REFERENCE_TAG: Final = "reference-value"
TEXT_MAX: Final = 128
SVN_END: Final = 2**32
MEASUREMENT_BYTES: Final = 32
ALGORITHM: Final = "sha-256"
_HERE: Final = "reference-value"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceValue:
    """The measurement (32 bytes) of the runner ``build``, as evidence of ``kind`` reports it, and its ``svn``."""

    kind: str
    build: str
    measurement: bytes
    svn: int

    def encode(self) -> bytes:
        """The file, which ends with a line end."""
        value = {
            "profile": PROFILE,
            "environment": {"kind": self.kind, "build": self.build},
            "measurement": {"alg": ALGORITHM, "value": self.measurement.hex()},
            "svn": self.svn,
        }
        encoded = (json.dumps(value, indent=2) + "\n").encode()
        parse_reference(encoded)
        return encoded


def parse_reference(untrusted: bytes) -> ReferenceValue:
    """The reference value in a file, whoever wrote it. Raises ``EvidenceRejected``."""
    check_size(f"{_HERE} size", untrusted, REFERENCE_BYTES_MAX)
    top = parse_json(_HERE, untrusted)
    _check_keys(_HERE, top, {"profile", "environment", "measurement", "svn"})
    top.constant("profile", PROFILE, UNSUPPORTED_VERSION)
    environment, measurement = top.object("environment"), top.object("measurement")
    _check_keys(f"{_HERE} environment", environment, {"kind", "build"})
    _check_keys(f"{_HERE} measurement", measurement, {"alg", "value"})
    measurement.constant("alg", ALGORITHM, UNSUPPORTED_VERSION)
    kind, build = environment.text("kind"), environment.text("build")
    if kind not in KINDS:
        raise malformed(f"{_HERE} kind", got=repr(kind[:40]), wanted=", ".join(KINDS))
    if not 0 < len(build) <= TEXT_MAX or not build.isprintable():
        raise malformed(f"{_HERE} build", got="another text", wanted=f"1 to {TEXT_MAX} characters")
    return ReferenceValue(
        kind=kind, build=build, measurement=_digest(measurement.text("value")), svn=top.number("svn", end=SVN_END)
    )


def open_reference(untrusted: bytes, signature: bytes, *, public: bytes) -> ReferenceValue:
    """The reference value in a file that the raw Ed25519 key ``public`` signed. Raises ``EvidenceRejected``."""
    check_size(f"{_HERE} size", untrusted, REFERENCE_BYTES_MAX)
    if not is_signed(public, REFERENCE_TAG, untrusted, signature):
        got, wanted = "no signature by this key", f"one by the key SHA-256 {key_id(public).hex()}"
        raise EvidenceRejected(SIGNATURE, f"{_HERE} signature", got=got, wanted=wanted)
    return parse_reference(untrusted)


def sign_reference(encoded: bytes, key: SigningKey) -> bytes:
    """The signature of a file, 64 bytes. Raises ``EvidenceRejected`` for one that holds no reference value."""
    parse_reference(encoded)
    return key.sign(REFERENCE_TAG, encoded)


def _check_keys(place: str, found: Json, keys: set[str]) -> None:
    if found.found.keys() != keys:
        raise malformed(place, got=f"{len(found.found)} keys", wanted=f"exactly {', '.join(sorted(keys))}")


def _digest(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != MEASUREMENT_BYTES or found.hex() != text:
        raise malformed(f"{_HERE} value", got="another text", wanted="64 lower-case hex digits")
    return found
