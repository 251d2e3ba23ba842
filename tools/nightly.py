"""Measure the promises at the scale of a release, and print one table of what is demanded and what was measured.

``tools/nightly.toml`` says what is demanded, which tests measure it, and how long they take. Each part is a run of
pytest with a bound on its time; its tests leave their figures in a file (``tests/faults/figures.py``). A demand without
a test stands in the table as well, with the reason. The exit status is 1 when a test failed or a part ran out of time:
a figure that misses its demand is for people to read.

What became of each part is kept. A night that was cut short goes on with ``--resume``, which measures what has no
result of that scale yet; parts of one table may so be measured at different times, and the table names the commits.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from tools.nightly_table import Demand, Part, Result, render, rows

__all__ = ["kept", "main", "measure", "plan"]

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / ".cache" / "nightly"
PLAN: Final = Path(__file__).with_suffix(".toml")
TABLE: Final = ROOT / ".cache" / "nightly.txt"
BOUND_AT_LEAST_MIN: Final = 8
"""What a part may take however small it is: servers start, guests are compiled."""
BOUND_TIMES: Final = 2.5
"""And how often it may take the time that is expected: the machine may be a slow one."""
SOAK_MIN: Final = 30
STOP_S: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Under which a part was measured, and how its run ended. ``minutes`` is that of the soak."""

    commit: str
    tests: list[str]
    scale: float
    soak_min: float
    out_of_time: bool
    status: int


def plan(path: Path = PLAN) -> tuple[list[Demand], list[Part]]:
    """What is demanded, in order, and the parts that measure it."""
    written = tomllib.loads(path.read_text())
    reasons = written["unmeasured"]
    demands = [Demand(id=name, text=text, reason=reasons.get(name, "")) for name, text in written["demands"].items()]
    parts = [
        Part(
            name=part["name"],
            demands=tuple(part["demands"]),
            tests=tuple(part["tests"]),
            minutes=part["minutes"],
            variables=part.get("variables", {}),
        )
        for part in written["parts"]
    ]
    return demands, parts


def measure(part: Part, *, scale: float, soak_min: float) -> Result:
    """Run the tests of one part within its bound."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    figures, report, log, ended = (_file(part, ending) for ending in (".jsonl", ".xml", ".log", ".json"))
    for former in (figures, report, ended):
        former.unlink(missing_ok=True)
    bound_min = max(BOUND_AT_LEAST_MIN, BOUND_TIMES * part.minutes * scale)
    if "O6" in part.demands:
        bound_min = max(bound_min, soak_min + BOUND_AT_LEAST_MIN)
    # The paths of sockets must be short.
    base = Path(tempfile.mkdtemp(prefix="sr."))
    words = ["-q", "--timeout", "0", f"--basetemp={base / 't'}", f"--junitxml={report}", *part.tests]
    environment = {
        **os.environ,
        **part.variables,
        "STRONGROOM_TEST_SCALE": "nightly" if scale == 1 else str(scale),
        "TEST_FIGURES": str(figures),
        "TEST_SOAK_MINUTES": str(soak_min),
    }
    with log.open("w") as out:
        process = _begin([sys.executable, "-m", "pytest", *words], environment, out)
        out_of_time = False
        try:
            process.wait(bound_min * 60)
        except subprocess.TimeoutExpired:
            out_of_time = True
            _end(process)
        except BaseException:
            _end(process)
            raise
        finally:
            shutil.rmtree(base, ignore_errors=True)
    status = 0 if out_of_time else process.returncode
    circumstances = Circumstances(
        commit=_commit(),
        tests=list(part.tests),
        scale=scale,
        soak_min=soak_min,
        out_of_time=out_of_time,
        status=status,
    )
    ended.write_text(json.dumps(asdict(circumstances)))
    return _read(part, circumstances)


def kept(part: Part, *, scale: float, soak_min: float) -> Result | None:
    """What became of a part the last time, where that was the same tests at this scale and nothing failed."""
    ended = _file(part, ".json")
    if not ended.exists():
        return None
    circumstances = Circumstances(**json.loads(ended.read_text()))
    is_the_same = circumstances.tests == list(part.tests) and circumstances.scale == scale
    is_soak_enough = "O6" not in part.demands or circumstances.soak_min >= soak_min
    result = _read(part, circumstances)
    return result if is_the_same and is_soak_enough and not result.is_bad else None


def _file(part: Part, ending: str) -> Path:
    return (FOLDER / part.name.replace(" ", "-")).with_suffix(ending)


def _commit() -> str:
    """The commit of this tree, with ``-dirty`` where files were changed since."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


