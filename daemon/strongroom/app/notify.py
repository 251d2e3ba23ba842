"""What a host tells its service manager: that it is ready, what it does, that its work goes on, and that it ends.

Two threads, and none where nobody listens: one says what the host does and, while it drains, that it needs time; the
other feeds the watchdog, each time after a beat of the work has come back, and only then.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from strongroom.app.build import Parts
from strongroom.engine.work_loop import WorkLoop
from strongroom.registry.states import Lifecycle, PluginState
from strongroom.telemetry import logs
from strongroom.telemetry.notify import Notifier

__all__ = ["Reports", "work_loop"]

LOOK_S: Final = 1.0
"""How old the line may be that a person sees in the service manager."""
EXTEND_S: Final = 30.0
"""What is asked for while the host drains, again and again. A host that hangs altogether is ended so much later; the
last one covers what comes after the drain."""
MIGRATION_S_MAX: Final = 3_600.0
"""How long a start may take that copies and migrates a database of many gigabytes; others have the manager's limit."""
BEATS: Final = 3
"""How often the watchdog is fed in its time when nothing is slow, so that a slow turn does not count as none."""
RETRY_S: Final = 60.0
"""What a run may hold a worker for beyond its own time: calls that are ended, and a journal that is read."""
log = logs.get("app")

GoRound = Callable[[Callable[[], bool]], bool]
"""Waits for one turn of the work, told how to see that nobody wants to know any more."""


class Reports:
    """Reports of one host to ``notifier``. ``plugins`` and ``runs`` are asked for from ``ready`` on."""

    def __init__(self, notifier: Notifier, *, state: Callable[[], str], look_s: float = LOOK_S) -> None:
        self.notifier = notifier
        self._state = state
        self._look_s = look_s
        self._runs: Callable[[], int] = int
        self._plugins: Callable[[], Sequence[PluginState]] = tuple
        self._said = ""
        self._started = threading.Event()
        self._closed = threading.Event()
        self._stopping = threading.Event()

    def migrating(self) -> None:
        """Say that this start takes longer, since a backup is made and the database migrated, until it is ready."""
        if self.notifier.is_heard:
            self.notifier.status("starting: a backup is made, then the database is migrated")
            threading.Thread(target=self._ask_for_time, name="start-time", daemon=True).start()

    def ready(
        self, runs: Callable[[], int], plugins: Callable[[], Sequence[PluginState]], go_round: GoRound | None = None
    ) -> None:
        """Say that the host is ready, and keep saying what it does."""
        self._started.set()
        self._runs, self._plugins = runs, plugins
        self._said = self.line()
        self.notifier.ready(self._said)
        if not self.notifier.is_heard:
            return
        threading.Thread(target=self._report, name="reports", daemon=True).start()
        every_s = self.notifier.watchdog_s
        if every_s is not None and go_round is not None:
            threading.Thread(target=self._feed, args=(go_round, every_s / BEATS), name="watchdog", daemon=True).start()

    def reloading(self) -> None:
        """Say that a reload has begun; ``reloaded`` ends it, whatever came of it."""
        self.notifier.reloading(self.line())

    def reloaded(self) -> None:
        """Say that the host goes on, with the new settings or with the old ones."""
        self.notifier.ready(self.line())

    def stopping(self) -> None:
        """Say that the end has begun, and that it may take a while."""
        self._stopping.set()
        self._said = self.line()
        self.notifier.stopping(self._said)
        self.notifier.extend(EXTEND_S)

    def close(self) -> None:
        """Say nothing more. What ends the host from now on has its time once more."""
        self._started.set()
        self._closed.set()
        self.notifier.extend(EXTEND_S)

    def line(self) -> str:
        """The host on one line."""
        runs, plugins = self._runs(), [each for each in self._plugins() if each.state != Lifecycle.DISABLED]
        up = sum(each.state == Lifecycle.READY for each in plugins)
        running, draining = (0, runs) if self._stopping.is_set() else (runs, 0)
        return f"{self._state()}: running {running}, draining {draining}, plugins {up}/{len(plugins)}"

    def _ask_for_time(self) -> None:
        until_s = time.monotonic() + MIGRATION_S_MAX
        while not self._started.is_set() and time.monotonic() < until_s:
            self.notifier.extend(EXTEND_S)
            self._started.wait(min(EXTEND_S / 3, self._look_s * 10))

    def _report(self) -> None:
        while not self._closed.wait(self._look_s):
            with suppress(RuntimeError):
                # Plugins come and go while they are counted; the next look sees them all.
                if (line := self.line()) != self._said:
                    self._said = line
                    self.notifier.status(line)
            if self._stopping.is_set():
                self.notifier.extend(EXTEND_S)

    def _feed(self, go_round: GoRound, pause_s: float) -> None:
        while not self._closed.is_set():
            try:
                came_back = go_round(self._closed.is_set)
            except Exception:
                # What is not known to go round is not said to.
                log.exception("the work of this host could not be looked at")
                came_back = False
            if came_back:
                self.notifier.watchdog()
            self._closed.wait(pause_s)


def work_loop(parts: Parts) -> WorkLoop:
    """The work of a host, of which its watchdog wants to know."""
    busy_s = parts.settings.limits.run_timeout_ms / 1000 + RETRY_S
    return WorkLoop(parts.engine.dispatcher, parts.database, busy_s=busy_s)
