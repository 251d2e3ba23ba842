"""``python -m bench [--json FILE] [PART…]``: measure, print one table. Exit status 0 whatever the figures are."""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from bench import (
    attestation,
    calls,
    guests,
    hostile,
    modules,
    payloads,
    runs,
    scenarios,
    sealing,
    starts,
    steps,
    waiting,
    workspace_log,
    workspace_sealing,
    workspace_stores,
)
from bench.figures import BLOCK, Row, table

NOTES = (
    f"What is compared is measured in turns of {BLOCK} operations each, over Unix sockets of this machine.",
    "docs/benchmarks.md says what is counted on each side.",
)


PARTS: Final[Mapping[str, Callable[[Path], list[Row]]]] = {
    "runs": runs.measure,
    "steps": steps.measure,
    "guests": guests.measure,
    "hostile": hostile.measure,
    "calls": calls.measure,
    "starts": starts.measure,
    "waiting": waiting.measure,
    "modules": modules.measure,
    "scenarios": scenarios.measure,
    "sealing": sealing.measure,
    "payloads": payloads.measure,
    "attestation": attestation.measure,
    "workspaces": workspace_sealing.measure,
    "workspace-stores": workspace_stores.measure,
    "workspace-log": workspace_log.measure,
}
"""What can be measured, in the order of the table."""


def measure(parts: Iterable[str]) -> list[Row]:
    """The rows of ``parts``. Each has a directory of its own, which must be short: sockets are made below it."""
    rows: list[Row] = []
    for part in parts:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            rows += PARTS[part](Path(directory))
        print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Measure, print, and write the raw numbers where they are wanted."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there, in seconds")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these of: {', '.join(PARTS)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    began = time.monotonic()
    rows = measure(part for part in PARTS if part in arguments.parts or not arguments.parts)
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
