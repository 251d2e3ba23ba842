"""``python -m bench [--json FILE]``: measure everything, print one table. Exit status 0 whatever the figures are."""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

from bench import calls, guests, hostile, runs, sealing, starts
from bench.figures import BLOCK, Row, table

NOTES = (
    f"What is compared is measured in turns of {BLOCK} operations each, over Unix sockets of this machine.",
    "docs/benchmarks.md says what is counted on each side.",
)


def measure(directory: Path) -> list[Row]:
    """All rows, in the order of the table. Sockets are made below ``directory``, so its path must be short."""
    rows = runs.measure(directory)
    run = rows[0].samples
    assert run is not None
    rows += guests.measure(directory)
    rows += hostile.measure(directory)
    rows += calls.measure(directory)
    rows += starts.measure(directory)
    return rows + sealing.measure(directory, run)


def main() -> None:
    """Measure, print, and write the raw numbers where they are wanted."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there, in seconds")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        rows = measure(Path(directory))
    print(table(rows))
    print()
    for note in NOTES:
        print(note)
    machine = f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}"
    load = f"load {os.getloadavg()[0]:.1f}"
    print(f"{machine}, {load} at the end; {time.monotonic() - began:.0f} s in all.")
    if arguments.json:
        document = {"machine": machine, "load": load, "rows": [row.document() for row in rows]}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
