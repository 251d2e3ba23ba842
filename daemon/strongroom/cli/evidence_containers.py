"""Evidence as other projects keep it: JSON of several shapes, register values of tpm2-tools, one envelope.

Rule 1: a container is taken apart by the names in it; what it says about its own content is believed by nobody.
Rule 2: sizes are checked before anything is parsed.
"""

import base64
import json
import struct
from collections.abc import Mapping
from typing import Any, Final

from strongroom.crypto.certificates import load_certificate, load_pem_certificates
from strongroom.crypto.public_keys import load_public_key
from strongroom.errors import InvalidInput

__all__ = ["JSON_BYTES_MAX", "json_pieces", "registers_of", "tpm_signature", "unwrapped"]

JSON_BYTES_MAX: Final = 512 * 1024
"""Twice the collateral of a quote; byte strings as lists of numbers take about ten times their size."""
_SHA256: Final = 0x000B
_PCR_SELECTIONS: Final = 16
_PCR_DIGESTS_BYTES: Final = 4 + 8 * (2 + 64)
_RSA_SIGNATURE_BYTES: Final = 256
_COLLATERAL_KEYS: Final = frozenset({"tcb_info", "qe_identity", "pck_crl"})
_Pieces = tuple[str, dict[str, Any]]  # Any: each piece has its own type


def json_pieces(raw: bytes) -> _Pieces | None:
    """What a JSON document is and what it holds; None where it is none that is known."""
    if len(raw) > JSON_BYTES_MAX:
        return None
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    try:
        return _known(found, raw)
    except (ValueError, TypeError, KeyError, InvalidInput):
        return None


def _known(found: Mapping[str, Any], raw: bytes) -> _Pieces | None:
    if found.keys() >= _COLLATERAL_KEYS:
        return "collateral of Intel", {"collateral": raw}
    if "hcl_report" in found and "tpm_quote" in found:
        pieces = {"hcl_report": _bytes(found["hcl_report"]), "vcek": load_certificate(_bytes(found["vcek"])).der}
        return "Azure evidence in JSON", pieces | _quote(found["tpm_quote"])
    if found.keys() >= {"report", "quote", "vcek"}:
        vcek = load_pem_certificates(str(found["vcek"]).encode())[0].der
        return "Azure evidence in JSON", {"hcl_report": _bytes(found["report"]), "vcek": vcek, **_quote(found["quote"])}
    if "ak_public" in found and "tpm_quote" in found:
        key = load_public_key(base64.b64decode(found["ak_public"], validate=True))
        return "a TPM's quote and its key in JSON", {"ak_public": key, **_quote(found["tpm_quote"])}
    if found.keys() >= {"signature", "message", "pcrs"}:
        return "a TPM's quote in JSON", _quote(found)
    if isinstance(found.get("quote"), str):
        quote = bytes.fromhex(found["quote"])
        return "an Intel TDX quote in JSON", {"body": ("tdx", quote)}
    return None


def _quote(found: Mapping[str, Any]) -> dict[str, Any]:  # Any: see _Pieces
    signature = tpm_signature(_bytes(found["signature"]))
    pcrs = {register: _bytes(value) for register, value in enumerate(found["pcrs"])}
    return {"attest": _bytes(found["message"]), "signature": signature, "pcrs": pcrs}


def _bytes(found: object) -> bytes:
    """Bytes that stand there as numbers, as hex digits, or in either base64."""
    if isinstance(found, list):
        return bytes(found)
    if not isinstance(found, str):
        raise TypeError("no bytes")
    try:
        return bytes.fromhex(found)
    except ValueError:
        padded = found + "=" * (-len(found) % 4)
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)


def tpm_signature(raw: bytes) -> bytes:
    """A bare RSA signature in the form in which a TPM hands it out; anything else as it is."""
    if len(raw) != _RSA_SIGNATURE_BYTES:
        return raw
    return struct.pack(">HHH", 0x0014, 0x000B, len(raw)) + raw


def registers_of(raw: bytes) -> dict[int, bytes] | None:
    """Register values in the form that ``tpm2_quote --pcr`` writes: structures of C, little-endian; one bank, SHA-256.

    First 16 places for selections (a count before them), then the number of lists of digests, then the lists.
    """
    lists_at = 4 + _PCR_SELECTIONS * 8
    if len(raw) < lists_at + 4 or (len(raw) - lists_at - 4) % _PCR_DIGESTS_BYTES:
        return None
    banks, algorithm, size = struct.unpack_from("<IHB", raw)
    lists = struct.unpack_from("<I", raw, lists_at)[0]
    if banks != 1 or algorithm != _SHA256 or size > 4 or lists * _PCR_DIGESTS_BYTES != len(raw) - lists_at - 4:
        return None
    bitmap = int.from_bytes(raw[7 : 7 + size], "little")
    registers = [number for number in range(size * 8) if bitmap >> number & 1]
    values: list[bytes] = []
    for at in range(lists_at + 4, len(raw), _PCR_DIGESTS_BYTES):
        count = struct.unpack_from("<I", raw, at)[0]
        for place in range(min(count, 8)):
            length = struct.unpack_from("<H", raw, at + 4 + place * 66)[0]
            values.append(raw[at + 6 + place * 66 : at + 6 + place * 66 + min(length, 64)])
    return dict(zip(registers, values, strict=True)) if len(registers) == len(values) else None


def unwrapped(raw: bytes) -> bytes | None:
    """What stands in an envelope of dstack: a zero byte, the variant, a length of two bytes (SCALE), and the content.

    None where this is no such envelope, or its content is cut.
    """
    if len(raw) < 4 or raw[0] != 0 or raw[1] > 9 or raw[2] & 3 != 1:
        return None
    length = int.from_bytes(raw[2:4], "little") >> 2
    return raw[4 : 4 + length] if len(raw) >= 4 + length else None
