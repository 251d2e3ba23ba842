"""What a measurement comes to: samples, their percentiles, and the rows of the table.

Rule 1: sides that are compared are measured in turns within one run, so that a noisy minute hits both.
Rule 2: a figure that is missed is printed as missed; it is a result and not a failure of the benchmark.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Row", "Samples", "in_turns", "table"]


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds per operation, in the order they were taken, warm-up left out."""

    seconds: Sequence[float]
    warm_up: int

    def percentile(self, percent: float) -> float:
        """The nearest-rank percentile, in seconds."""
        ordered = sorted(self.seconds)
        rank = -(-len(ordered) * percent // 100)
        return ordered[max(int(rank), 1) - 1]

    @property
    def p50(self) -> float:
        """The median, in seconds."""
        return self.percentile(50)

    def text(self, unit: str = "ms") -> str:
        """``p50 / p99`` with the count, in ``ms`` or ``µs``."""
        factor, digits = (1e3, 2) if unit == "ms" else (1e6, 0)
        p50, p99 = (f"{self.percentile(p) * factor:.{digits}f}" for p in (50, 99))
        return f"p50 {p50}, p99 {p99} {unit} ({len(self.seconds)} after {self.warm_up})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``met`` is ``None`` for what nothing is demanded of."""

    what: str
    measured: str
    demanded: str = ""
    met: bool | None = None
    samples: Mapping[str, Samples] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """``met``, ``missed`` or nothing."""
        return "" if self.met is None else ("met" if self.met else "missed")

    def document(self) -> dict[str, Any]:
        """The row with its raw numbers, for JSON."""
        return {
            "what": self.what,
            "demanded": self.demanded,
            "measured": self.measured,
            "verdict": self.verdict or "informative",
            "seconds": {side: list(samples.seconds) for side, samples in self.samples.items()},
            "warm_up": {side: samples.warm_up for side, samples in self.samples.items()},
        }


def in_turns(
    sides: Mapping[str, Callable[[], float]], *, warm_up: int, count: int, budget_s: float
) -> dict[str, Samples]:
    """Samples of every side, taken one after the other, ``count`` times or until ``budget_s`` is used up.

    Each side does one operation and returns its seconds. Who goes first changes from round to round: the second one
    finds the processor as the first one left it.
    """
    names = list(sides)
    taken: dict[str, list[float]] = {name: [] for name in names}
    deadline_s = time.monotonic() + budget_s
    for number in range(warm_up + count):
        for name in names if number % 2 else reversed(names):
            seconds = sides[name]()
            if number >= warm_up:
                taken[name].append(seconds)
        if time.monotonic() > deadline_s and number > warm_up:
            break
    return {name: Samples(seconds, warm_up) for name, seconds in taken.items()}


def table(rows: Sequence[Row]) -> str:
    """The rows, aligned."""
    cells = [("what", "demanded", "measured", "")]
    cells += [(row.what, row.demanded, row.measured, row.verdict) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths[:3]), *lines[1:]])
