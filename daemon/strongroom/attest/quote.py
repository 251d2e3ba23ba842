"""DCAP quotes of Intel TDX and SGX, taken apart by their own lengths; nothing here says that one is authentic.

Rule 1: a quote ends where its length says. Behind that at most 256 zero bytes may stand, and they are cut off: what is
hashed, kept and verified is the quote alone. The library that verifies it takes whatever follows.
Rule 2: versions and sizes are a closed list.
Source: contracts/attestation.md 8.1; offsets are in bytes, numbers little-endian.
"""

from dataclasses import dataclass
from typing import Final

from strongroom.attest.codes import ALGORITHM, IDENTITY, UNSUPPORTED_KIND, UNSUPPORTED_VERSION
from strongroom.attest.evidence import malformed
from strongroom.errors import EvidenceRejected

__all__ = ["SGX", "TDX", "Quote", "parse_quote"]

SGX: Final = 0x00
TDX: Final = 0x81
ECDSA_P256: Final = 2
INTEL: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
PADDING_BYTES_MAX: Final = 256
"""Zero bytes after a quote: devices hand out buffers of a fixed size."""

_SGX_BODY: Final = 384
_TD_10_BODY: Final = 584
_TD_15_BODY: Final = 648
# Version 5 says which body it has. TD 1.5ex (4) is left out: no sample of it is known.
_BODIES: Final = {1: (SGX, _SGX_BODY), 2: (TDX, _TD_10_BODY), 3: (TDX, _TD_15_BODY)}
_OLDER: Final = {(3, SGX): _SGX_BODY, (4, TDX): _TD_10_BODY}

_SIGNATURE_AND_KEY: Final = 128
_REPORT_AND_SIGNATURE: Final = 384 + 64
_QE_REPORT_DATA: Final = 6
_PCK_CHAIN: Final = 5

