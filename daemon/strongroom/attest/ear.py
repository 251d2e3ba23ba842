"""The attestation result of the vault: a JWT in the shape of EAR (draft-ietf-rats-ear-04), signed with Ed25519.

Rule 1: it is made deterministically: keys sorted, no white space, ASCII. Whoever checks accepts any layout of JSON and,
as RFC 7519 section 4 asks, claims that it does not know.
Rule 2: the status is the worst tier of the vector; a result that says otherwise is refused.
Rule 3: the names of EAR stand here and nowhere else, as those of AR4SI do in ``ar4si``: both are drafts and may move.
Source: contracts/attestation.md 2.2, 15 and 16.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom.attest.ar4si import VECTOR, status_of
from strongroom.attest.checks import OUTCOMES, Check
from strongroom.attest.codes import MALFORMED, UNSUPPORTED_VERSION
from strongroom.attest.evidence import check_size, malformed
from strongroom.attest.fields import DIGEST_BYTES
from strongroom.attest.json_values import Json, to_base64
from strongroom.attest.jwt import check_jwt, make_jwt
from strongroom.crypto.signing import SigningKey

__all__ = [
    "EAR_BYTES_MAX",
    "Ear",
    "check_ear",
    "make_ear",
]

EAR_BYTES_MAX: Final = 64 * 1024
"""A result with all checks of a policy is a few KiB."""
CHECKS_MAX: Final = 256
PROFILE: Final = "tag:ietf.org,2026:rats/ear#04"
DEVELOPER: Final = "strongroom"
_POLICY_PREFIX: Final = "sha256:"
_VALUE_END: Final = 128
_TIME_END_S: Final = 253_402_300_800
"""The end of the year 9999, after which no date can be written."""
_HERE: Final = "ear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """What the vault found.

    ``nonce`` and ``report_data`` (32 bytes each) say of which execution, ``issued_s`` when (Unix seconds), ``build``
    by which vault, ``policy_sha256`` (32 bytes) under which policy. ``vector`` are numbers of AR4SI by element.
    ``checks`` are there when a report was asked for.
    """

    nonce: bytes
    report_data: bytes
    assurance: str
    issued_s: int
    build: str
    vector: Mapping[str, int]
    policy_sha256: bytes
    checks: tuple[Check, ...] = ()

    @property
    def status(self) -> str:
        """The worst tier of the vector."""
        return status_of(self.vector)


def make_ear(ear: Ear, key: SigningKey) -> bytes:
    """The JWT, ASCII. Raises ``EvidenceRejected`` for a field that may not be what it is."""
    runner = {
        "ear_status": ear.status,
        "ear_trustworthiness_vector": dict(ear.vector),
        "ear_appraisal_policy_ids": [_POLICY_PREFIX + ear.policy_sha256.hex()],
    }
    claims: dict[str, Any] = {  # Any: whatever JSON can hold
        "eat_profile": PROFILE,
        "iat": ear.issued_s,
        "eat_nonce": to_base64(ear.nonce),
        "ear_verifier_id": {"developer": DEVELOPER, "build": ear.build},
        "strongroom_report_data": to_base64(ear.report_data),
        "strongroom_assurance": ear.assurance,
        "submods": {"runner": runner},
    }
    if ear.checks:
        claims["strongroom_checks"] = [_written(each) for each in ear.checks]
    jwt = make_jwt(claims, key)
    check_ear(jwt, vault_public=key.public)
    return jwt


def check_ear(untrusted: bytes, *, vault_public: bytes) -> Ear:
    """What the vault found, signed by the raw Ed25519 key ``vault_public``. Raises ``EvidenceRejected``."""
    check_size(f"{_HERE} size", untrusted, EAR_BYTES_MAX)
    return _read(check_jwt(_HERE, untrusted, public=vault_public))


def _read(claims: Json) -> Ear:
    claims.constant("eat_profile", PROFILE, UNSUPPORTED_VERSION)
    runner = claims.object("submods").object("runner")
    vector = runner.object("ear_trustworthiness_vector")
    numbers = {name: vector.number(name, end=_VALUE_END) for name in vector.found if name in VECTOR}
    if len(numbers) != len(vector.found):
        raise malformed(f"{_HERE} vector", got="unknown elements", wanted=", ".join(sorted(VECTOR)))
    runner.constant("ear_status", status_of(numbers), MALFORMED)
    policies = runner.list("ear_appraisal_policy_ids", count_max=1)
    if not policies:
        raise malformed(f"{_HERE} policy", got="none", wanted="one")
    checks = claims.list("strongroom_checks", count_max=CHECKS_MAX) if "strongroom_checks" in claims.found else []
    return Ear(
        nonce=claims.raw("eat_nonce", DIGEST_BYTES),
        report_data=claims.raw("strongroom_report_data", DIGEST_BYTES),
        assurance=claims.text("strongroom_assurance"),
        issued_s=claims.number("iat", end=_TIME_END_S),
        build=claims.object("ear_verifier_id").text("build"),
        vector=numbers,
        policy_sha256=_policy(policies[0]),
        checks=tuple(_check(Json(f"{_HERE} checks", each)) for each in checks),
    )


def _policy(found: object) -> bytes:
    text = found.removeprefix(_POLICY_PREFIX) if isinstance(found, str) and found.startswith(_POLICY_PREFIX) else ""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES or digest.hex() != text:
        raise malformed(f"{_HERE} policy", got="another id", wanted="sha256: and 64 hex digits")
    return digest


def _check(found: Json) -> Check:
    if found.text("outcome") not in OUTCOMES:
        raise malformed(f"{_HERE} checks outcome", got="another word", wanted=", ".join(sorted(OUTCOMES)))
    return Check(**{name: found.text(name) for name in ("id", "outcome", "got", "wanted", "policy_ref")})


def _written(check: Check) -> dict[str, str]:
    names = ("id", "outcome", "got", "wanted", "policy_ref")
    return {name: getattr(check, name) for name in names}
