"""From one encoding of updates into the other, without a document.

The bytes are those that Yjs itself would write, with these exceptions, whose states are the same nonetheless:
values of kind "any" keep the bytes that they came in, where Yjs reads and writes them anew (members of an object whose
names are numbers move to the front; a number in a longer form than needed gets the short one); old JSON contents keep
their text; of keys that point back in V2, which Yjs reads and never writes, every one is written out.
"""

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.limits import FRAME_LIMITS, UpdateLimits
from strongroom.workspace.yjs.update_v1 import V1Writer, read_v1
from strongroom.workspace.yjs.update_v2 import read_v2
from strongroom.workspace.yjs.update_v2_writer import V2Writer

__all__ = ["v1_to_v2", "v2_to_v1"]


def v1_to_v2(update_v1: bytes) -> bytes:
    """``update_v1`` in encoding V2.

    Raises what ``read_v1`` does; SR-WS-038 if a format is no JSON; SR-WS-040 if deleted ranges do not ascend.
    """
    writer = V2Writer()
    read_v1(update_v1, writer)
    return writer.finish()


def v2_to_v1(update_v2: bytes, limits: UpdateLimits = FRAME_LIMITS) -> bytes:
    """``update_v2`` in encoding V1, which has up to ``limits.v1_bytes_max`` bytes.

    Raises what ``read_v2`` does; SR-WS-033 for too many bytes on either side; SR-WS-042 for a format that is no JSON.
    """
    if len(update_v2) > limits.bytes_max:
        raise faults.too_large("the update in encoding V2", len(update_v2), limits.bytes_max)
    writer = V1Writer(limits.v1_bytes_max)
    read_v2(update_v2, writer, limits)
    return bytes(writer.out)
