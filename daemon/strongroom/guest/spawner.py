"""One thread that starts every runner.

A runner asks the kernel to be killed when the thread that started it ends, so that thread must live as long as the
pool.
"""

import queue
import threading
from concurrent.futures import Future

from strongroom.errors import Unavailable
from strongroom.guest.runner_process import RunnerProcess

__all__ = ["Spawner"]


class Spawner:
    """Starts runners one after another; each may read code below the directory behind ``code_directory``."""

    def __init__(self, code_directory: int | None = None) -> None:
        self._code_directory = code_directory
        self._orders: queue.SimpleQueue[Future[RunnerProcess] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="runner-spawner", daemon=True)
        self._closed = False
        self._thread.start()

    def spawn(self) -> Future[RunnerProcess]:
        """A fresh runner, sandboxed and ready; the future raises ``Unavailable`` when it does not come up."""
        future: Future[RunnerProcess] = Future()
        if self._closed:
            future.set_exception(Unavailable("SR-GUEST-022", "the runner pool is closed"))
        else:
            self._orders.put(future)
        return future

    def close(self) -> None:
        """Start nothing more. Every runner must be buried before: they end with this thread."""
        self._closed = True
        self._orders.put(None)
        self._thread.join(timeout=30)

    def _serve(self) -> None:
        while True:
            future = self._orders.get()
            if future is None:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                runner = RunnerProcess(self._code_directory)
                runner.wait_ready()
            except Exception as problem:  # whoever waits must hear of it, and this thread must go on
                future.set_exception(problem)
            else:
                future.set_result(runner)