_SGX_FIELDS: Final = {
    "cpu_svn": (0, 16),
    "misc_select": (16, 4),
    "attributes": (48, 16),
    "mr_enclave": (64, 32),
    "mr_signer": (128, 32),
    "config_id": (192, 64),
    "isv_family_id": (304, 16),
    "report_data": (320, 64),
}
_SGX_NUMBERS: Final = {"isv_prod_id": 256, "isv_svn": 258, "config_svn": 260}
_TD_FIELDS: Final = {
    "tee_tcb_svn": (0, 16),
    "mr_seam": (16, 48),
    "mr_signer_seam": (64, 48),
    "seam_attributes": (112, 8),
    "td_attributes": (120, 8),
    "xfam": (128, 8),
    "mr_td": (136, 48),
    "mr_config_id": (184, 48),
    "mr_owner": (232, 48),
    "mr_owner_config": (280, 48),
    "rtmr0": (328, 48),
    "rtmr1": (376, 48),
    "rtmr2": (424, 48),
    "rtmr3": (472, 48),
    "report_data": (520, 64),
}
_TD_15_FIELDS: Final = {"tee_tcb_svn2": (584, 16), "mr_service_td": (600, 48)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a quote says: its version, ``tee`` (``SGX`` or ``TDX``), and the fields of its body by their names.

    ``raw`` is the quote without padding, ``pck_chain`` the PEM text in it: the certificates of the platform's key, leaf
    first.
    """

    version: int
    tee: int
    qe_svn: int
    pce_svn: int
    fields: dict[str, bytes | int | None]
    raw: bytes
    pck_chain: bytes

    @property
    def report_data(self) -> bytes:
        """The 64 bytes that the attester chose."""
        found = self.fields["report_data"]
        return found if isinstance(found, bytes) else b""


def parse_quote(check: str, untrusted: bytes, tee: int) -> Quote:
    """The quote of this ``tee`` in ``untrusted``. ``check`` is the prefix of refusals. Raises ``EvidenceRejected``."""
    reader = _Reader(f"{check}/structure", untrusted)
    version, key_type = reader.number(2), reader.number(2)
    found_tee = reader.number(4)
    qe_svn, pce_svn = reader.number(2), reader.number(2)
    vendor = reader.take(16)
    reader.take(20)
    if version not in {3, 4, 5}:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{check}/version", got=str(version), wanted="3, 4 or 5")
    if found_tee != tee:
        raise EvidenceRejected(UNSUPPORTED_KIND, f"{check}/tee type", got=f"{found_tee:#x}", wanted=f"{tee:#x}")
    if key_type != ECDSA_P256:
        raise EvidenceRejected(ALGORITHM, f"{check}/key type", got=str(key_type), wanted="2, ECDSA P-256")
    if vendor != INTEL:
        raise EvidenceRejected(IDENTITY, f"{check}/vendor", got=vendor.hex(), wanted=INTEL.hex())
    body = reader.take(_body_size(check, reader, version, tee))
    signature_data = reader.take(reader.number(4))
    _check_rest(check, reader.rest())
    return Quote(
        version=version,
        tee=tee,
        qe_svn=qe_svn,
        pce_svn=pce_svn,
        fields=_fields(tee, body),
        raw=untrusted[: reader.at],
        pck_chain=_pck_chain(check, signature_data, version),
    )


def _body_size(check: str, reader: "_Reader", version: int, tee: int) -> int:
    if version < 5:
        if (version, tee) not in _OLDER:
            got = f"version {version} for TEE type {tee:#x}"
            raise EvidenceRejected(UNSUPPORTED_VERSION, f"{check}/version", got=got, wanted="3 for SGX, 4 for TDX")
        return _OLDER[version, tee]
    kind, size = reader.number(2), reader.number(4)
    if kind not in _BODIES:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{check}/body type", got=str(kind), wanted="1, 2 or 3")
    if _BODIES[kind] != (tee, size):
        wanted = f"{_BODIES[kind][1]} bytes for TEE type {_BODIES[kind][0]:#x}"
        raise malformed(f"{check}/body", got=f"{size} bytes for TEE type {tee:#x}", wanted=wanted)
    return size


def _check_rest(check: str, rest: bytes) -> None:
    if any(rest) or len(rest) > PADDING_BYTES_MAX:
        got = f"{len(rest)} bytes after the end" + ("" if any(rest) else ", all zero")
        raise malformed(f"{check}/padding", got=got, wanted=f"nothing, or at most {PADDING_BYTES_MAX} zero bytes")


def _fields(tee: int, body: bytes) -> dict[str, bytes | int | None]:
    table = dict(_SGX_FIELDS) if tee == SGX else dict(_TD_FIELDS)
    found: dict[str, bytes | int | None] = {}
    if len(body) == _TD_15_BODY:
        table.update(_TD_15_FIELDS)
    elif tee == TDX:
        # TD 1.0 has no service TD, which is something else than one of zeros.
        found["mr_service_td"] = None
    found.update({name: body[at : at + size] for name, (at, size) in table.items()})
    if tee == SGX:
        found.update({name: int.from_bytes(body[at : at + 2], "little") for name, at in _SGX_NUMBERS.items()})
    return found


def _pck_chain(check: str, signature_data: bytes, version: int) -> bytes:
    """The PEM text: what follows the signatures is the report of the quoting enclave, and the chain of its key."""
    reader = _Reader(f"{check}/signature data", signature_data)
    reader.take(_SIGNATURE_AND_KEY)
    if version > 3:
        kind, size = reader.number(2), reader.number(4)
        if kind != _QE_REPORT_DATA or size != len(signature_data) - reader.at:
            raise malformed(f"{check}/signature data", got=f"type {kind}, {size} bytes", wanted="type 6, to the end")
    reader.take(_REPORT_AND_SIGNATURE)
    reader.take(reader.number(2))
    kind = reader.number(2)
    if kind != _PCK_CHAIN:
        wanted = "5, a certificate chain"
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{check}/certification data", got=f"type {kind}", wanted=wanted)
    chain = reader.take(reader.number(4))
    if reader.rest():
        raise malformed(f"{check}/signature data", got=f"{len(reader.rest())} bytes after the chain", wanted="nothing")
    return chain.rstrip(b"\0")


class _Reader:
    """Takes bytes from the front; what is not there refuses."""

    __slots__ = ("_check", "_data", "at")

    def __init__(self, check: str, data: bytes) -> None:
        self._check = check
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        found = self._data[self.at : self.at + size]
        if len(found) != size:
            got = f"{len(found)} bytes at {self.at}"
            raise malformed(self._check, got=got, wanted=f"{size} bytes")
        self.at += size
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def rest(self) -> bytes:
        return self._data[self.at :]
