"""How long a start takes: the daemon to its ready line, and the command line to its help."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples
from tests.fakes.live_daemon import LiveDaemon

__all__ = ["measure"]

READY_S_MAX: Final = 1.2
HELP_S_MAX: Final = 0.150
STARTS: Final = 7
HELPS: Final = 40
WARM_UP: Final = 1


def measure(directory: Path) -> list[Row]:
    """Rows of both. The starts are of the shipped manifest, with its two process plugins; READY means all of them."""
    state = directory / "starts"
    state.mkdir(mode=0o700)
    first = _start(state)
    starts = Samples([_start(state) for _ in range(STARTS + WARM_UP)][WARM_UP:], WARM_UP)
    helps = Samples([_help() for _ in range(HELPS + WARM_UP)][WARM_UP:], WARM_UP)
    return [
        Row(
            what="daemon start to READY, on an existing state directory",
            demanded=f"≤ {READY_S_MAX} s",
            measured=f"{starts.p50:.2f} s",
            met=starts.p50 <= READY_S_MAX,
            samples=starts,
        ),
        Row(
            what="  its first start, which makes keys and database",
            measured=f"{first:.2f} s",
            samples=Samples([first], 0),
        ),
        Row(
            what="command line to its help, whole process",
            demanded=f"≤ {HELP_S_MAX * 1e3:.0f} ms",
            measured=f"{helps.p50 * 1e3:.0f} ms",
            met=helps.p50 <= HELP_S_MAX,
            samples=helps,
        ),
    ]


def _start(state: Path) -> float:
    daemon = LiveDaemon(state, options=("--log-level", "warning"))
    began = time.perf_counter()
    daemon.start()
    took = time.perf_counter() - began
    daemon.stop()
    return took


def _help() -> float:
    program = Path(sys.executable).with_name("strongroom")
    began = time.perf_counter()
    subprocess.run([str(program), "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
