"""Kinds of evidence, the media type of each, and the classes of assurance that each can reach, from the weakest to the
strongest.

Rule 1: a kind that proves nothing is called insecure, reaches ``none``, and no policy makes it more.
Rule 2: a kind or class that is not in these tables is refused wherever it turns up.
Source: contracts/attestation.md 4 and 17.
"""

from collections.abc import Mapping
from typing import Final

from strongroom.attest.cose import MEDIA_TYPE as COSE_SIGN1
from strongroom.attest.evidence import HARDWARE, NO_ASSURANCE, VTPM, VTPM_UNTRUSTED

__all__ = ["CLASSES", "CLASSES_OF", "INSECURE_KINDS", "KINDS", "LOCAL", "MEDIA_TYPES", "is_at_least"]

LOCAL: Final = "local"
"""What a run without any evidence has. A secret that asks for no more may be read by runs of the host itself."""
CLASSES: Final = (LOCAL, NO_ASSURANCE, VTPM_UNTRUSTED, VTPM, HARDWARE)
"""From the weakest to the strongest."""
CLASSES_OF: Final[Mapping[str, frozenset[str]]] = {
    "nitro": frozenset({HARDWARE}),
    "sev-snp": frozenset({HARDWARE}),
    "tdx": frozenset({HARDWARE}),
    "sgx": frozenset({HARDWARE}),
    "az-snp-vtpm": frozenset({HARDWARE}),
    "tpm2": frozenset({VTPM, VTPM_UNTRUSTED}),
    "insecure-swtpm": frozenset({NO_ASSURANCE}),
    "insecure-software": frozenset({NO_ASSURANCE}),
}
_BYTES: Final = "application/octet-stream"
_CBOR: Final = "application/cbor"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "nitro": COSE_SIGN1,
    "sev-snp": _BYTES,
    "tdx": _BYTES,
    "sgx": _BYTES,
    "az-snp-vtpm": _CBOR,
    "tpm2": _CBOR,
    "insecure-swtpm": _CBOR,
    "insecure-software": COSE_SIGN1,
}
"""What the body of each kind is. No signature covers the word, so it can only be this one."""
KINDS: Final = tuple(CLASSES_OF)
INSECURE_KINDS: Final = frozenset(kind for kind, classes in CLASSES_OF.items() if classes == {NO_ASSURANCE})


def is_at_least(found: str, wanted: str) -> bool:
    """Whether the class ``found`` is as strong as ``wanted``. A word that is no class is never enough, and no demand
    that can be met."""
    return found in CLASSES and wanted in CLASSES and CLASSES.index(found) >= CLASSES.index(wanted)
