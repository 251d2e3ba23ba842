"""One thread that starts every runner.

A runner asks the kernel to be killed when the thread that started it ends, so that thread must live as long as the
pool.
"""

import queue
import threading
from concurrent.futures import Future
from typing import Final

from strongroom.errors import Unavailable
from strongroom.guest.runner_process import RunnerProcess
from strongroom.guest.starter.child import own_child
from strongroom.guest.starter.started import Start

__all__ = ["Spawner"]

END_S: Final = 5.0
"""How long the last start, whose runner is killed, may take to fail."""


class Spawner:
    """Has runners started, one after another; each may read code below the directory behind ``code_directory``."""

    def __init__(self, code_directory: int | None = None, *, start: Start = own_child) -> None:
        self._code_directory = code_directory
        self._start = start
        self._orders: queue.SimpleQueue[Future[RunnerProcess] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="runner-spawner", daemon=True)
        self._lock = threading.Lock()
        self._closed = False
        self._starting: RunnerProcess | None = None
        self._thread.start()

    def spawn(self) -> Future[RunnerProcess]:
        """A fresh runner, sandboxed and ready; the future raises ``Unavailable`` when it does not come up."""
        future: Future[RunnerProcess] = Future()
        with self._lock:
            if not self._closed:
                self._orders.put(future)
                return future
        future.set_exception(_closed())
        return future

    def refuse(self) -> None:
        """Start nothing more, and wait for nothing that has begun to start: on a busy machine that takes seconds."""
        with self._lock:
            self._closed = True
            if self._starting is not None:
                self._starting.kill()

    def close(self) -> None:
        """Start nothing more. Every runner must be buried before: they end with this thread."""
        self.refuse()
        self._orders.put(None)
        self._thread.join(END_S)

    def _serve(self) -> None:
        # Whatever was ordered before the end of the orders gets an answer.
        while (future := self._orders.get()) is not None:
            if not future.set_running_or_notify_cancel():
                continue
            try:
                runner = self._started()
            except Exception as problem:  # whoever waits must hear of it, and this thread must go on
                future.set_exception(problem)
            else:
                future.set_result(runner)

    def _started(self) -> RunnerProcess:
        if self._closed:
            raise _closed()
        runner = RunnerProcess(self._code_directory, start=self._start)
        with self._lock:
            self._starting = runner
            if self._closed:
                runner.kill()
        try:
            runner.wait_ready()
        except BaseException:
            runner.bury()
            raise
        finally:
            with self._lock:
                self._starting = None
        return runner


def _closed() -> Unavailable:
    return Unavailable("SR-GUEST-022", "the runner pool is closed")
