"""Putting a peer's update into a document so that it takes no more of the daemon than it should.

Where many items claim the same place, the library compares each with all of them, and nothing else of the process runs
meanwhile: two messages of 400 KB can take minutes. So a larger update goes in by slices, few structs at first and more
while that is fast, and one that takes far longer than its size explains is refused.

Rule 1: between two slices other threads run.
Rule 2: what was put in before an update was refused stays; a prefix of an update is an update.
"""

import time
from collections.abc import Callable
from typing import Final

from strongroom.workspace.document import Document
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.order import Placed, in_order, slice_of
from strongroom.workspace.yjs.limits import FRAME_LIMITS, UpdateLimits
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.structs import Update
from strongroom.workspace.yjs.untrusted import Touched, check_untrusted
from strongroom.workspace.yjs.update_v1 import decode_v1, encode_v1

__all__ = ["apply_carefully"]

AT_ONCE: Final = 8
"""Structs that go in without slicing: what a person changes at a time."""
SLICE_S: Final = 0.02
"""Slices grow while they take less: short enough for whoever waits for a processor."""
BASE_S: Final = 2.0
PER_STRUCT_S: Final = 0.0001
"""An update may take a fixed time, and this for each struct: ten times of what honest ones take."""
WAITING_MAX: Final = 4_096
"""Structs that wait for others, in one update: they would all go in at once, whenever those come."""


def apply_carefully(
    document: Document,
    update_v1: bytes,
    *,
    origin: object = None,
    limits: UpdateLimits = FRAME_LIMITS,
    admit: Callable[[Touched], None] = lambda _touched: None,
    now_s: Callable[[], float] = time.monotonic,
) -> None:
    """Merge ``update_v1``. Raises what ``check_untrusted`` and ``admit`` do, which is asked before anything is merged,
    and ``LimitExceeded`` for one that takes too long."""
    touched = check_untrusted(update_v1, limits)
    admit(touched)
    if touched.structs <= AT_ONCE:
        document.apply_untrusted(update_v1, origin=origin, limits=limits)
        return
    whole = decode_v1(update_v1)
    placed = list(in_order(whole, decode_state_vector(document.state_vector())))
    waiting = [each for each in placed if each.waits]
    if len(waiting) > WAITING_MAX:
        raise faults.out_of_order(len(waiting), WAITING_MAX)
    ready = placed[: len(placed) - len(waiting)]
    allowed_s = BASE_S + PER_STRUCT_S * touched.structs
    with document.transaction(origin):
        _in_slices(document, ready, allowed_s, now_s)
        if waiting:
            document.apply_untrusted(encode_v1(slice_of(waiting)), limits=limits)
        # Also when nothing is deleted: what waited for the slices goes in now.
        document.apply_untrusted(encode_v1(Update(deletes=whole.deletes)), limits=limits)


def _in_slices(document: Document, placed: list[Placed], allowed_s: float, now_s: Callable[[], float]) -> None:
    began_s = before_s = now_s()
    start, size = 0, 1
    while start < len(placed):
        document.apply(encode_v1(slice_of(placed[start : start + size])))
        start += size
        after_s = now_s()
        if after_s - began_s > allowed_s:
            raise faults.too_slow(round(after_s - began_s), round(allowed_s))
        size = size * 2 if after_s - before_s < SLICE_S else max(1, size // 2)
        before_s = after_s
