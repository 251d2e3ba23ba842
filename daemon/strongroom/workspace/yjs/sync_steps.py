"""The steps of the sync protocol over a document, in both dialects. Facts: contracts/workspace-encryption.md 12.

Both sides send STEP1; each answers the other's with STEP2, the difference. From then on every change goes out as
UPDATE. STEP2 and UPDATE are applied and not answered.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from strongroom.workspace.yjs import frames
from strongroom.workspace.yjs.convert import v1_to_v2
from strongroom.workspace.yjs.limits import FRAME_LIMITS, UpdateLimits
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.untrusted import check_untrusted, from_untrusted_v2

__all__ = ["UPSTREAM", "Y_WEBSOCKET", "Syncable", "Wire", "answer", "change", "opening"]


class Syncable(Protocol):
    """What is synced: a document, or what stands for one in a test."""

    def state_vector(self) -> bytes:
        """How much it has."""

    def update_since(self, state_vector: bytes | None = None) -> bytes:
        """The V1 update that brings somebody with ``state_vector`` up to date."""

    def apply(self, update_v1: bytes, *, origin: object = None) -> None:
        """Merge a checked V1 update."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How frames are written."""

    v2: bool
    """Whether updates travel in encoding V2."""
    enveloped: bool
    """Whether a number stands in front that says that the frame is about sync."""


UPSTREAM: Final = Wire(v2=True, enveloped=False)
Y_WEBSOCKET: Final = Wire(v2=False, enveloped=True)


def opening(document: Syncable, wire: Wire) -> bytes:
    """The STEP1 that ``document`` begins with."""
    write = frames.y_step1 if wire.enveloped else frames.step1
    return write(document.state_vector())


def change(update_v1: bytes, wire: Wire) -> bytes:
    """The UPDATE that tells a peer of a change."""
    write = frames.y_update if wire.enveloped else frames.update
    return write(v1_to_v2(update_v1) if wire.v2 else update_v1)


def answer(
    document: Syncable, frame: bytes, wire: Wire, *, origin: object = None, limits: UpdateLimits = FRAME_LIMITS
) -> bytes | None:
    """Take in ``frame`` of a peer; the frame to send back, if it wants one.

    Frames that are not about sync, or whose number nobody knows, do nothing. ``origin`` marks what is applied. Raises
    ``Refused`` by name for what is malformed or too large; then nothing was applied, and the connection may go on.
    """
    found = frames.decode_y(frame) if wire.enveloped else frames.decode(frame)
    match found:
        case frames.Step1(state_vector):
            decode_state_vector(state_vector)
            lacking = document.update_since(state_vector)
            write = frames.y_step2 if wire.enveloped else frames.step2
            return write(v1_to_v2(lacking) if wire.v2 else lacking)
        case frames.Step2(update) | frames.Update(update):
            if wire.v2:
                update, _ = from_untrusted_v2(update, limits)
            else:
                check_untrusted(update, limits)
            document.apply(update, origin=origin)
    return None
