"""What a measurement comes to: samples, their percentiles, and the rows of the table.

Rule 1: sides that are compared are measured in turns within one run, so that a noisy minute hits both.
Rule 2: a figure that is missed is printed as missed; it is a result and not a failure of the benchmark.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Row", "Samples", "in_turns", "table"]

BLOCK: Final = 25
"""Operations of one turn."""

HEADER: Final = ("what", "demanded", "measured", "", "p50 ms", "p99 ms", "count", "warm-up")
TEXT_COLUMNS: Final = 4


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds per operation, in the order they were taken; ``warm_up`` operations before them are left out."""

    seconds: Sequence[float]
    warm_up: int

    def percentile(self, percent: float) -> float:
        """The nearest-rank percentile, in seconds."""
        ordered = sorted(self.seconds)
        return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]

    @property
    def p50(self) -> float:
        """The median, in seconds."""
        return self.percentile(50)

    @property
    def p99(self) -> float:
        """The 99th percentile, in seconds."""
        return self.percentile(99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``met`` is ``None`` where nothing is demanded."""

    what: str
    measured: str
    demanded: str = ""
    met: bool | None = None
    samples: Samples | None = None

    @property
    def verdict(self) -> str:
        """``met``, ``missed`` or nothing."""
        return "" if self.met is None else ("met" if self.met else "missed")

    def cells(self) -> tuple[str, ...]:
        """What the table shows of it."""
        taken = self.samples
        if taken is None:
            return self.what, self.demanded, self.measured, self.verdict, "", "", "", ""
        times = f"{taken.p50 * 1e3:.2f}", f"{taken.p99 * 1e3:.2f}"
        counts = str(len(taken.seconds)), str(taken.warm_up)
        return self.what, self.demanded, self.measured, self.verdict, *times, *counts

    def document(self) -> dict[str, Any]:
        """The row with its raw numbers, for JSON."""
        return {
            "what": self.what.strip(),
            "demanded": self.demanded,
            "measured": self.measured,
            "verdict": self.verdict or "informative",
            "seconds": list(self.samples.seconds) if self.samples else [],
            "warm_up": self.samples.warm_up if self.samples else 0,
        }


def in_turns(
    sides: Mapping[str, Callable[[], float]], *, warm_up: int, count: int, budget_s: float, block: int = BLOCK
) -> dict[str, Samples]:
    """Samples of every side, taken in turns of ``block`` operations: ``count`` of each, fewer if ``budget_s`` is over.

    Each side does one operation and returns its seconds. Turns are short, so that a noisy second hits all sides, and
    longer than one operation, so that a side is not measured on the caches of the other; the first operation of a turn
    is dropped for the same reason. Who goes first changes from round to round.
    """
    names = list(sides)
    for name in names:
        for _ in range(warm_up):
            sides[name]()
    taken: dict[str, list[float]] = {name: [] for name in names}
    deadline_s = time.monotonic() + budget_s
    while True:
        for name in names:
            sides[name]()
            taken[name] += [sides[name]() for _ in range(block)]
        if len(taken[names[0]]) >= count or time.monotonic() >= deadline_s:
            break
        names.reverse()
    return {name: Samples(taken[name], warm_up) for name in sides}


def table(rows: Sequence[Row]) -> str:
    """The rows, aligned: text to the left, numbers to the right."""
    cells = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADER))]

    def line(texts: Sequence[str]) -> str:
        padded = [
            text.ljust(width) if column < TEXT_COLUMNS else text.rjust(width)
            for column, (text, width) in enumerate(zip(texts, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([line(HEADER), line(["-" * width for width in widths]), *map(line, cells[1:])])
