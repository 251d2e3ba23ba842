"""Runs that others execute: their programs append events through ``engine.world``, and this host executes nothing."""

from typing import Final

from strongroom.errors import WrongState
from strongroom.storage.runs import RunRow

__all__ = ["EXTERNAL", "check_executed_here", "is_external"]

EXTERNAL: Final = "external"
"""The module of such a run; no executor goes by this name."""


def is_external(header: RunRow) -> bool:
    """Whether others execute the run."""
    return header.module == EXTERNAL


def check_executed_here(header: RunRow, what: str) -> None:
    """Raise ``WrongState`` for a run of others; ``what`` says what was asked for, as in "be repeated"."""
    if is_external(header):
        raise WrongState(
            "SR-WORLD-016",
            f"run {header.run_id} cannot {what} by this host",
            why="others execute it, and this host only keeps its events",
            fix="append events to it: strongroom.v1.WorldService",
            run_id=header.run_id,
        )
