"""COSE_Sign1 (RFC 9052 4.2): one payload under one signature, taken apart and made.

Rule 1: what is verified are the bytes of header and payload as they came, never their encoding again: payloads of
others are not deterministic.
Rule 2: everything around them has one form (definite, shortest, no unprotected header), so that nobody can give a
document another look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom.attest.cbor import DEPTH_MAX, canonical, decode
from strongroom.attest.codes import SIGNATURE
from strongroom.attest.evidence import malformed
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected

__all__ = ["ALGORITHM_LABEL", "EDDSA", "MEDIA_TYPE", "Sign1", "check_eddsa", "make_sign1", "parse_sign1"]

MEDIA_TYPE: Final = 'application/cose; cose-type="cose-sign1"'
ALGORITHM_LABEL: Final = 1
EDDSA: Final = -8
_TAG: Final = b"\xd2"
"""Tag 18 in its only short form."""
_ITEMS: Final = 4


@dataclass(frozen=True, slots=True)
class Sign1:
    """A document that was taken apart, its signature not yet verified. ``protected`` is the header's encoding."""

    protected: bytes
    payload: bytes
    signature: bytes

    @property
    def to_be_signed(self) -> bytes:
        """The Sig_structure, over the bytes that came, without external data."""
        return canonical(["Signature1", self.protected, b"", self.payload])


def parse_sign1(check: str, untrusted: bytes, *, needs_tag: bool = False, depth_max: int = DEPTH_MAX) -> Sign1:
    """The parts of ``untrusted``, which may have tag 18 in front, or must. Raises ``EvidenceRejected``."""
    is_tagged = untrusted.startswith(_TAG)
    if needs_tag and not is_tagged:
        raise malformed(check, got="an untagged document", wanted="tag 18 in front")
    array = untrusted[len(_TAG) :] if is_tagged else untrusted
    items = decode(check, array, depth_max=depth_max)
    wanted = "a COSE_Sign1: header, empty map, payload, signature"
    if type(items) is not list or len(items) != _ITEMS:
        raise malformed(check, got="something else", wanted=wanted)
    protected, unprotected, payload, signature = items
    if type(unprotected) is not dict or not all(type(each) is bytes for each in (protected, payload, signature)):
        raise malformed(check, got="an item of another type", wanted=wanted)
    if unprotected:
        raise malformed(check, got="an unprotected header", wanted=wanted)
    if canonical(items) != array:
        raise malformed(check, got="a longer or indefinite form around the items", wanted="the shortest form")
    return Sign1(protected, payload, signature)


def make_sign1(key: SigningKey, header: Mapping[int, Any], payload: bytes) -> bytes:  # Any: what a header may hold
    """A tagged document of ``payload``, signed by ``key``; ``header`` is what is protected beside the algorithm."""
    unsigned = Sign1(canonical({ALGORITHM_LABEL: EDDSA, **header}), payload, b"")
    return _TAG + canonical([unsigned.protected, {}, payload, key.sign_raw(unsigned.to_be_signed)])


def check_eddsa(check: str, document: Sign1, key: PublicKey) -> None:
    """Raise ``EvidenceRejected`` unless ``document`` is signed by ``key``, an Ed25519 key."""
    if not key.verify_ed25519(document.signature, document.to_be_signed):
        raise EvidenceRejected(
            SIGNATURE, check, got="one that does not verify", wanted=f"an EdDSA signature by {key.spki().hex()}"
        )
