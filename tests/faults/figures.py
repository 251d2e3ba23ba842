"""The figures that the promises came to: what a test measured, beside what is demanded of a release.

Each is a line of JSON in the file that ``TEST_FIGURES`` names. A run of pytest prints its figures at its end, and
``tools/nightly.py`` gathers those of all its parts in one table.
"""

import json
import os
import tempfile
from pathlib import Path

__all__ = ["VARIABLE", "read", "record", "table", "where"]

VARIABLE = "TEST_FIGURES"


def record(demand, what, *, demanded, measured, met):
    """Note one figure of the demand with that id. ``met`` is whether ``measured`` is what is ``demanded``.

    Call it before the assertions: a figure that misses is worth more than none.
    """
    line = {"demand": demand, "what": what, "demanded": str(demanded), "measured": str(measured), "met": bool(met)}
    place = os.environ.get(VARIABLE)
    if place:
        with Path(place).open("a") as file:
            file.write(json.dumps(line) + "\n")


def read(place):
    """The figures in that file, in the order in which they came."""
    file = Path(place)
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def where():
    """The file of this run of pytest, and whether it was made here: it is then to be removed at the end."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named), False
    descriptor, name = tempfile.mkstemp(prefix="figures-", suffix=".jsonl")
    os.close(descriptor)
    os.environ[VARIABLE] = name
    return Path(name), True


def table(figures):
    """Lines of text, one for each figure."""
    if not figures:
        return []
    columns = ("demand", "what", "demanded")
    widths = [max(len(figure[column]) for figure in figures) for column in columns]
    return [
        "  ".join([figure[column].ljust(width) for column, width in zip(columns, widths, strict=True)])
        + f"  {figure['measured']}{'' if figure['met'] else '  (missed)'}"
        for figure in figures
    ]
