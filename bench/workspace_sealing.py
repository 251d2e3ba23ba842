"""What a sealed workspace value costs, beside two programs that make the same bytes.

They are @noble/ciphers in Node, which programs of that family use, and libsodium in C, which pays for the cipher alone.
"""

import ctypes.util
import shutil
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples, in_turns
from bench.worker import ROOT, Worker

__all__ = ["measure"]

PEERS: Final = ROOT / ".cache" / "bench-peers"
SOURCES: Final = ROOT / "bench" / "peers"
NOBLE_MIN: Final = 5.0
SODIUM_MIN: Final = 0.4
SODIUM_FROM_BYTES: Final = 10 * 1024
"""Below it a call from Python costs more than the cipher does."""
SIZES: Final = ((64, "64 B", 400), (1024, "1 KB", 400), (10 * 1024, "10 KB", 100), (1024 * 1024, "1 MB", 2))
"""Bytes, their name, and how many values are sealed and opened between two looks at the clock."""
BULK_ENTRIES: Final = 1000
BULK_S_MAX: Final = 0.05
BULK_COUNT: Final = 30
BULK_WARM_UP: Final = 5
OURS, BOUND, NOBLE, SODIUM = "ours", "ours, format 2", "noble", "sodium"


def measure(directory: Path) -> list[Row]:
    """The rows of each size."""
    with ExitStack() as stack:
        ours = stack.enter_context(closing(Worker("bench.workspace_sealing_worker")))
        peers = {name: stack.enter_context(closing(Worker(command=command))) for name, command in _peers(directory)}
        for size, *_ in SIZES[:3]:
            # Whoever cannot open what we seal does something else than we do.
            sealed = ours.ask(f"seal {size}")
            assert {peer.ask(f"open {sealed}") for peer in peers.values()} <= {size}
        rows: list[Row] = []
        for size, name, count in SIZES:
            sides = {
                OURS: lambda size=size, count=count: float(ours.ask(f"time {size} {count}")),
                BOUND: lambda size=size, count=count: float(ours.ask(f"bound {size} {count}")),
            }
            for each, peer in peers.items():
                sides[each] = lambda peer=peer, size=size, count=count: float(peer.ask(f"time {size} {count}"))
            # Node compiles what it runs often: the warm-up is thousands of values.
            taken = in_turns(sides, warm_up=30, count=75, budget_s=15)
            rows += _rows(name, size, taken, {each: peer.ready for each, peer in peers.items()})
        return rows + _bulk([ours.ask(f"workspace {BULK_ENTRIES}") for _ in range(BULK_WARM_UP + BULK_COUNT)])


def _bulk(taken: list[tuple[float, float]]) -> list[Row]:
    what = (f"{BULK_ENTRIES} rows set in a workspace in one go", "  the same sealed again under another key")
    rows: list[Row] = []
    for text, seconds in zip(what, zip(*taken[BULK_WARM_UP:], strict=True), strict=True):
        samples = Samples(seconds, BULK_WARM_UP)
        measured, is_met = f"{samples.p50 * 1e3:.0f} ms", samples.p50 < BULK_S_MAX
        rows.append(
            Row(what=text, demanded=f"< {BULK_S_MAX * 1e3:.0f} ms", measured=measured, met=is_met, samples=samples)
        )
    return rows


def _rows(name: str, size: int, taken: dict[str, Samples], called: dict[str, str]) -> list[Row]:
    ours = taken[OURS]
    rows = [Row(what=f"a workspace value of {name}, sealed and opened", measured=_time(ours), samples=ours)]
    for each, ratio_min in ((NOBLE, NOBLE_MIN), (SODIUM, SODIUM_MIN if size >= SODIUM_FROM_BYTES else None)):
        if each not in taken:
            missing = "make bench-peers brings it" if each == NOBLE else "there is no libsodium or no compiler"
            rows.append(Row(what=f"  beside it: {each}", measured=f"not here: {missing}"))
            continue
        ratio = taken[each].p50 / ours.p50
        rows.append(
            Row(
                what=f"  beside it: {called[each]}",
                demanded=f"ours ≥ {ratio_min:g} x as fast" if ratio_min is not None else "",
                measured=f"{ratio:.2g} x as fast" if ratio < 1 else f"{ratio:.1f} x as fast",
                met=ratio >= ratio_min if ratio_min is not None else None,
                samples=taken[each],
            )
        )
    bound = taken[BOUND]
    return [*rows, Row(what="  in format 2, bound to its place", measured=_time(bound), samples=bound)]


def _time(taken: Samples) -> str:
    return f"{taken.p50 * 1e6:.1f} µs"


def _peers(directory: Path) -> list[tuple[str, list[str]]]:
    """The commands of the other sides that can be had here."""
    found: list[tuple[str, list[str]]] = []
    node = shutil.which("node")
    if node is not None and (PEERS / "node_modules" / "@noble" / "ciphers").is_dir():
        found.append((NOBLE, [node, str(SOURCES / "noble_sealing.mjs"), str(PEERS)]))
    library = ctypes.util.find_library("sodium")
    if library is not None:
        program = directory / "sodium_sealing"
        compiler = [sys.executable, "-m", "ziglang", "cc", "-O3", "-o", str(program)]
        made = subprocess.run([*compiler, str(SOURCES / "sodium_sealing.c"), "-ldl"], check=False)
        if made.returncode == 0:
            found.append((SODIUM, [str(program), library]))
    return found
