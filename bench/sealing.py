"""What sealing costs: one run through the sockets of two daemons, one of which seals nothing; and where it goes."""

from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.figures import Row, in_turns
from bench.runs import GUEST, daemon_in, one_run
from bench.unsealed import PROGRAM
from bench.worker import Worker

__all__ = ["measure"]

SHARE_MAX: Final = 0.03
COUNT: Final = 3000
"""Many: the difference that is looked for is smaller than what single runs differ by."""


def measure(directory: Path) -> list[Row]:
    """The row of the two daemons, and one for each kind of operation."""
    with ExitStack() as stack:
        apis = {}
        for name, program in (("sealed", None), ("unsealed", PROGRAM)):
            daemon = stack.enter_context(daemon_in(directory / name, program))
            apis[name] = stack.enter_context(daemon.channel())
            apis[name].register(GUEST, "echo")
        sides = {name: lambda api=api: one_run(api) for name, api in apis.items()}
        taken = in_turns(sides, warm_up=200, count=COUNT, budget_s=60)
    sealed, unsealed = taken["sealed"], taken["unsealed"]
    share = 1 - unsealed.p50 / sealed.p50
    rows = [
        Row(
            what="sealing: a run beside one of a daemon that seals nothing",
            demanded=f"≤ {SHARE_MAX * 100:.0f} % of the run",
            measured=f"{share * 100:.1f} %",
            met=share <= SHARE_MAX,
            samples=sealed,
        ),
        Row(what="  the daemon that seals nothing", measured="1", samples=unsealed),
    ]
    return rows + _parts(directory)


def _parts(directory: Path) -> list[Row]:
    state = directory / "sealing"
    state.mkdir(mode=0o700)
    worker = Worker("bench.sealing_worker", str(state))
    try:
        told = worker.ask()
    finally:
        worker.close()
    spent_us: dict[str, float] = told["us_per_run"]
    return [
        Row(what=f"  {label}, {told['calls_per_run'][label]:.0f} a run", measured=f"{us:.0f} µs of processor time")
        for label, us in spent_us.items()
    ]
