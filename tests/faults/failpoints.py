"""Named places in the life of a run where a test ends the daemon, and the program that does it.

The shipped code knows nothing of them: this program wraps methods of it before it starts the command line, so there is
nothing that an environment could switch on in production. All of them are wrapped, and which one is armed stands in the
file that ``STRONGROOM_FAILPOINTS`` names: so a daemon that was killed at one and started again is there for the next.
"""

import importlib
import os
import signal
import sys
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

__all__ = ["POINTS", "PROGRAM", "Point", "arm"]

PROGRAM = (sys.executable, "-m", "tests.faults.failpoints")


@dataclass(frozen=True, slots=True)
class Point:
    """``when`` is before the method, after it, or after the disk has what it wrote. ``event`` narrows to one event."""

    target: str
    when: str
    event: str = ""


def _journal(event):
    append = "strongroom.engine.run_journal:RunJournal._append"
    return {f"{event}.{when}": Point(append, when, event) for when in ("before", "stored")}


_EVENTS = (
    "run_started",
    "restrictions_set",
    "step_created",
    "step_completed",
    "time_read",
    "log_written",
    "run_suspended",
    "cancel_requested",
    "run_completed",
    "run_failed",
    "run_cancelled",
    "run_timed_out",
)
POINTS = {
    "run_created.before": Point("strongroom.engine.run_journal:RunJournal.begin", "before"),
    "run_created.stored": Point("strongroom.engine.run_journal:RunJournal.begin", "stored"),
    "accepted.before": Point("strongroom.engine.running:Dispatcher.submit", "before"),
    "accepted.after": Point("strongroom.engine.running:Dispatcher.submit", "after"),
    "parked.before": Point("strongroom.engine.running:Dispatcher._park", "before"),
    "parked.after": Point("strongroom.engine.running:Dispatcher._park", "after"),
    "woken.before": Point("strongroom.engine.running:Dispatcher.wake", "before"),
    "woken.after": Point("strongroom.engine.running:Dispatcher.wake", "after"),
    "executing.before": Point("strongroom.engine.executor:Executor.execute", "before"),
    "executing.after": Point("strongroom.engine.executor:Executor.execute", "after"),
    "guest.before": Point("strongroom.guest.pool:RunnerPool.execute", "before"),
    "guest.after": Point("strongroom.guest.pool:RunnerPool.execute", "after"),
    "call.before": Point("strongroom.registry.handles:CapabilityExecutable.execute", "before"),
    "call.after": Point("strongroom.registry.handles:CapabilityExecutable.execute", "after"),
    "batch.before": Point("strongroom.storage.writer:Writer._commit", "before"),
    "batch.after": Point("strongroom.storage.writer:Writer._commit", "after"),
    **{name: point for event in _EVENTS for name, point in _journal(event).items()},
}


def arm(file, name, count=1):
    """Have the daemon that watches ``file`` end as in a power cut when it passes ``name`` for the ``count``-th time."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(f"{name}:{count}")
    unfinished.rename(file)


class Armed:
    """The failpoint that ``file`` names, and how often it was passed since this process was started."""

    def __init__(self, file):
        self._file = file
        self._passed = Counter()
        self._lock = threading.Lock()

    def passed(self, name):
        """Ends this process if it is the one, and the passage is."""
        try:
            armed, _, count = self._file.read_text().rpartition(":")
        except FileNotFoundError:
            return
        if armed != name:
            return
        with self._lock:
            self._passed[name] += 1
            if self._passed[name] == int(count):
                os.kill(os.getpid(), signal.SIGKILL)


def _install(target, points, armed):
    """Wrap one method with everything that lies at it."""
    module, _, path = target.partition(":")
    owner_name, _, method = path.partition(".")
    owner = getattr(importlib.import_module(module), owner_name)
    inner = getattr(owner, method)

    def wrapper(self, *arguments, **named):
        here = [
            (name, point.when)
            for name, point in points.items()
            if not point.event or (arguments and str(arguments[0]) == point.event)
        ]
        for name, when in here:
            if when == "before":
                armed.passed(name)
        answer = inner(self, *arguments, **named)
        for name, when in here:
            if when == "stored" and isinstance(answer, Future):
                # On the thread that committed: the caller has not heard of it yet.
                answer.add_done_callback(lambda future, name=name: _stored(future, name, armed))
            elif when != "before":
                armed.passed(name)
        return answer

    setattr(owner, method, wrapper)


def _stored(future, name, armed):
    if not future.cancelled() and not future.exception():
        armed.passed(name)


def main(points=POINTS):
    """The command line of strongroom, with ``points`` wrapped."""
    armed = Armed(Path(os.environ.pop("STRONGROOM_FAILPOINTS")))
    for target in {point.target for point in points.values()}:
        _install(target, {name: point for name, point in points.items() if point.target == target}, armed)
    from strongroom.cli.main import main as command_line  # after the wrapping, and as late as the shipped program does

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
