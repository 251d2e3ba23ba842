"""Where the awaitables of one run are awaited: one event loop, so that calls of a run can wait for each other."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable
from typing import Any, Final

__all__ = ["AsyncCalls"]

CLOSE_S: Final = 1.0
"""A cancelled task ends at once; one that blocks its loop is left behind on a thread that keeps nothing alive."""


class AsyncCalls:
    """An event loop on a thread of its own, started by the first awaitable."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def result_of(self, awaitable: Awaitable[Any]) -> Any:  # Any: what a function of an author returned
        """Await it and block until it is done. Raises what it raises, and ``RuntimeError`` after ``close``."""
        try:
            with self._lock:
                # Under the lock, so that whatever is begun is begun before the loop is told to stop.
                if self._closed:
                    raise RuntimeError("the run is over")
                future = asyncio.run_coroutine_threadsafe(_awaited(awaitable), self._running())
            return future.result()
        finally:
            if inspect.iscoroutine(awaitable):
                # One that was cancelled before its first step would complain that nobody awaited it.
                awaitable.close()

    def close(self) -> None:
        """Cancel what is still awaited."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CLOSE_S)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_serve, args=(self._loop,), name="guest-async", daemon=True)
            self._thread.start()
        return self._loop


async def _awaited(awaitable: Awaitable[Any]) -> Any:  # Any: as above
    return await awaitable


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
