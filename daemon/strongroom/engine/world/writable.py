"""Which runs programs of the contract write to: those that they execute."""

from strongroom.engine.external import is_external
from strongroom.errors import WrongState
from strongroom.storage.runs import RunRow

__all__ = ["check_writable"]


def check_writable(header: RunRow) -> None:
    """Raise ``WrongState`` for a run that this host executes."""
    if not is_external(header):
        raise WrongState(
            "SR-WORLD-015",
            f"run {header.run_id} is executed by this host",
            why="its events are those of its execution",
            fix="read it here; stop it with strongroom run cancel",
            run_id=header.run_id,
        )
