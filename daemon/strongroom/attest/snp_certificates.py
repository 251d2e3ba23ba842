"""The certificates that endorse an SEV-SNP report: roles, algorithms, and what the leaf says of chip and firmware.

Rule 1: a chain has three certificates, and their names say which: ``ARK-P`` issued ``SEV-P`` (for a VCEK) or
``SEV-VLEK-P`` (for a VLEK) of the same product P, which issued ``SEV-VCEK`` or ``SEV-VLEK``. Names alone prove nothing;
the root is compared by fingerprint, and each issued the next.
Rule 2: both issuers have RSA keys of 4096 bits and sign with RSASSA-PSS and SHA-384; the leaf's key is on P-384.
Source: contracts/attestation.md 7.2, checks 2, 3 and 5 to 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from strongroom.attest.codes import ALGORITHM, CHAIN
from strongroom.attest.evidence import EvidenceLimits, check_path, checked_certificates, malformed
from strongroom.attest.snp_report import VCEK
from strongroom.crypto.public_keys import ECDSA_P384, PublicKey
from strongroom.errors import EvidenceRejected

if TYPE_CHECKING:
    from strongroom.crypto.certificates import Certificate

__all__ = ["SnpLeaf", "checked_leaf"]

TURIN: Final = "Turin"
PRODUCTS: Final = frozenset({"Milan", "Genoa", TURIN})
CHAIN_LENGTH: Final = 3
RSA_4096: Final = "RSA-4096"
_INTEGER_TAG: Final = 0x02
_OCTET_STRING_TAG: Final = 0x04
_IA5_STRING_TAG: Final = 0x16
_TEXT_BYTES_MAX: Final = 127  # what one length byte can say; a product or provider is far shorter
_CHIP_ID_BYTES: Final = 64
_HWID_BYTES: Final = {"Milan": 64, "Genoa": 64, TURIN: 8}
_AMD: Final = "1.3.6.1.4.1.3704.1"
_TCB_OIDS: Final = {"bl": f"{_AMD}.3.1", "tee": f"{_AMD}.3.2", "snp": f"{_AMD}.3.3", "ucode": f"{_AMD}.3.8"}
_TURIN_TCB_OIDS: Final = {"fmc": f"{_AMD}.3.9", **_TCB_OIDS}


@dataclass(frozen=True, slots=True)
class SnpLeaf:
    """A VCEK or VLEK whose chain holds. ``chip_id`` has 64 bytes, as reports write it, and is empty for a VLEK;
    ``csp_id`` names the provider and is empty for a VCEK."""

    key: PublicKey
    product: str
    tcb: dict[str, int]
    chip_id: bytes
    csp_id: str


def checked_leaf(
    place: str,
    untrusted: Sequence[bytes],
    signing_key: str,
    *,
    now: datetime,
    anchors: frozenset[str],
    limits: EvidenceLimits,
) -> SnpLeaf:
    """The leaf of a chain in DER, leaf first, that suits a report signed by ``signing_key``.

    Raises ``EvidenceRejected`` for any other chain, for another algorithm, and outside its validity.
    """
    chain = checked_certificates(f"{place}/2 certificates", untrusted, limits)
    if len(chain) != CHAIN_LENGTH:
        got, wanted = f"{len(chain)} certificates", "leaf, intermediate and root"
        raise EvidenceRejected(CHAIN, f"{place}/2 chain", got=got, wanted=wanted)
    leaf, _intermediate, root = chain
    product = root.common_name.removeprefix("ARK-")
    if product not in PRODUCTS:
        wanted = "ARK- and a product"
        raise EvidenceRejected(CHAIN, f"{place}/2 root", got=f"root {root.common_name!r}", wanted=wanted)
    _check_roles(place, chain, signing_key, product)
    _check_algorithms(place, chain)
    check_path(f"{place}/2 chain", chain[::-1], anchors=anchors, now=now)
    named = _text(f"{place}/7 product", leaf.field(f"{_AMD}.2"))
    if named.split("-")[0] != product:
        raise EvidenceRejected(CHAIN, f"{place}/7 product", got=f"leaf of {named!r}", wanted=product)
    is_vcek = signing_key == VCEK
    return SnpLeaf(
        key=leaf.key,
        product=product,
        tcb=_tcb(place, leaf, product),
        chip_id=_chip_id(place, leaf, product) if is_vcek else b"",
        csp_id="" if is_vcek else _text(f"{place}/6 CSP id", leaf.field(f"{_AMD}.5")),
    )


def _check_roles(place: str, chain: "Sequence[Certificate]", signing_key: str, product: str) -> None:
    """Refuse a chain for another key than the one that the report names, or one of two products."""
    wanted = ["SEV-VCEK", f"SEV-{product}"] if signing_key == VCEK else ["SEV-VLEK", f"SEV-VLEK-{product}"]
    found = [each.common_name for each in chain[:2]]
    if found != wanted:
        raise EvidenceRejected(CHAIN, f"{place}/2 roles", got=", ".join(found), wanted=", ".join(wanted))


def _check_algorithms(place: str, chain: "Sequence[Certificate]") -> None:
    for each in chain:
        if not each.is_signed_with_pss or each.signature_hash != "sha384":
            got = f"{each.common_name} signed with {each.signature_hash or 'an unknown hash'}"
            raise EvidenceRejected(ALGORITHM, f"{place}/2 algorithm", got=got, wanted="RSASSA-PSS with SHA-384")
    for each, wanted in zip(chain, (ECDSA_P384, RSA_4096, RSA_4096), strict=True):
        if each.key.kind != wanted:
            got = f"{each.common_name} with a key of {each.key.kind}"
            raise EvidenceRejected(ALGORITHM, f"{place}/2 algorithm", got=got, wanted=wanted)


def _tcb(place: str, leaf: "Certificate", product: str) -> dict[str, int]:
    """Components of the firmware, each 0 to 255, by their names."""
    oids = _TURIN_TCB_OIDS if product == TURIN else _TCB_OIDS
    return {name: _small_integer(f"{place}/5 {name}", leaf.field(oid)) for name, oid in oids.items()}


def _chip_id(place: str, leaf: "Certificate", product: str) -> bytes:
    found, size = leaf.field(f"{_AMD}.4"), _HWID_BYTES[product]
    if found is not None and len(found) == size + 2 and found[:2] == bytes((_OCTET_STRING_TAG, size)):
        found = found[2:]
    if found is None or len(found) != size:
        got = "nothing" if found is None else f"{len(found)} bytes"
        raise malformed(f"{place}/6 hwID", got=got, wanted=f"{size} bytes")
    return found.ljust(_CHIP_ID_BYTES, b"\0")


def _small_integer(check: str, der: bytes | None) -> int:
    """A DER INTEGER from 0 to 255, whose high values have a zero byte in front."""
    wanted = "a DER INTEGER from 0 to 255"
    if der is None or len(der) not in {3, 4} or der[0] != _INTEGER_TAG or der[1] != len(der) - 2:
        raise malformed(check, got=der.hex() if der is not None else "nothing", wanted=wanted)
    value = int.from_bytes(der[2:], "big", signed=True)
    if not 0 <= value <= 0xFF or (len(der) == 4) != (value >= 0x80):
        raise malformed(check, got=der.hex(), wanted=wanted)
    return value


def _text(check: str, der: bytes | None) -> str:
    """What an IA5String says, which is not nothing."""
    wanted = "an IA5String"
    if der is None or not 2 < len(der) <= _TEXT_BYTES_MAX + 2 or der[0] != _IA5_STRING_TAG or der[1] != len(der) - 2:
        raise malformed(check, got=der.hex() if der is not None else "nothing", wanted=wanted)
    if not der.isascii():
        raise malformed(check, got=der.hex(), wanted=wanted)
    return der[2:].decode("ascii")
