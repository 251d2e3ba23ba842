"""``ProcessPlugin``, one class for every plugin that is a process: it starts, watches, restarts and ends it."""

import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from strongroom.errors import StrongroomError
from strongroom.registry.limits import Supervision
from strongroom.registry.pins import PIN_CODES
from strongroom.registry.session import Session, SessionSetup
from strongroom.registry.states import Lifecycle, PluginEvent, PluginState, step

__all__ = ["ProcessPlugin", "backoff_s"]

# Far past every limit of the waiting time, and far below what a float can hold.
DOUBLINGS_MAX: Final = 30


def backoff_s(crashes: int, times: Supervision, *, jitter: float) -> float:
    """How long to wait after the n-th crash in a row. ``jitter`` in [0, 1) takes off up to half of it."""
    full = min(times.backoff_max_s, times.backoff_min_s * 2.0 ** min(max(0, crashes - 1), DOUBLINGS_MAX))
    return max(times.backoff_min_s, full * (1 - jitter / 2))


class ProcessPlugin:
    """One plugin process and its successors.

    One thread does everything, and lives as long as the plugin: a process's parent-death signal belongs to the thread
    that started it. A plugin that was given up is tried again now and then: its cause may be gone.
    """

    def __init__(
        self,
        setup: SessionSetup,
        *,
        required: bool,
        on_change: Callable[[PluginState], None],
        is_tried_again: bool = True,
    ) -> None:
        """``is_tried_again``: somebody wants it also when its first start fails."""
        self._setup = setup
        self._required = required
        self._is_tried_again = is_tried_again
        self._on_change = on_change
        self._state = Lifecycle.STARTING
        self._restarts = 0
        self._last_error = ""
        self._given_up = ""
        self._pin_refused = False
        self._started_s = 0.0
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._settled = threading.Event()
        self._stopping = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name=f"plugin-{setup.name}", daemon=True)

    def start(self) -> None:
        """Begin. ``settle`` waits for the outcome."""
        self._thread.start()

    def settle(self, timeout_s: float | None = None) -> PluginState:
        """Wait until the first start has succeeded or failed; at most ``timeout_s``, or as long as a start may take."""
        self._settled.wait(timeout_s)
        return self.state()

    def state(self) -> PluginState:
        """How it stands now."""
        session = self._session
        return PluginState(
            name=self._setup.name,
            kind="process",
            state=self._state,
            capabilities=self._setup.offers.ids,
            restarts=self._restarts,
            last_error=(self._given_up if self._state is Lifecycle.FAILED else "") + self._last_error,
            required=self._required,
            pid=session.pid if session is not None else 0,
        )

    def stop(self) -> None:
        """End it: ask, wait, kill. Returns when nothing of it runs any more. A second call does nothing."""
        with self._lock:
            if self._stopping.is_set():
                return
            self._stopping.set()
        os.eventfd_write(self._wake, 1)
        session = self._session
        if session is not None and self._state is not Lifecycle.READY:
            session.abort()
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._wake)

    def _run(self) -> None:
        times = self._setup.supervision
        crashes: deque[float] = deque()
        loop = ""
        try:
            while not self._stopping.is_set():
                reason = self._one_life()
                if reason is None or self._stopping.is_set():
                    break
                self._last_error = reason
                self._setup.log.error("plugin %s: %s", self._setup.name, reason)
                now = time.monotonic()
                if loop and self._state is Lifecycle.READY and now - self._started_s >= times.crash_window_s:
                    # It has lived long enough to be a plugin like any other again.
                    loop = ""
                crashes.append(now)
                while crashes[0] < now - times.crash_window_s:
                    crashes.popleft()
                if not self._settled.is_set():
                    if not self._is_tried_again:
                        # The host does not go on without it, or goes on with the one before.
                        self._move(PluginEvent.GAVE_UP)
                        return
                    loop = "it did not start"
                elif not loop and self._pin_refused:
                    loop = "it is not what it was pinned to be"
                elif not loop and len(crashes) >= times.crashes_max:
                    loop = f"crash loop: {len(crashes)} crashes within {times.crash_window_s:g} s"
                if loop:
                    self._give_up(loop)
                    self._stopping.wait(times.given_up_s)
                else:
                    self._move(PluginEvent.CRASHED)
                    self._stopping.wait(backoff_s(len(crashes), times, jitter=random.random()))  # noqa: S311 - spreads restarts, protects nothing
                if not self._stopping.is_set():
                    self._restarts += 1
            self._move(PluginEvent.STOP)
        finally:
            self._setup.offers.remove_all()
            self._settled.set()

    def _give_up(self, loop: str) -> None:
        """Fail at once whoever needs it, and say when it is tried again. One crash is enough to be here again."""
        wait_s = self._setup.supervision.given_up_s
        at = datetime.now(UTC) + timedelta(seconds=wait_s)
        self._given_up = (
            f"{loop}; correct what follows, and it comes back: it is tried again at {at:%H:%M:%S} UTC and every"
            f" {wait_s:g} s: "
        )
        self._setup.offers.remove_all()
        self._move(PluginEvent.GAVE_UP)
        self._settled.set()

    def _one_life(self) -> str | None:
        """Start and watch one process. Why it ended, or ``None`` when it was told to."""
        session = self._session = Session(self._setup)
        reason: str | None
        self._pin_refused = False
        if self._stopping.is_set():  # stop() may have looked for a session a moment too early
            session.abort()
        try:
            session.start()
            self._started_s = time.monotonic()
            self._move(PluginEvent.STARTED)
            self._settled.set()
            reason = session.watch(self._wake)
        except StrongroomError as error:
            reason = error.with_fix()
            self._pin_refused = error.code.startswith(PIN_CODES)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        if reason is None:
            self._setup.offers.remove_all()
            session.close(gently=True)
        else:
            self._setup.offers.suspend()
            reason = f"{reason} ({session.close()})"
        return reason

    def _move(self, event: PluginEvent) -> None:
        self._state = step(self._state, event)
        if event is not PluginEvent.STARTED:
            # Only now: a plugin that is shown as ready has a process.
            self._session = None
        self._on_change(self.state())
