"""What the nodes of a network sign, and when enough of them have.

Rule 1: a signature that does not verify is skipped and never the end: one bad node must not stop the others.
Rule 2: who signs twice counts once.
Source: contracts/confidential.md 10.2, and the end of 11.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import Forbidden, InvalidInput

__all__ = [
    "COMPUTE_DOMAIN",
    "CONFIG_DOMAIN",
    "RELAY_DOMAIN",
    "Signature",
    "agreed_hash",
    "check_signers",
    "is_signed_by",
    "sign",
    "signer_of",
    "signers_of",
    "signing_payload",
    "too_few_signers",
]

COMPUTE_DOMAIN: Final = "CONFIDENTIAL_COMPUTE_PAYLOAD_"
CONFIG_DOMAIN: Final = "CONFIDENTIAL_COMPUTE_CONFIG_UPDATE_"
RELAY_DOMAIN: Final = "CONFIDENTIAL_RELAY_PAYLOAD_"
_PREFIX: Final = b" " * 64 + b"ragep2p arbitrary message signing" + b"\x00"
_IN_FULL_BYTES_MAX: Final = 1024
"""A longer message is signed by its digest."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who says to have signed (a raw Ed25519 key), and the signature."""

    signer: bytes
    signature: bytes


def signing_payload(domain: str, message: bytes) -> bytes:
    """The bytes that Ed25519 signs for ``message`` in ``domain``."""
    if len(message) <= _IN_FULL_BYTES_MAX:
        framed = b"\x00" + length_prefixed(message)
    else:
        framed = b"\x01" + hashlib.sha256(message).digest()
    return _PREFIX + length_prefixed(domain) + framed


def sign(key: SigningKey, domain: str, message: bytes) -> Signature:
    """``message`` signed in ``domain``."""
    return Signature(key.public, key.sign_raw(signing_payload(domain, message)))


def is_signed_by(signer: bytes, domain: str, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is that of ``message`` in ``domain`` under the raw key ``signer``."""
    try:
        key = PublicKey.of_ed25519(signer)
    except InvalidInput:
        return False
    return key.verify_ed25519(signature, signing_payload(domain, message))


def signers_of(
    domain: str, message: bytes, untrusted_signatures: Iterable[bytes], signers: Sequence[bytes]
) -> frozenset[bytes]:
    """Which of ``signers`` made one of the signatures, none of which names its signer."""
    missing = list(dict.fromkeys(signers))
    for signature in dict.fromkeys(untrusted_signatures):
        if (signer := signer_of(domain, message, signature, missing)) is not None:
            missing.remove(signer)
    return frozenset(signers) - frozenset(missing)


def signer_of(domain: str, message: bytes, untrusted_signature: bytes, signers: Sequence[bytes]) -> bytes | None:
    """Which of ``signers`` made that signature."""
    return next((each for each in signers if is_signed_by(each, domain, message, untrusted_signature)), None)


def check_signers(found: frozenset[bytes], *, f: int) -> None:
    """Raise ``Forbidden`` unless there are F+1: then one of them at least is honest."""
    if len(found) <= f:
        raise too_few_signers(len(found), f)


def agreed_hash(
    untrusted_answers: Mapping[bytes, Iterable[Signature]],
    signers: Sequence[bytes],
    *,
    f: int,
    domain: str = RELAY_DOMAIN,
) -> bytes:
    """The one hash that F+1 distinct ``signers`` signed, of answers grouped by hash.

    Raises ``Forbidden`` when there is none, and when there are two: more than F nodes are at fault then.
    """
    known = frozenset(signers)
    counts = {
        answer: len(
            {
                each.signer
                for each in signatures
                if each.signer in known and is_signed_by(each.signer, domain, answer, each.signature)
            }
        )
        for answer, signatures in untrusted_answers.items()
    }
    agreed = [answer for answer, count in counts.items() if count > f]
    if not agreed:
        raise too_few_signers(max(counts.values(), default=0), f)
    if len(agreed) > 1:
        raise Forbidden(
            "SR-DIAL-003",
            "the signers contradict themselves",
            why=f"{len(agreed)} different answers have {f + 1} signers each",
            fix="find the nodes that signed both; more of them are at fault than the network allows for",
        )
    return agreed[0]


def too_few_signers(count: int, f: int) -> Forbidden:
    """Not enough of the signers that are known."""
    return Forbidden(
        "SR-DIAL-004",
        f"{count} distinct valid signers are too few",
        why=f"F is {f}, so {f + 1} are needed",
        fix="compare the signers of the enclave's config with the keys of the nodes",
    )
