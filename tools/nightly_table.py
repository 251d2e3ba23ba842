"""The table of ``make nightly``: every demand has a line, whether it was measured or not."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Demand", "Part", "Result", "Row", "render", "rows"]

WIDTHS: Final = (6, 44, 40, 56, 22)
NOT_BUILT: Final = "not built"
IN_PART: Final = "not all of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One line of what is demanded. ``reason`` says why nothing measures it, where nothing does."""

    id: str
    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Tests that measure some demands, and the minutes that they take at the scale of a release."""

    name: str
    demands: tuple[str, ...]
    tests: tuple[str, ...]
    minutes: float
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a part: its figures, its tests by how they ended, and why some were skipped."""

    part: Part
    figures: list[dict[str, Any]]  # Any: a line of JSON, as tests/faults/figures.py has it
    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    out_of_time: bool = False
    status: int = 0
    commit: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether something failed, rather than missed."""
        return bool(self.failed) or self.out_of_time or self.status not in {0, 5}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    demand: str
    what: str
    demanded: str
    measured: str
    state: str


def rows(demands: Iterable[Demand], parts: Iterable[Part], results: Iterable[Result], *, scale: float) -> list[Row]:
    """The table: every demand has a line, whether it was measured or not."""
    made, results, part_of = [], list(results), {name for part in parts for name in part.demands}
    share = "" if scale == 1 else f" at {scale:.0%}"
    for demand in demands:
        here = [result for result in results if demand.id in result.part.demands]
        found = [figure for result in here for figure in result.figures if figure["demand"] == demand.id]
        made += [
            Row(demand.id, f["what"], f["demanded"], f["measured"], f"met{share}" if f["met"] else "missed")
            for f in found
        ]
        for result in here:
            if result.is_bad:
                why = "out of time" if result.out_of_time else ", ".join(result.failed) or f"pytest: {result.status}"
                made.append(Row(demand.id, f"part {result.part.name}", "", why, "FAILED"))
            elif not found:
                told = f"{result.passed} tests pass{share}" if result.passed else "no test ran"
                made.append(Row(demand.id, demand.text, "", told, "tests pass" if result.passed else "not measured"))
            made += [Row(demand.id, f"part {result.part.name}", "", reason, "skipped") for reason in result.skipped]
        if not here and demand.id in part_of:
            made.append(Row(demand.id, demand.text, "", "", "not run"))
        if demand.reason:
            made.append(Row(demand.id, demand.text, "", demand.reason, IN_PART if demand.id in part_of else NOT_BUILT))
    return made


def render(table: Iterable[Row], heading: str) -> str:
    """The table as text."""
    lines = [heading, ""]
    titles = Row("", "what", "demanded", "measured", "")
    for row in [titles, *table]:
        cells = (row.demand, row.what, row.demanded, row.measured, row.state)
        columns = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, WIDTHS, strict=True)]
        for number in range(max(len(column) for column in columns)):
            texts = [column[number] if number < len(column) else "" for column in columns]
            lines.append("  ".join(text.ljust(width) for text, width in zip(texts, WIDTHS, strict=True)).rstrip())
    return "\n".join(lines) + "\n"
