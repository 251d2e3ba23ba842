"""How much of each promise is tried: the fast part on every change, all of it with ``make nightly``."""

import os
from dataclasses import dataclass

__all__ = ["NIGHTLY", "SCALE", "Scale"]

NIGHTLY = os.environ.get("STRONGROOM_TEST_SCALE") == "nightly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Counts. ``passages`` are the first, second, … passage of a failpoint at which the host is killed."""

    kill_cycles: int
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


SCALE = (
    Scale(
        kill_cycles=1000,
        kill_clients=64,
        passages=(1, 2, 3, 4, 5, 6, 7, 8),
        runs_before=10_000,
        power_cuts=100,
        disk_operations=120,
        submits=10_000,
        submit_clients=50,
        workspace_blobs=100_000,
        workspace_rotations=3,
        workspace_kills=60,
    )
    if NIGHTLY
    else Scale(
        kill_cycles=12,
        kill_clients=8,
        passages=(1,),
        runs_before=0,
        power_cuts=4,
        disk_operations=40,
        submits=1000,
        submit_clients=10,
        workspace_blobs=300,
        workspace_rotations=1,
        workspace_kills=20,
    )
)
