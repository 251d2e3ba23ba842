"""Enrolment of an attestation key, the vault's half: proof that the key lives in the TPM of an endorsement key.

The runner sends the public area of its attestation key and the endorsement key's chain. ``challenge_ak`` makes a
challenge that only that TPM answers, and only while it holds a key of exactly that Name; ``check_activated`` looks at
the answer. After that, and not before, the Name may go into a policy's ``tpm2.aks``.

Rule 1: pure. The caller draws ``credential`` at random, fresh for each challenge, and keeps it until the answer comes.
Rule 2: what is enrolled is the Name, which covers the attributes: a key that could sign what somebody else made up is
refused before there is a challenge.
Source: contracts/attestation.md 9.2 (check 2) and 9.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.attest.cbor import canonical, decode_canonical
from strongroom.attest.codes import ALGORITHM, IDENTITY
from strongroom.attest.evidence import EvidenceLimits, check_size, is_same, malformed
from strongroom.attest.tpm_endorsements import checked_ek
from strongroom.attest.tpm_keys import parse_public
from strongroom.crypto.public_keys import ECDSA_P256, PublicKey
from strongroom.crypto.tpm_credential import make_credential
from strongroom.errors import EvidenceRejected

__all__ = [
    "CHALLENGE_BYTES_MAX",
    "CREDENTIAL_BYTES",
    "EnrolmentChallenge",
    "challenge_ak",
    "check_activated",
    "decode_challenge",
    "enrollable_ek",
]

CREDENTIAL_BYTES: Final = 32
CHALLENGE_BYTES_MAX: Final = 1024
"""A challenge to an endorsement key on P-256 has 250."""
_PROFILE: Final = "strongroom/tpm-enrolment/v1"
_BYTES_KEYS: Final = ("ak_name", "id_object", "encrypted_secret")
_PLACE: Final = "tpm"


@dataclass(frozen=True, slots=True)
class EnrolmentChallenge:
    """What the runner's TPM must open. ``ak_name`` is the Name that is enrolled when it does.

    ``id_object`` and ``encrypted_secret`` are the two arguments of TPM2_ActivateCredential, each behind its length.
    """

    ak_name: bytes
    id_object: bytes
    encrypted_secret: bytes

    def encode(self) -> bytes:
        """The challenge as a file: deterministic CBOR."""
        return canonical({"profile": _PROFILE, **{name: getattr(self, name) for name in _BYTES_KEYS}})


def decode_challenge(untrusted: bytes) -> EnrolmentChallenge:
    """What ``encode`` made. Raises ``EvidenceRejected``."""
    check = f"{_PLACE}/2 challenge"
    check_size(check, untrusted, CHALLENGE_BYTES_MAX)
    found = decode_canonical(check, untrusted)
    if not isinstance(found, dict) or found.keys() != {"profile", *_BYTES_KEYS} or found["profile"] != _PROFILE:
        raise malformed(check, got="something else", wanted=_PROFILE)
    if not all(isinstance(found[name], bytes) for name in _BYTES_KEYS):
        raise malformed(check, got="a value that is no byte string", wanted=", ".join(_BYTES_KEYS))
    return EnrolmentChallenge(**{name: found[name] for name in _BYTES_KEYS})


def enrollable_ek(
    untrusted_chain: Sequence[bytes], *, now: datetime, anchors: frozenset[str], limits: EvidenceLimits
) -> PublicKey:
    """The endorsement key of a chain (DER, leaf first) that ends in one of ``anchors``.

    Raises ``EvidenceRejected`` for anything else: a key of nobody in particular proves nothing about where it lives.
    """
    ek, is_anchored = checked_ek(_PLACE, untrusted_chain, now=now, anchors=anchors, limits=limits)
    if ek is None or not is_anchored:
        got = "no certificate" if ek is None else "a chain that ends in no listed anchor"
        wanted = "a chain from the endorsement key to a listed maker"
        raise EvidenceRejected(IDENTITY, f"{_PLACE}/2 EK chain", got=got, wanted=wanted)
    return ek.key


def challenge_ak(
    ek: PublicKey, untrusted_ak_public: bytes, credential: bytes, *, limits: EvidenceLimits
) -> EnrolmentChallenge:
    """A challenge for the key of a TPMT_PUBLIC, to the TPM of ``ek``. ``credential`` are 32 fresh random bytes.

    Raises ``EvidenceRejected`` for a key that cannot be an attestation key, and for an endorsement key of another kind
    than ECC P-256.
    """
    check_size(f"{_PLACE}/1 ak_public", untrusted_ak_public, limits.tpm_message_bytes_max)
    ak = parse_public(_PLACE, untrusted_ak_public)
    if ek.kind != ECDSA_P256:
        raise EvidenceRejected(ALGORITHM, f"{_PLACE}/2 EK", got=f"a key of {ek.kind}", wanted=ECDSA_P256)
    if len(credential) != CREDENTIAL_BYTES:
        got, wanted = f"a credential of {len(credential)} bytes", f"{CREDENTIAL_BYTES} bytes"
        raise malformed(f"{_PLACE}/2 credential", got=got, wanted=wanted)
    return EnrolmentChallenge(ak.name, *make_credential(ek, ak.name, credential))


def check_activated(credential: bytes, untrusted_answer: bytes) -> None:
    """Raise ``EvidenceRejected`` unless the runner's TPM opened the challenge: its answer is ``credential``."""
    if not is_same(untrusted_answer, credential):
        got, wanted = "another credential", "the one that was sealed to this TPM and this key"
        raise EvidenceRejected(IDENTITY, f"{_PLACE}/2 enrolment", got=got, wanted=wanted)
