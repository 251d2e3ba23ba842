"""The attestation report of AMD SEV-SNP: 1184 bytes, little-endian, of which the first 672 are signed.

Rule 1: versions 2 and 3 are read. Version 5 has fields where these have zeros, and there is no real one to test with.
Rule 2: every byte that the format leaves empty is zero. Those after the signed part are changed at will otherwise, and
one report would have many digests.
Rule 3: nothing is judged here. That a report is of a debug guest is a fact; whether that is good enough is policy.
Source: contracts/attestation.md 7.1.
"""

import struct
from dataclasses import dataclass
from typing import Final

from strongroom.attest.codes import ALGORITHM, SIGNATURE, UNSUPPORTED_VERSION
from strongroom.attest.evidence import malformed
from strongroom.errors import EvidenceRejected

__all__ = ["REPORT_BYTES", "VCEK", "VLEK", "SnpReport", "parse_report", "product_of_cpu"]

REPORT_BYTES: Final = 1184
VERSIONS: Final = frozenset({2, 3})
ECDSA_P384_SHA384: Final = 1
VCEK: Final = "vcek"
VLEK: Final = "vlek"
_SIGNED_BYTES: Final = 0x2A0
_SCALAR_BYTES: Final = 48
_SIGNING_KEYS: Final = {0: VCEK, 1: VLEK}
_NO_SIGNING_KEY: Final = 7
_POLICY_ALWAYS_ONE: Final = 1 << 17
_MASK_CHIP_KEY: Final = 1 << 1
_FIRST_VERSION_WITH_CPU: Final = 3

# Where the format holds nothing, as half-open ranges; section 7.1 names each.
_EMPTY: Final = (
    (0x4C, 0x50),
    (0x18B, 0x1A0),
    (0x1EB, 0x1EC),
    (0x1EF, 0x1F0),
    (0x1F8, 0x2A0),
    (0x2A0 + _SCALAR_BYTES, 0x2E8),
    (0x2E8 + _SCALAR_BYTES, 0x330),
    (0x330, REPORT_BYTES),
)
_CPU_FIELD: Final = (0x188, 0x18B)

