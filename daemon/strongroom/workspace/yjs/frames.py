"""Binary frames of the sync protocol, in two dialects. Facts: contracts/workspace-encryption.md, section 12.

upstream      varuint 0 STEP1 | 1 STEP2 | 2 UPDATE, then a byte string: a state vector, or an update in encoding V2
y-websocket   varuint 0 sync, then a frame as above but with updates in V1 | 1 awareness, a byte string |
              2 auth, 0 for "denied", a text | 3 someone asks for awareness

Rule 1: a frame whose number nobody knows is ``Ignored``, so that peers may learn new ones.
Rule 2: a frame that is cut short raises; whoever reads a connection counts that and goes on.
Rule 3: an update in a frame is as it came. ``untrusted`` looks into it.
"""

from dataclasses import dataclass, field
from typing import Final

from strongroom.workspace.yjs.lib0 import Reader, write_bytes, write_text, write_uint

__all__ = [
    "Awareness",
    "Denied",
    "Frame",
    "Ignored",
    "QueryAwareness",
    "Step1",
    "Step2",
    "SyncFrame",
    "Update",
    "YFrame",
    "decode",
    "decode_y",
    "step1",
    "step2",
    "update",
    "y_awareness",
    "y_denied",
    "y_query_awareness",
    "y_step1",
    "y_step2",
    "y_update",
]

_STEP1, _STEP2, _UPDATE = range(3)
_SYNC, _AWARENESS, _AUTH, _QUERY = range(4)
_DENIED: Final = 0


@dataclass(frozen=True, slots=True)
class Step1:
    """Somebody says what they have, and wants the rest as ``Step2``."""

    state_vector: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Step2:
    """The answer to ``Step1``: all that was lacking."""

    update: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Update:
    """A change that was just made."""

    update: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Awareness:
    """Who is there, for ``awareness.decode_awareness``."""

    update: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Denied:
    """The far side does not let us in; ``reason`` is its text."""

    reason: str


@dataclass(frozen=True, slots=True)
class QueryAwareness:
    """Somebody wants to know who is there."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A frame whose ``number`` nobody knows."""

    number: int


SyncFrame = Step1 | Step2 | Update
Frame = SyncFrame | Ignored
YFrame = Frame | Awareness | Denied | QueryAwareness


def decode(frame: bytes) -> Frame:
    """A frame of the upstream dialect. Raises SR-WS-030 if it is cut short, SR-WS-031 for bytes behind its end."""
    return _sync(Reader(frame))


def decode_y(frame: bytes) -> YFrame:
    """A frame of the y-websocket dialect. Raises as ``decode`` does, and SR-WS-037 for a reason that is no text."""
    reader = Reader(frame)
    number = reader.uint()
    if number == _SYNC:
        return _sync(reader)
    found: YFrame
    if number == _AWARENESS:
        found = Awareness(reader.bytes("an awareness frame"))
    elif number == _AUTH:
        answer = reader.uint()
        if answer != _DENIED:
            return Ignored(number)
        found = Denied(reader.text("an auth frame"))
    elif number == _QUERY:
        found = QueryAwareness()
    else:
        return Ignored(number)
    reader.finish("the frame")
    return found


def _sync(reader: Reader) -> Frame:
    number = reader.uint()
    if number > _UPDATE:
        return Ignored(number)
    payload = reader.bytes("a sync frame")
    reader.finish("the frame")
    if number == _STEP1:
        return Step1(payload)
    return Step2(payload) if number == _STEP2 else Update(payload)


def step1(state_vector: bytes) -> bytes:
    """STEP1, upstream dialect."""
    return _written(_STEP1, payload=state_vector)


def step2(update_v2: bytes) -> bytes:
    """STEP2, upstream dialect."""
    return _written(_STEP2, payload=update_v2)


def update(update_v2: bytes) -> bytes:
    """UPDATE, upstream dialect."""
    return _written(_UPDATE, payload=update_v2)


def y_step1(state_vector: bytes) -> bytes:
    """STEP1, y-websocket dialect."""
    return _written(_SYNC, _STEP1, payload=state_vector)


def y_step2(update_v1: bytes) -> bytes:
    """STEP2, y-websocket dialect."""
    return _written(_SYNC, _STEP2, payload=update_v1)


def y_update(update_v1: bytes) -> bytes:
    """UPDATE, y-websocket dialect."""
    return _written(_SYNC, _UPDATE, payload=update_v1)


def y_awareness(awareness_update: bytes) -> bytes:
    """Who is there, y-websocket dialect."""
    return _written(_AWARENESS, payload=awareness_update)


def y_query_awareness() -> bytes:
    """Ask who is there, y-websocket dialect."""
    return bytes([_QUERY])


def y_denied(reason: str) -> bytes:
    """Say that this is not allowed, y-websocket dialect."""
    out = bytearray([_AUTH, _DENIED])
    write_text(out, reason)
    return bytes(out)


def _written(*numbers: int, payload: bytes) -> bytes:
    out = bytearray()
    for number in numbers:
        write_uint(out, number)
    write_bytes(out, payload)
    return bytes(out)
