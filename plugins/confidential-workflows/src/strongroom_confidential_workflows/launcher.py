"""Starts enclave runners, keeps some warm, and ends every one of them when the plugin stops.

A warm runner is as fresh as any other: it has sealed itself and waits; it has seen no execution and made no key. One
thread starts all of them, because the kernel ties a runner's life to the thread that started it. How one is started is
its starter's business, see ``launchers``.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from strongroom.plugin import StrongroomError, Unavailable
from strongroom_confidential_workflows.cancellation import STOPPING
from strongroom_confidential_workflows.launchers.runner import Runner, Starter
from strongroom_confidential_workflows.limits import READY_TIMEOUT_S, SPARE_AGE_S_MAX, SPARE_DELAY_S, STOP_S
from strongroom_confidential_workflows.messages import Ready

__all__ = ["Launcher"]


class _Order(Enum):
    SPARE = auto()
    SPARE_LATER = auto()
    WANTED = auto()
    STOP = auto()


class Launcher:
    """``spares`` runners wait in advance; ``take`` hands one out and has the next one started.

    ``edition`` tells what a runner that starts now is configured from; a spare of another one is not handed out.
    """

    def __init__(
        self, log: logging.Logger, *, spares: int, starter: Starter, edition: Callable[[], object] = lambda: None
    ) -> None:
        self._log = log
        self._spares = spares
        self._starter = starter
        self._edition = edition
        self._editions: dict[Runner, object] = {}
        self._lock = threading.Lock()
        self._living: set[Runner] = set()
        self._closed = False
        self._takers = 0
        self._report: Ready | None = None
        self._is_failing = False
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self._due: deque[float] = deque()
        self._ready: queue.SimpleQueue[Runner | Unavailable] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to start runners, and say what their launcher is good for."""
        self._log.info("enclave runners: launcher %s %s", self._starter.name, self._starter.statement)
        threading.Thread(target=self._start_all, name="enclave-launcher", daemon=True).start()
        for _ in range(self._spares):
            self._orders.put(_Order.SPARE)

    def take(self, timeout_s: float) -> Runner:
        """A runner that is ready and belongs to the caller, who gives it to ``end``. Raises ``Unavailable``."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._takers += 1
        try:
            while True:
                if self._closed:
                    raise _none_in_time(why=STOPPING)
                # To start the next one takes a processor from the execution that begins now.
                self._orders.put(_Order.SPARE_LATER if self._ready.qsize() else _Order.WANTED)
                item = self._ready.get(timeout=max(0.0, deadline - time.monotonic()))
                if isinstance(item, Unavailable):
                    raise item
                if item.is_alive() and self._is_fresh(item):
                    return item
                self.end(item)
        except queue.Empty:
            raise _none_in_time() from None
        finally:
            with self._lock:
                self._takers -= 1

    def end(self, runner: Runner) -> None:
        """Kill a runner that was taken."""
        with self._lock:
            self._living.discard(runner)
            self._editions.pop(runner, None)
        runner.close()

    def report(self) -> Ready:
        """What a runner said of itself, and the launcher; starts one when none has been yet. Raises ``Unavailable``."""
        if self._report is None:
            self.end(self.take(READY_TIMEOUT_S))
        assert self._report is not None  # noqa: S101 - a runner that was taken has reported
        return self._report

    def check(self, timeout_s: float) -> Ready:
        """As ``report``, but a runner is started first when the last one did not start. Raises ``Unavailable``."""
        if self._report is None or self._is_failing:
            self.end(self.take(timeout_s))
        return self.report()

    def close(self) -> None:
        """End every runner and start no more. Executions that are under way are cancelled, then killed."""
        with self._lock:
            self._closed = True
            living = set(self._living)
        self._orders.put(_Order.STOP)
        for runner in living:
            runner.cancel(STOPPING)
        deadline = time.monotonic() + STOP_S
        for runner in living:
            runner.wait(max(0.0, deadline - time.monotonic()))
            runner.kill()

    def _is_fresh(self, runner: Runner) -> bool:
        is_young = time.monotonic() - runner.started_s <= SPARE_AGE_S_MAX
        return is_young and self._editions.get(runner) == self._edition()

    def _start_all(self) -> None:
        while (order := self._next_order()) is not _Order.STOP:
            try:
                runner = self._start_one()
            except (StrongroomError, OSError) as error:
                self._log.error("an enclave runner did not start: %s", error)
                self._is_failing = True
                if order is _Order.WANTED:
                    self._ready.put(_not_started(error))
                continue
            self._is_failing = False
            with self._lock:
                surplus = self._closed or self._ready.qsize() >= self._spares + self._takers
            if surplus:
                self.end(runner)
            else:
                self._ready.put(runner)

    def _next_order(self) -> _Order:
        """What to do now: a spare that may come later comes when its time is there and nothing else is wanted."""
        while True:
            wait_s = max(0.0, self._due[0] - time.monotonic()) if self._due else None
            try:
                order = self._orders.get(timeout=wait_s)
            except queue.Empty:
                self._due.popleft()
                return _Order.SPARE
            if order is not _Order.SPARE_LATER:
                return order
            self._due.append(time.monotonic() + SPARE_DELAY_S)

    def _start_one(self) -> Runner:
        edition = self._edition()
        runner = self._starter.start()
        with self._lock:
            self._living.add(runner)
            self._editions[runner] = edition
        try:
            ready = runner.wait_ready(READY_TIMEOUT_S)
        except Unavailable:
            self.end(runner)
            raise
        if self._report is None and ready.missing:
            self._log.warning("enclave runners lack protections: %s", "; ".join(ready.missing))
        starter = self._starter
        self._report = replace(
            ready, protections=(f"launcher-{starter.name}", *starter.protections, *ready.protections)
        )
        return runner


def _none_in_time(why: str = "") -> Unavailable:
    fix = "try again, or lower executions_max"
    return Unavailable("SR-ENCL-011", "no enclave runner was ready in time", why=why, fix=fix)


def _not_started(error: StrongroomError | OSError) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, StrongroomError):
        return Unavailable(error.code, error.what, why=error.why, fix=error.fix)
    return Unavailable("SR-ENCL-010", "no enclave runner could be started", why=error.strerror or type(error).__name__)
