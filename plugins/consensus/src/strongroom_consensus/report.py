"""What a report is made of, byte by byte, and how it is signed.

``raw_report`` is a header of 109 bytes and then the payload. The header says whose report it is, since every workflow
of this host signs with the same keys: 1 version (0x01), 32 execution id, 4 Unix seconds, 4 DON id, 4 DON config
version, 32 workflow id, 10 workflow name (its hash, in hex), 20 owner, 2 report id (0x0001); numbers are big-endian. It
is the header that the public forwarder contracts read.

``report_context`` is 64 bytes: the config digest, then the sequence number as 32 bytes big-endian.

Signed is ``H(H(raw_report) || report_context)``, with the hash ``H`` that the request names.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Mapping
from typing import Final

from strongroom.plugin import CapabilityError, keccak256
from strongroom.plugin.messages import capabilities_pb2, sdk_pb2
from strongroom_consensus.keys import SigningKeys
from strongroom_consensus.limits import REPORT_BYTES_MAX, exceeded

__all__ = ["CONTEXT_BYTES", "HEADER", "check_request", "header_of", "report_context", "signed_digest", "signed_report"]

HEADER: Final = struct.Struct(">B32sIII32s10s20s2s")
CONTEXT_BYTES: Final = 64
VERSION: Final = 1
REPORT_ID: Final = b"\x00\x01"
SECONDS_MAX: Final = 2**32 - 1
_HEX: Final = re.compile(r"[0-9a-fA-F]*")


def _blake2b_256(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


HASHES: Final[Mapping[str, Callable[[bytes], bytes]]] = {"keccak256": keccak256, "blake2b_256": _blake2b_256}
SIGNERS: Final[Mapping[str, Callable[[SigningKeys, bytes], bytes]]] = {
    "ecdsa": SigningKeys.sign_ecdsa,
    "ed25519": SigningKeys.sign_ed25519,
}
ENCODERS: Final = frozenset({"evm"})


def check_request(untrusted: sdk_pb2.ReportRequest) -> None:
    """Raises ``CapabilityError`` for a request that names what does not exist, or brings too much."""
    if (size := len(untrusted.encoded_payload)) > REPORT_BYTES_MAX:
        raise exceeded("report payload", f"{size} bytes, the limit is {REPORT_BYTES_MAX}")
    for what, name, known in (
        ("encoder name", untrusted.encoder_name, ENCODERS),
        ("signing algorithm", untrusted.signing_algo, SIGNERS),
        ("hashing algorithm", untrusted.hashing_algo, HASHES),
    ):
        if name.lower() not in known:
            shown = name if len(name) <= 64 and name.isprintable() else "(not a name)"
            text = f"unsupported {what} {shown} for report request"
            raise CapabilityError("Public", "User", "InvalidArgument", text)


def header_of(metadata: capabilities_pb2.RequestMetadata, unix_s: int) -> bytes:
    """The 109 bytes for a call with ``metadata``. Raises ``CapabilityError`` for ids that are none."""
    name = metadata.workflow_name.encode()
    if len(name) > 10:
        raise _no_id("workflow_name", 10)
    return HEADER.pack(
        VERSION,
        _id("workflow_execution_id", metadata.workflow_execution_id, 32),
        min(max(unix_s, 0), SECONDS_MAX),
        metadata.workflow_don_id,
        metadata.workflow_don_config_version,
        _id("workflow_id", metadata.workflow_id, 32),
        name,
        _id("workflow_owner", metadata.workflow_owner.removeprefix("0x"), 20),
        REPORT_ID,
    )


def report_context(config_digest: bytes, seq_nr: int) -> bytes:
    """64 bytes."""
    return config_digest + seq_nr.to_bytes(32, "big")


def signed_digest(hashing_algo: str, raw_report: bytes, context: bytes) -> bytes:
    """The 32 bytes that are signed. Raises ``KeyError`` for an unknown hash."""
    hashed = HASHES[hashing_algo.lower()]
    return hashed(hashed(raw_report) + context)


def signed_report(
    keys: SigningKeys, request: sdk_pb2.ReportRequest, header: bytes, seq_nr: int
) -> sdk_pb2.ReportResponse:
    """The report, complete, with the one signature of this host (signer 0)."""
    raw_report = header + request.encoded_payload
    context = report_context(keys.config_digest, seq_nr)
    signature = SIGNERS[request.signing_algo.lower()](keys, signed_digest(request.hashing_algo, raw_report, context))
    return sdk_pb2.ReportResponse(
        config_digest=keys.config_digest,
        seq_nr=seq_nr,
        report_context=context,
        raw_report=raw_report,
        sigs=[sdk_pb2.AttributedSignature(signature=signature, signer_id=0)],
    )


def _id(name: str, text: str, size: int) -> bytes:
    """An id in hex as bytes; zeros where there is none, as for a call outside a run."""
    if not text:
        return bytes(size)
    if len(text) != 2 * size or not _HEX.fullmatch(text):
        raise _no_id(name, size)
    return bytes.fromhex(text)


def _no_id(name: str, size: int) -> CapabilityError:
    return CapabilityError("Public", "User", "InvalidArgument", f"metadata.{name} is not an id of {size} bytes")
