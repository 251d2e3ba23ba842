"""Named places in the life of a run where a test ends the daemon, and the program that does it.

The shipped code knows nothing of them: this program wraps methods of it before it starts the command line, so there is
nothing that an environment could switch on in production. ``STRONGROOM_FAILPOINT=name:action:count`` chooses: ``kill``
ends the process as a power cut does, ``error`` raises an I/O error; ``count`` is which passage, from 1. Passages count
from when the file named by ``STRONGROOM_FAILPOINT_ARMED`` is there, or from the beginning when none is named.
"""

import importlib
import os
import signal
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

__all__ = ["POINTS", "PROGRAM", "Point"]

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
    "call.before": Point("strongroom.registry.registry:CapabilityExecutable.execute", "before"),
    "call.after": Point("strongroom.registry.registry:CapabilityExecutable.execute", "after"),
    "batch.before": Point("strongroom.storage.writer:Writer._commit", "before"),
    "batch.after": Point("strongroom.storage.writer:Writer._commit", "after"),
    **{name: point for event in _EVENTS for name, point in _journal(event).items()},
}


def _install(name, action, count, armed):
    point = POINTS[name]
    module, _, path = point.target.partition(":")
    owner_name, _, method = path.partition(".")
    owner = getattr(importlib.import_module(module), owner_name)
    inner = getattr(owner, method)
    left = [count]
    lock = threading.Lock()

    def passed():
        if armed and not Path(armed).exists():
            return
        with lock:
            left[0] -= 1
            if left[0] != 0:
                return
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(5, f"failpoint {name}")

    def wrapper(self, *arguments, **named):
        if point.event and (not arguments or str(arguments[0]) != point.event):
            return inner(self, *arguments, **named)
        if point.when == "before":
            passed()
            return inner(self, *arguments, **named)
        answer = inner(self, *arguments, **named)
        if point.when == "stored" and isinstance(answer, Future):
            # On the thread that committed: the caller has not heard of it yet.
            answer.add_done_callback(lambda future: None if future.cancelled() or future.exception() else passed())
        else:
            passed()
        return answer

    setattr(owner, method, wrapper)


def main():
    """The command line of strongroom, with the failpoint that the environment names."""
    wish, armed = os.environ.pop("STRONGROOM_FAILPOINT", ""), os.environ.pop("STRONGROOM_FAILPOINT_ARMED", "")
    if wish:
        name, action, count = wish.split(":")
        _install(name, action, int(count), armed)
    from strongroom.cli.main import main as command_line  # after the wrapping, and as late as the shipped program does

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
