"""The body of an HTTP sync request: a state vector and an update, each behind its length. Facts: contract 12."""

from dataclasses import dataclass, field

from strongroom.errors import Refused
from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.lib0 import Reader, write_bytes
from strongroom.workspace.yjs.limits import FRAME_BYTES_MAX
from strongroom.workspace.yjs.state_vector import decode_state_vector

__all__ = ["SyncBody", "decode_body", "encode_body"]


@dataclass(frozen=True, slots=True)
class SyncBody:
    """What the client has, and what it sends: an update in encoding V2, as it came, or nothing."""

    state_vector: bytes = field(repr=False)
    update_v2: bytes = field(repr=False)


def decode_body(body: bytes) -> SyncBody:
    """``body`` in its parts. Raises SR-WS-033 if it is too large, SR-WS-043 if it is malformed."""
    if len(body) > FRAME_BYTES_MAX:
        raise faults.too_large("the body of a sync request", len(body), FRAME_BYTES_MAX)
    reader = Reader(body)
    try:
        found = SyncBody(reader.bytes("a state vector"), reader.bytes("an update"))
        reader.finish("the body")
        decode_state_vector(found.state_vector)
    except Refused as fault:
        raise faults.body_malformed(fault.what) from None
    return found


def encode_body(state_vector: bytes, update_v2: bytes = b"") -> bytes:
    """The body that says ``state_vector`` and brings ``update_v2``."""
    out = bytearray()
    write_bytes(out, state_vector)
    write_bytes(out, update_v2)
    return bytes(out)
