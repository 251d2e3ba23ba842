"""The HCL report of an Azure confidential VM: an SEV-SNP report, and the JSON whose digest that report carries.

Rule 1: only the SNP report is signed, and it vouches for the JSON. The headers around both are signed by nobody, so
every byte of them has the one value that it can have.
Rule 2: what follows the JSON is zero padding up to the size that Azure writes, and no part of the evidence.
Source: contracts/attestation.md 10.
"""

import hashlib
import json
import re
import struct
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any, Final

from strongroom.attest.codes import ALGORITHM, BINDING, UNSUPPORTED_VERSION
from strongroom.attest.evidence import is_same, malformed
from strongroom.attest.snp_report import REPORT_BYTES
from strongroom.attest.tpm_keys import rsa_2048_key
from strongroom.crypto.public_keys import PublicKey
from strongroom.errors import EvidenceRejected

__all__ = ["HclReport", "attestation_key", "check_vouched", "parse_hcl"]

HCL_BYTES: Final = 2600
"""What Azure writes, padding included."""
VERSIONS: Final = frozenset({1, 2})
KEY_ID: Final = "HCLAkPub"
_MAGIC: Final = b"HCLA"
_REQUEST_TYPE: Final = 2
_RUNTIME_VERSION: Final = 1
_SNP_REPORT: Final = 2
_SHA256: Final = 1
_HEADER_BYTES: Final = 0x20
_RUNTIME_OFFSET: Final = _HEADER_BYTES + REPORT_BYTES
_RUNTIME_HEADER_BYTES: Final = 20
_JSON_OFFSET: Final = _RUNTIME_OFFSET + _RUNTIME_HEADER_BYTES
_REPORT_DATA_BYTES: Final = 64
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]{1,344}={0,2}")
_EXPONENT: Final = "AQAB"  # 65537
_MODULUS_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class HclReport:
    """``snp`` is the report; ``runtime`` the JSON as it stands there; ``canonical`` everything without the padding."""

    snp: bytes
    runtime: bytes
    canonical: bytes


def parse_hcl(untrusted: bytes) -> HclReport:
    """The parts of an HCL report. Raises ``EvidenceRejected`` for another layout, and for anything but zeros at its
    end."""
    if not _JSON_OFFSET <= len(untrusted) <= HCL_BYTES:
        wanted = f"{_JSON_OFFSET} to {HCL_BYTES}"
        raise malformed("azure/1 length", got=f"{len(untrusted)} bytes", wanted=wanted)
    magic, version, report_bytes, request, status, empty = struct.unpack_from("<4s4I12s", untrusted)
    data_bytes, runtime_version, report_type, digest, json_bytes = struct.unpack_from("<5I", untrusted, _RUNTIME_OFFSET)
    if magic != _MAGIC:
        raise malformed("azure/1 magic", got=magic.hex(), wanted=_MAGIC.hex())
    if version not in VERSIONS or runtime_version != _RUNTIME_VERSION:
        got = f"{version}, runtime data {runtime_version}"
        raise EvidenceRejected(UNSUPPORTED_VERSION, "azure/1 version", got=got, wanted="1 or 2, runtime data 1")
    if (report_type, digest) != (_SNP_REPORT, _SHA256):
        got = f"report type {report_type}, digest {digest}"
        raise EvidenceRejected(ALGORITHM, "azure/1 type", got=got, wanted="2, SEV-SNP, and 1, SHA-256")
    end = _JSON_OFFSET + json_bytes
    found = (request, status, empty, data_bytes, report_bytes)
    wanted_fields = (_REQUEST_TYPE, 0, bytes(12), json_bytes + _RUNTIME_HEADER_BYTES, end)
    if found != wanted_fields or end > len(untrusted):
        got = f"type {request}, status {status}, sizes {report_bytes}, {data_bytes}, {json_bytes}"
        raise malformed("azure/1 header", got=got, wanted="type 2, status 0, and sizes that fit each other")
    if any(untrusted[end:]):
        raise malformed("azure/1 padding", got="other bytes after the JSON", wanted="zeros")
    return HclReport(untrusted[_HEADER_BYTES:_RUNTIME_OFFSET], untrusted[_JSON_OFFSET:end], untrusted[:end])


def check_vouched(hcl: HclReport, report_data: bytes) -> None:
    """Raise ``EvidenceRejected`` unless the report's data is the digest of the JSON and zeros."""
    wanted = hashlib.sha256(hcl.runtime).digest().ljust(_REPORT_DATA_BYTES, b"\0")
    if not is_same(report_data, wanted):
        got = report_data.hex()
        raise EvidenceRejected(BINDING, "azure/2 runtime data", got=got, wanted=f"the JSON's digest, {wanted.hex()}")


def attestation_key(runtime: bytes) -> PublicKey:
    """The key of the vTPM that the JSON names. Raises ``EvidenceRejected`` unless it names exactly one RSA-2048 key."""
    keys = _document(runtime).get("keys")
    if not isinstance(keys, list) or not all(isinstance(each, dict) for each in keys):
        raise malformed("azure/3 keys", got=type(keys).__name__, wanted="a list of keys")
    found = [each for each in keys if each.get("kid") == KEY_ID]
    if len(found) != 1:
        raise malformed("azure/3 keys", got=f"{len(found)} keys {KEY_ID}", wanted="one")
    key = found[0]
    if key.get("kty") != "RSA" or key.get("e") != _EXPONENT:
        raise EvidenceRejected(ALGORITHM, f"azure/3 {KEY_ID}", got="another type or exponent", wanted="RSA, 65537")
    return rsa_2048_key(f"azure/3 {KEY_ID}", _modulus(key.get("n")))


def _document(runtime: bytes) -> dict[str, Any]:  # Any: whatever JSON can hold
    try:
        document = json.loads(runtime.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise malformed("azure/3 JSON", got="bytes that are none", wanted="JSON without duplicate keys") from error
    if not isinstance(document, dict):
        raise malformed("azure/3 JSON", got=type(document).__name__, wanted="an object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: see _document
    if len({name for name, _value in pairs}) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _modulus(untrusted: object) -> bytes:
    if not isinstance(untrusted, str) or not _BASE64URL.fullmatch(untrusted):
        raise malformed(f"azure/3 {KEY_ID}", got=type(untrusted).__name__, wanted="a modulus in base64url")
    bare = untrusted.rstrip("=")
    try:
        modulus = urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except ValueError as error:
        raise malformed(f"azure/3 {KEY_ID}", got="bytes that are none", wanted="a modulus in base64url") from error
    if len(modulus) != _MODULUS_BYTES:
        got, wanted = f"a modulus of {len(modulus)} bytes", f"{_MODULUS_BYTES} bytes"
        raise EvidenceRejected(ALGORITHM, f"azure/3 {KEY_ID}", got=got, wanted=wanted)
    return modulus
