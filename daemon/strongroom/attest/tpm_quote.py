"""A quote, taken apart: the attested bytes, the signature, the key and the register values each by themselves.

``verify_tpm2`` and ``verify_az_snp_vtpm`` put it together, each from a container of its own.
Source: contracts/attestation.md 9.2, checks 1 and 3 to 7.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from strongroom.attest.codes import ALGORITHM, BINDING, IDENTITY, MEASUREMENT, SIGNATURE, STALE
from strongroom.attest.evidence import Binding, EvidenceLimits, check_size, is_same, malformed
from strongroom.attest.tpm_structures import ECC, TpmQuote, TpmSignature, parse_attest, parse_signature
from strongroom.crypto.public_keys import ECDSA_P256, PublicKey
from strongroom.errors import EvidenceRejected

__all__ = ["SignedQuote", "check_quote", "checked_pcrs", "parse_quote", "quote_facts"]

RSA_2048: Final = "RSA-2048"
PCR_BYTES: Final = 32
PCRS_MAX: Final = 32
"""Registers that a selection of four bytes can name."""


@dataclass(frozen=True, slots=True)
class SignedQuote:
    """A quote, its signature, and the key that must have made it. They are read, and nothing is verified yet."""

    quote: TpmQuote
    signature: TpmSignature
    ak: PublicKey


def parse_quote(place: str, attest: bytes, signature: bytes, ak: PublicKey, limits: EvidenceLimits) -> SignedQuote:
    """The quote in a TPMS_ATTEST, and the TPMT_SIGNATURE that ``ak`` should have made.

    ``place`` is the prefix of the checks that refuse. Raises ``EvidenceRejected`` for a wrong structure or algorithm.
    """
    for name, untrusted in (("attest", attest), ("signature", signature)):
        check_size(f"{place}/1 {name}", untrusted, limits.tpm_message_bytes_max)
    quote, signed = parse_attest(place, attest), parse_signature(place, signature)
    wanted = ECDSA_P256 if signed.key_type == ECC else RSA_2048
    if ak.kind != wanted:
        raise EvidenceRejected(ALGORITHM, f"{place}/1 key", got=f"a key of {ak.kind}", wanted=wanted)
    return SignedQuote(quote, signed, ak)


def check_quote(
    place: str,
    signed: SignedQuote,
    pcrs: Mapping[int, bytes],
    *,
    expected: Binding | None,
    signers: frozenset[bytes] | None = None,
) -> None:
    """Raise ``EvidenceRejected`` unless the quote is authentic, bound as expected, fresh, and about ``pcrs``.

    ``signers`` are the qualified names that its signer may have; without them the name is not compared, which is right
    only where something else says what the key is.
    """
    quote = signed.quote
    if not _is_signed(signed):
        got, wanted = "a signature that does not verify", "one by the attestation key"
        raise EvidenceRejected(SIGNATURE, f"{place}/4 signature", got=got, wanted=wanted)
    if signers is not None and not any(is_same(quote.qualified_signer, each) for each in signers):
        got, wanted = quote.qualified_signer.hex(), "the attestation key in the endorsement hierarchy"
        raise EvidenceRejected(IDENTITY, f"{place}/3 qualifiedSigner", got=got, wanted=wanted)
    if expected is not None and not is_same(quote.extra_data, expected.report_data):
        got, wanted = quote.extra_data.hex(), f"{expected.report_data.hex()} and nothing more"
        raise EvidenceRejected(BINDING, f"{place}/5 extraData", got=got, wanted=wanted)
    if not quote.is_clock_safe:
        got, wanted = "a clock that may repeat earlier values", "clock safe"
        raise EvidenceRejected(STALE, f"{place}/7 clock", got=got, wanted=wanted)
    _check_pcrs(place, quote, pcrs)


def checked_pcrs(place: str, untrusted: object) -> dict[int, bytes]:
    """Register values by number, as an evidence body holds them. Raises ``EvidenceRejected`` for anything else."""
    if not isinstance(untrusted, dict) or len(untrusted) > PCRS_MAX:
        raise malformed(f"{place}/1 pcrs", got=type(untrusted).__name__, wanted=f"a map of at most {PCRS_MAX}")
    for register, value in untrusted.items():
        # In Python a truth value is a number as well; here it is not.
        if type(register) is not int or not 0 <= register < PCRS_MAX:
            raise malformed(f"{place}/1 pcrs", got="another key", wanted=f"registers from 0 to {PCRS_MAX - 1}")
        if not isinstance(value, bytes) or len(value) != PCR_BYTES:
            raise malformed(f"{place}/1 pcrs", got=f"another value of {register}", wanted=f"{PCR_BYTES} bytes")
    return untrusted


def quote_facts(quote: TpmQuote, pcrs: Mapping[int, bytes]) -> dict[str, Any]:  # Any: facts of several types
    """What a quote says, for appraisal: ``pcrs`` by number, ``pcr_digest``, ``extra_data``, ``reset_count``,
    ``restart_count``, ``clock_ms`` and ``firmware_version``."""
    return {
        "pcrs": dict(pcrs),
        "pcr_digest": quote.pcr_digest,
        "extra_data": quote.extra_data,
        "clock_ms": quote.clock_ms,
        "reset_count": quote.reset_count,
        "restart_count": quote.restart_count,
        "firmware_version": quote.firmware_version,
    }


def _check_pcrs(place: str, quote: TpmQuote, pcrs: Mapping[int, bytes]) -> None:
    """Refuse values of other registers than were quoted, and other values."""
    if tuple(sorted(pcrs)) != quote.selection:
        got, wanted = f"values of {sorted(pcrs)}", f"of {list(quote.selection)}"
        raise malformed(f"{place}/6 pcrs", got=got, wanted=wanted)
    digest = hashlib.sha256(b"".join(pcrs[register] for register in quote.selection)).digest()
    if not is_same(digest, quote.pcr_digest):
        got, wanted = f"values with digest {digest.hex()}", f"{quote.pcr_digest.hex()}, which was quoted"
        raise EvidenceRejected(MEASUREMENT, f"{place}/6 pcrDigest", got=got, wanted=wanted)


def _is_signed(signed: SignedQuote) -> bool:
    signature, attest = signed.signature, signed.quote.attest
    if signature.key_type == ECC:
        return signed.ak.verify_ecdsa(signature.r, signature.s, attest, "sha256")
    return signed.ak.verify_rsa(signature.rsassa, attest, "sha256")
