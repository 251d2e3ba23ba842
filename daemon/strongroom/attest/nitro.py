"""Attestation documents of AWS Nitro enclaves, made by their security module (NSM).

The document is a COSE_Sign1 under ES384 whose payload carries its own certificates, the root first. Its leaf lives for
three hours, so an archived document is verified at the time of its result.
Source: contracts/attestation.md 6; the numbers of the checks are those of 6.2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from strongroom.attest.cbor import decode
from strongroom.attest.codes import ALGORITHM, BINDING, SIGNATURE, STALE
from strongroom.attest.cose import Sign1, parse_sign1
from strongroom.attest.evidence import (
    HARDWARE,
    Binding,
    Claims,
    Evidence,
    EvidenceLimits,
    check_anchor,
    check_issued,
    check_kind,
    check_size,
    check_valid,
    checked_certificates,
    is_same,
    malformed,
)
from strongroom.crypto.public_keys import ECDSA_P384
from strongroom.errors import EvidenceRejected

if TYPE_CHECKING:
    from strongroom.crypto.certificates import Certificate

__all__ = ["KIND", "verify_nitro"]

KIND: Final = "nitro"
ES384_HEADER: Final = bytes.fromhex("a1013822")
HALF_BYTES: Final = 48
CERTIFICATE_BYTES_MAX: Final = 1024
TEXT_BYTES_MAX: Final = 1024
PCR_COUNT_MAX: Final = 32
PCR_SIZES_BYTES: Final = (32, 48, 64)
_MODULE_ID: Final = re.compile(r"[!-~]{1,96}-enc[0-9a-f]{1,64}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS: Final = frozenset(
    {
        "module_id",
        "digest",
        "timestamp",
        "pcrs",
        "certificate",
        "cabundle",
        "public_key",
        "user_data",
        "nonce",
    }
)
_SHOWN_BYTES_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class _Document:
    """The payload, each field of its type and within its size."""

    module_id: str
    digest: str
    timestamp_ms: int
    pcrs: Mapping[int, bytes]
    path: tuple[bytes, ...]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None


def verify_nitro(
    evidence: Evidence,
    *,
    expected: Binding | None,
    now: datetime,
    anchors: frozenset[str],
    limits: EvidenceLimits,
) -> Claims:
    """The claims of an attestation document: ``module_id``, ``timestamp_ms``, ``pcr0`` … as it has them, ``user_data``,
    ``nonce`` and ``public_key`` (bytes, or None where it has none).

    A debug enclave, whose first three PCRs are zero, passes: appraisal refuses it. Raises ``EvidenceRejected``.
    """
    check_kind("nitro/1 kind", evidence, KIND)
    check_size("nitro/1 size", evidence.body, limits.evidence_bytes_max)
    if evidence.endorsements:
        raise malformed("nitro/1 endorsements", got=f"{len(evidence.endorsements)}", wanted="none: the chain is inside")
    signed = parse_sign1("nitro/1 structure", evidence.body, depth_max=limits.cbor_depth_max)
    check_size("nitro/1 size", signed.payload, limits.payload_bytes_max)
    document = _parsed(signed.payload, limits)
    path = checked_certificates("nitro/3 certificates", document.path, limits)
    _check_algorithms(signed, document, path)
    check_anchor("nitro/4 root", path[0], anchors)
    check_issued("nitro/5 path", path)
    check_valid("nitro/7 validity", path, now)
    _check_signature(signed, path[-1])
    if expected is not None:
        _check_binding(document, expected)
    _check_freshness(document, now, limits)
    facts: dict[str, Any] = {  # Any: see Claims
        "module_id": document.module_id,
        "timestamp_ms": document.timestamp_ms,
        "public_key": document.public_key,
        "user_data": document.user_data,
        "nonce": document.nonce,
        **{f"pcr{index}": document.pcrs[index] for index in sorted(document.pcrs)},
    }
    return Claims(kind=KIND, assurance=HARDWARE, is_bound=expected is not None, evidence=evidence.body, facts=facts)


def _parsed(payload: bytes, limits: EvidenceLimits) -> _Document:
    check = "nitro/3 payload"
    found = decode(check, payload, depth_max=limits.cbor_depth_max)
    if type(found) is not dict:
        raise malformed(check, got="no map", wanted="a map of nine keys")
    if found.keys() != _KEYS:
        other = sorted(repr(key)[:40] for key in found.keys() ^ _KEYS)
        raise malformed(check, got=f"missing or unknown: {', '.join(other[:3])}", wanted="exactly the nine keys")
    module_id, digest, timestamp_ms = found["module_id"], found["digest"], found["timestamp"]
    if type(module_id) is not str or not _MODULE_ID.fullmatch(module_id):
        raise malformed(check, got="another module_id", wanted="<instance id>-enc<hex>")
    if type(digest) is not str:
        raise malformed(check, got="a digest that is no text", wanted="SHA384")
    if type(timestamp_ms) is not int or timestamp_ms <= 0:
        raise malformed(check, got="another timestamp", wanted="milliseconds above 0")
    bundle = found["cabundle"]
    if type(bundle) is not list or not bundle:
        raise malformed(check, got="another cabundle", wanted="certificates, root first")
    return _Document(
        module_id=module_id,
        digest=digest,
        timestamp_ms=timestamp_ms,
        pcrs=_pcrs(check, found["pcrs"]),
        path=tuple(_certificate(check, each) for each in (*bundle, found["certificate"])),
        public_key=_optional(check, "public_key", found["public_key"]),
        user_data=_optional(check, "user_data", found["user_data"]),
        nonce=_optional(check, "nonce", found["nonce"]),
    )


def _pcrs(check: str, found: Any) -> Mapping[int, bytes]:  # Any: untrusted CBOR
    wanted = f"1 to {PCR_COUNT_MAX} registers of 32, 48 or 64 bytes"
    if type(found) is not dict or not 1 <= len(found) <= PCR_COUNT_MAX:
        raise malformed(check, got="other pcrs", wanted=wanted)
    for index, value in found.items():
        if type(index) is not int or not 0 <= index < PCR_COUNT_MAX:
            raise malformed(check, got="another index in pcrs", wanted=wanted)
        if type(value) is not bytes or len(value) not in PCR_SIZES_BYTES:
            raise malformed(check, got=f"another value in pcr{index}", wanted=wanted)
    return found


def _certificate(check: str, found: Any) -> bytes:  # Any: untrusted CBOR
    if type(found) is not bytes or not 1 <= len(found) <= CERTIFICATE_BYTES_MAX:
        raise malformed(check, got="another certificate", wanted=f"1 to {CERTIFICATE_BYTES_MAX} bytes")
    return found


def _optional(check: str, name: str, found: Any) -> bytes | None:  # Any: untrusted CBOR
    if found is not None and (type(found) is not bytes or len(found) > TEXT_BYTES_MAX):
        raise malformed(check, got=f"another {name}", wanted=f"null, or at most {TEXT_BYTES_MAX} bytes")
    return found


def _check_algorithms(signed: Sign1, document: _Document, path: "list[Certificate]") -> None:
    if signed.protected != ES384_HEADER:
        got = f"the header {_shown(signed.protected)}"
        raise EvidenceRejected(ALGORITHM, "nitro/2 algorithm", got=got, wanted=ES384_HEADER.hex())
    if document.digest != "SHA384":
        raise EvidenceRejected(ALGORITHM, "nitro/3 digest", got=repr(document.digest)[:40], wanted="SHA384")
    for depth, each in enumerate(path):
        if each.key.kind != ECDSA_P384 or each.signature_hash != "sha384":
            got = f"certificate {depth} has {each.key.kind}, signed with {each.signature_hash or 'no hash'}"
            raise EvidenceRejected(ALGORITHM, "nitro/6 keys", got=got, wanted=f"{ECDSA_P384} and sha384")


def _check_signature(signed: Sign1, leaf: "Certificate") -> None:
    check = "nitro/8 signature"
    # Only now: of another algorithm, whose signatures have another size, the algorithm is what is to be said.
    if len(signed.signature) != 2 * HALF_BYTES:
        raise malformed(check, got=f"{len(signed.signature)} bytes", wanted=f"{2 * HALF_BYTES}")
    r = int.from_bytes(signed.signature[:HALF_BYTES], "big")
    s = int.from_bytes(signed.signature[HALF_BYTES:], "big")
    if not leaf.key.verify_ecdsa(r, s, signed.to_be_signed, "sha384"):
        raise EvidenceRejected(SIGNATURE, check, got="one that does not verify", wanted="one by the leaf")


def _check_binding(document: _Document, expected: Binding) -> None:
    for name, found, wanted in (
        ("nonce", document.nonce, expected.nonce),
        ("user_data", document.user_data, expected.report_data),
        ("public_key", document.public_key, expected.kem_spki),
    ):
        if found is None or not is_same(found, wanted):
            got = f"{name} {'null' if found is None else _shown(found)}"
            raise EvidenceRejected(BINDING, "nitro/10 binding", got=got, wanted=wanted.hex())


def _check_freshness(document: _Document, now: datetime, limits: EvidenceLimits) -> None:
    # In whole microseconds: a timestamp may be larger than any datetime.
    now_us = (now - _EPOCH) // timedelta(microseconds=1)
    skew_us = abs(now_us - document.timestamp_ms * 1_000)
    if skew_us > limits.skew_s_max * 1_000_000:
        got = f"timestamp {document.timestamp_ms} ms, {skew_us // 1_000} ms away"
        wanted = f"at most {limits.skew_s_max} s from {now.isoformat()}"
        raise EvidenceRejected(STALE, "nitro/9 freshness", got=got, wanted=wanted)


def _shown(found: bytes) -> str:
    return found[:_SHOWN_BYTES_MAX].hex() + ("…" if len(found) > _SHOWN_BYTES_MAX else "")
