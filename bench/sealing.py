"""What encryption costs: the time of one run that goes into sealing, opening and MACs."""

from pathlib import Path

from bench.figures import Row, Samples
from bench.worker import Worker

__all__ = ["measure"]


def measure(directory: Path, run: Samples) -> list[Row]:
    """The row, with its share of ``run``, and one row for each kind of operation."""
    state = directory / "sealing"
    state.mkdir(mode=0o700)
    worker = Worker("bench.sealing_worker", str(state))
    try:
        told = worker.ask()
    finally:
        worker.close()
    spent_us: dict[str, float] = told["us_per_run"]
    total_us = sum(spent_us.values())
    rows = [
        Row(
            what=f"encryption in one run (mean of {told['runs']})",
            measured=f"{total_us:.0f} µs, {total_us / run.p50 / 1e4:.1f} % of the p50",
        )
    ]
    for label, us in spent_us.items():
        rows.append(Row(what=f"  {label}, {told['calls_per_run'][label]:.0f} a run", measured=f"{us:.0f} µs"))
    return rows
