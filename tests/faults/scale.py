"""How much of each promise is tried: the fast part on every change, all of it with ``make nightly``.

``STRONGROOM_TEST_SCALE`` is ``nightly``, or the part of it that is to be tried, such as ``0.05``.
"""

import os
from dataclasses import dataclass

__all__ = ["NIGHTLY", "SCALE", "Scale", "much"]

_ASKED = os.environ.get("STRONGROOM_TEST_SCALE", "")
PART = 1.0 if _ASKED == "nightly" else float(_ASKED or 0)
NIGHTLY = PART > 0


def much(fast, whole):
    """``fast`` on every change, ``whole`` at night; of a part of the night its share, and never less than is fast."""
    return max(fast, round(whole * PART)) if NIGHTLY else fast


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Counts. ``passages`` are the first, second, … passage of a failpoint at which the host is killed."""

    kill_cycles: int
    kill_cycles_elsewhere: int
    kill_clients: int
    passages: tuple[int, ...]
    runs_before: int
    power_cuts: int
    disk_operations: int
    submits: int
    submit_clients: int
    workspace_blobs: int
    workspace_rotations: int
    workspace_kills: int


SCALE = Scale(
    kill_cycles=much(12, 1000),
    kill_cycles_elsewhere=much(2, 50),
    kill_clients=much(8, 64),
    passages=tuple(range(1, much(1, 8) + 1)),
    runs_before=much(0, 10_000),
    power_cuts=much(4, 100),
    disk_operations=much(40, 120),
    submits=much(1000, 10_000),
    submit_clients=much(10, 50),
    workspace_blobs=much(300, 100_000),
    workspace_rotations=much(1, 3),
    workspace_kills=much(20, 60),
)