def _begin(command: list[str], environment: dict[str, str], out: IO[str]) -> subprocess.Popen[bytes]:
    """Start a part, such that SIGINT ends it: the children of a background shell ignore that, and so do theirs."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, former)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a part that does not end, with all that it started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(part: Part, circumstances: Circumstances) -> Result:
    """What a part left behind."""
    figures, report = _file(part, ".jsonl"), _file(part, ".xml")
    lines = figures.read_text().splitlines() if figures.exists() else []
    cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314 - written here
    skips = [skip.get("message", "") for case in cases for skip in case.iter("skipped")]
    broken = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return Result(
        part=part,
        figures=[json.loads(line) for line in lines],
        passed=len(cases) - len(skips) - len(broken),
        failed=tuple(f"{case.get('classname')}::{case.get('name')}" for case in broken),
        skipped=tuple(dict.fromkeys(skips)),
        out_of_time=circumstances.out_of_time,
        status=circumstances.status,
        commit=circumstances.commit,
    )


def main(words: list[str] | None = None) -> int:
    """Measure what was asked for. Returns the exit status."""
    demands, parts = plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="ids of demands with commas between them, such as D1,O4")
    parser.add_argument("--scale", type=float, default=1.0, help="the part of it that is tried, such as 0.05")
    parser.add_argument("--minutes", type=float, default=0.0, help=f"how long the soak O6 takes; {SOAK_MIN} by default")
    parser.add_argument("--resume", action="store_true", help="take over parts that were measured at that scale before")
    parser.add_argument("--list", action="store_true", help="say what would be run, and for how long")
    chosen = parser.parse_args(words)
    only = set(filter(None, chosen.only.split(",")))
    if unknown := only - {demand.id for demand in demands}:
        parser.error(f"there is no demand {', '.join(sorted(unknown))}: {', '.join(d.id for d in demands)}")
    if not 0 < chosen.scale <= 1:
        parser.error(f"--scale {chosen.scale}: it must be above 0 and at most 1")
    soak_min = chosen.minutes or SOAK_MIN * chosen.scale
    wanted = [part for part in parts if not only or only & set(part.demands)]
    if chosen.list:
        for part in wanted:
            print(f"{part.minutes * chosen.scale:6.1f} min  {part.name}: {' '.join(part.demands)}")
        return 0
    results = []
    for part in wanted:
        before = kept(part, scale=chosen.scale, soak_min=soak_min) if chosen.resume else None
        if before is not None:
            results.append(before)
            print(f"{part.name}: {' '.join(part.demands)}, measured before at {before.commit}", flush=True)
            continue
        print(f"{part.name}: {' '.join(part.demands)}, about {part.minutes * chosen.scale:.1f} min", flush=True)
        began_s = time.monotonic()
        results.append(measure(part, scale=chosen.scale, soak_min=soak_min))
        ended = "failed" if results[-1].is_bad else "done"
        print(f"  {ended} in {(time.monotonic() - began_s) / 60:.1f} min", flush=True)
    told = [demand for demand in demands if not only or demand.id in only]
    commits = ", ".join(sorted({result.commit for result in results}))
    machine = f"{os.cpu_count()} cores, {platform.platform(terse=True)}, Python {platform.python_version()}"
    scaled = "" if chosen.scale == 1 else f", scale {chosen.scale:g}"
    heading = f"{commits}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}{scaled}"
    text = render(rows(told, parts, results, scale=chosen.scale), heading)
    TABLE.write_text(text)
    print(text)
    return int(any(result.is_bad for result in results))


if __name__ == "__main__":
    sys.exit(main())
