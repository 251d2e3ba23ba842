"""What a file is, by its content: evidence of a kind, a part of some, or what goes with it.

Rule 1: recognising says nothing about whether it is genuine. It looks at what a format cannot do without, so that
broken evidence is still known for what it should be, and its verifier says what is wrong.
Rule 2: what two kinds share is not guessed: the map of a quote is both ``tpm2`` and ``insecure-swtpm``.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.attest.quote import INTEL, SGX, TDX
from strongroom.attest.snp_report import REPORT_BYTES
from strongroom.cli.evidence_containers import json_pieces, registers_of, unwrapped
from strongroom.crypto.certificates import load_certificate, load_pem_certificates
from strongroom.crypto.public_keys import load_public_key
from strongroom.errors import InvalidInput

__all__ = ["Recognised", "body_of", "recognise"]

QUOTE_KINDS: Final = ("tpm2", "insecure-swtpm")
_TEES: Final = {SGX: "sgx", TDX: "tdx"}
_ES384: Final = bytes.fromhex("44a1013822")
_HEX: Final = re.compile(rb"[0-9a-fA-F\s]+")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_=\s-]+")
_HEAD_BYTES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a file holds, in words, and its pieces by name.

    ``body`` is a kind and the bytes of its evidence; the other pieces are what such a body is put together from, or
    what endorses it: ``receipt``, ``hcl_report``, ``attest``, ``signature``, ``pcrs``, ``ak_public``, ``vcek``,
    ``certificates`` and ``collateral``.
    """

    what: str
    pieces: Mapping[str, Any] = field(default_factory=dict)  # Any: each piece has its own type

    @property
    def is_evidence(self) -> bool:
        """Whether somebody would ask what this proves, rather than hand it over beside something else."""
        return bool(self.pieces.keys() & {"body", "receipt", "hcl_report", "attest"}) and not self.is_part

    @property
    def is_part(self) -> bool:
        """Whether it is a quote of somebody else's container, which wants a report beside it."""
        return "attest" in self.pieces and "pcrs" in self.pieces and not self.pieces.keys() & {"ak_public", "vcek"}


def recognise(raw: bytes) -> Recognised | None:
    """What ``raw`` is; None where it is nothing that this program knows."""
    for read in (_plain, _in_json, _in_pem, _in_der, _wrapped, _as_text):
        found = read(raw)
        if found is not None:
            return found
    return None


def body_of(kind: str, raw: bytes) -> Recognised:
    """``raw`` as a body of the kind that somebody named."""
    return Recognised(what=f"taken as {kind} because --kind says so", pieces={"body": (kind, raw)})


def _plain(raw: bytes) -> Recognised | None:
    """Formats that are told apart by their first bytes or their length."""
    head = raw[:_HEAD_BYTES]
    if head[:1] == b"\x84" and (head[1:6] == _ES384 or b"module_id" in head):
        return _body("nitro", "an attestation document of an AWS Nitro enclave", raw)
    if head[:2] == b"\xd2\x84" and b"tag:strongroom,2026:insecure-software" in raw:
        return _body("insecure-software", "simulated evidence of strongroom", raw)
    if len(raw) == REPORT_BYTES and 1 <= raw[0] <= 9 and not any(raw[1:4]):
        return _body("sev-snp", "an AMD SEV-SNP report of 1184 bytes", raw)
    if head[:4] == b"HCLA":
        return Recognised(what="an HCL report of an Azure confidential VM", pieces={"hcl_report": raw})
    if len(head) > 28 and head[12:28] == INTEL and int.from_bytes(head[4:8], "little") in _TEES:
        kind = _TEES[int.from_bytes(head[4:8], "little")]
        version = int.from_bytes(head[:2], "little")
        return _body(kind, f"an Intel {kind.upper()} quote of version {version}", raw)
    if head[:4] == b"\xffTCG":
        return Recognised(what="a quote of a TPM, its signature apart", pieces={"attest": raw})
    if head[:2] in {b"\x00\x18", b"\x00\x14"} and head[2:4] == b"\x00\x0b":
        return Recognised(what="a signature of a TPM", pieces={"signature": raw})
    return _our_map(raw) or _registers(raw)


def _our_map(raw: bytes) -> Recognised | None:
    """The maps of CBOR that this project defines. They are known by a name in them, so that a cut one is, too."""
    if not raw or not 0xA0 <= raw[0] <= 0xBF:
        return None
    if b"strongroom/receipt/v1" in raw:
        return Recognised(what="a receipt of strongroom", pieces={"receipt": raw})
    if b"hcl_report" in raw:
        return _body("az-snp-vtpm", "a quote and the SEV-SNP report behind it", raw)
    if b"ak_public" in raw:
        return Recognised(what="a quote of a TPM", pieces={"body": ("", raw)})
    return None


def _registers(raw: bytes) -> Recognised | None:
    found = registers_of(raw)
    return Recognised(what="register values as tpm2-tools write them", pieces={"pcrs": found}) if found else None


def _in_json(raw: bytes) -> Recognised | None:
    if raw.lstrip()[:1] != b"{":
        return None
    found = json_pieces(raw)
    return Recognised(what=found[0], pieces=found[1]) if found is not None else None


def _in_pem(raw: bytes) -> Recognised | None:
    text = raw.lstrip()
    if text.startswith(b"-----BEGIN PUBLIC KEY-----"):
        lines = text.split(b"-----END PUBLIC KEY-----")[0].splitlines()[1:]
        return _public_key(b"".join(lines))
    if not text.startswith(b"-----BEGIN"):
        return None
    try:
        found = load_pem_certificates(raw)
    except InvalidInput:
        return None
    return Recognised(what=f"{len(found)} certificate{'' if len(found) == 1 else 's'}", pieces={"certificates": found})


def _public_key(text: bytes) -> Recognised | None:
    try:
        key = load_public_key(base64.b64decode(text, validate=True))
    except (ValueError, InvalidInput):
        return None
    return Recognised(what=f"a public key, {key.kind}", pieces={"ak_public": key})


def _in_der(raw: bytes) -> Recognised | None:
    if raw[:1] != b"\x30":
        return None
    try:
        return Recognised(what="a certificate", pieces={"certificates": [load_certificate(raw)]})
    except InvalidInput:
        return None


def _wrapped(raw: bytes) -> Recognised | None:
    """The envelope of another project, which is taken off."""
    inner = unwrapped(raw)
    found = _plain(inner) if inner is not None else None
    if inner is None or found is None:
        return None
    return Recognised(what=f"{found.what}, bytes 4 to {len(inner) + 3} of its container", pieces=found.pieces)


def _as_text(raw: bytes) -> Recognised | None:
    """The same formats, written down as hex digits or base64."""
    for name, pattern in (("hex digits", _HEX), ("base64", _BASE64)):
        if not pattern.fullmatch(raw):
            continue
        text = b"".join(raw.split())
        try:
            inner = bytes.fromhex(text.decode()) if pattern is _HEX else base64.b64decode(text, altchars=None)
        except ValueError:
            continue
        found = _plain(inner)
        if found is not None:
            return Recognised(what=f"{found.what}, written as {name}", pieces=found.pieces)
    return None


def _body(kind: str, what: str, raw: bytes) -> Recognised:
    return Recognised(what=what, pieces={"body": (kind, raw)})