# Family and model of a processor -> the product whose root signs for it.
_PRODUCTS: Final = (
    (0x19, range(0x10), "Milan"),
    (0x19, range(0x10, 0x20), "Genoa"),
    (0x19, range(0xA0, 0xB0), "Genoa"),
    (0x1A, range(0x12), "Turin"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpReport:
    """A report whose structure holds. ``cpu`` is (family, model, stepping), or None in version 2, which has none. The
    four ``…_tcb`` are 8 bytes each, whose order depends on the product; r and s are the numbers of the signature."""

    version: int
    guest_svn: int
    policy: int
    family_id: bytes
    image_id: bytes
    vmpl: int
    current_tcb: bytes
    platform_info: int
    has_author_key: bool
    signing_key: str
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: bytes
    cpu: tuple[int, int, int] | None
    chip_id: bytes
    committed_tcb: bytes
    current_firmware: tuple[int, int, int]
    committed_firmware: tuple[int, int, int]
    launch_tcb: bytes
    signed: bytes
    r: int
    s: int


def parse_report(place: str, untrusted: bytes) -> SnpReport:
    """The report in ``untrusted``, all of it. ``place`` is the prefix of the checks that refuse, such as ``snp``.

    Raises ``EvidenceRejected`` for another length, version or algorithm, for a field that is not empty though it must
    be, and for a report that says that nobody signed it.
    """
    if len(untrusted) != REPORT_BYTES:
        raise malformed(f"{place}/1 length", got=f"{len(untrusted)} bytes", wanted=f"{REPORT_BYTES} bytes")
    version, guest_svn, policy = struct.unpack_from("<IIQ", untrusted, 0)
    vmpl, algorithm, current_tcb, platform_info, key_info = struct.unpack_from("<II8sQI", untrusted, 0x30)
    if version not in VERSIONS:
        wanted = " or ".join(map(str, sorted(VERSIONS)))
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{place}/1 version", got=str(version), wanted=wanted)
    if algorithm != ECDSA_P384_SHA384:
        wanted = "1, ECDSA P-384 with SHA-384"
        raise EvidenceRejected(ALGORITHM, f"{place}/1 algorithm", got=str(algorithm), wanted=wanted)
    has_cpu = version >= _FIRST_VERSION_WITH_CPU
    for start, end in _EMPTY if has_cpu else (*_EMPTY, _CPU_FIELD):
        if any(untrusted[start:end]):
            raise malformed(f"{place}/1 zero fields", got=untrusted[start:end].hex(), wanted=f"zeros at {start:#05x}")
    if not policy & _POLICY_ALWAYS_ONE:
        raise malformed(f"{place}/1 policy", got=f"{policy:#x}", wanted="bit 17 set, as it always is")
    signing_key = _signing_key(place, key_info)
    chip_id = untrusted[0x1A0:0x1E0]
    if signing_key == VLEK and any(chip_id):
        raise malformed(f"{place}/1 chip_id", got=chip_id.hex(), wanted="zeros, since a VLEK is of no chip")
    return SnpReport(
        version=version,
        guest_svn=guest_svn,
        policy=policy,
        family_id=untrusted[0x10:0x20],
        image_id=untrusted[0x20:0x30],
        vmpl=vmpl,
        current_tcb=current_tcb,
        platform_info=platform_info,
        has_author_key=bool(key_info & 1),
        signing_key=signing_key,
        report_data=untrusted[0x50:0x90],
        measurement=untrusted[0x90:0xC0],
        host_data=untrusted[0xC0:0xE0],
        id_key_digest=untrusted[0xE0:0x110],
        author_key_digest=untrusted[0x110:0x140],
        report_id=untrusted[0x140:0x160],
        report_id_ma=untrusted[0x160:0x180],
        reported_tcb=untrusted[0x180:0x188],
        cpu=(untrusted[0x188], untrusted[0x189], untrusted[0x18A]) if has_cpu else None,
        chip_id=chip_id,
        committed_tcb=untrusted[0x1E0:0x1E8],
        current_firmware=_firmware(untrusted, 0x1E8),
        committed_firmware=_firmware(untrusted, 0x1EC),
        launch_tcb=untrusted[0x1F0:0x1F8],
        signed=untrusted[:_SIGNED_BYTES],
        r=int.from_bytes(untrusted[0x2A0 : 0x2A0 + _SCALAR_BYTES], "little"),
        s=int.from_bytes(untrusted[0x2E8 : 0x2E8 + _SCALAR_BYTES], "little"),
    )


def product_of_cpu(place: str, cpu: tuple[int, int, int]) -> str:
    """``Milan``, ``Genoa`` or ``Turin``. Raises ``EvidenceRejected`` for a processor that is none of these."""
    family, model, _stepping = cpu
    for of_family, models, product in _PRODUCTS:
        if family == of_family and model in models:
            return product
    wanted = "a processor of Milan, Genoa or Turin"
    raise EvidenceRejected(
        UNSUPPORTED_VERSION, f"{place}/7 product", got=f"family {family:#x}, model {model:#x}", wanted=wanted
    )


def _signing_key(place: str, key_info: int) -> str:
    if key_info & _MASK_CHIP_KEY:
        got, wanted = "a platform that masks its chip key", "a report that is signed"
        raise EvidenceRejected(SIGNATURE, f"{place}/1 key_info", got=got, wanted=wanted)
    number = key_info >> 2 & 7
    if number == _NO_SIGNING_KEY:
        wanted = "one signed by a VCEK or VLEK"
        raise EvidenceRejected(SIGNATURE, f"{place}/1 key_info", got="a report that nobody signed", wanted=wanted)
    if number not in _SIGNING_KEYS:
        raise malformed(f"{place}/1 key_info", got=f"signing key {number}", wanted="0 (VCEK) or 1 (VLEK)")
    return _SIGNING_KEYS[number]


def _firmware(report: bytes, offset: int) -> tuple[int, int, int]:
    """(major, minor, build): they stand in the report the other way round."""
    return report[offset + 2], report[offset + 1], report[offset]
