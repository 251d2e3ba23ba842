"""``SharedRequest``: those who want the same answer at the same time share one request."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

__all__ = ["SharedRequest"]

T = TypeVar("T")
SHARED_WAIT_S: Final = 60.0
"""For the request of another caller, which has a limit of its own, redirects included."""


class SharedRequest(Generic[T]):
    """At most one request at a time."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._lock = threading.Lock()
        self._under_way: Future[T] | None = None

    def run(self, request: Callable[[], T]) -> T:
        """What ``request`` returns, or what the one returns that is under way already; and so with what it raises.

        Raises ``TimeoutError`` when another caller's takes too long.
        """
        with self._lock:
            shared, mine = self._under_way, Future[T]()
            if shared is None:
                self._under_way = mine
        if shared is not None:
            return shared.result(SHARED_WAIT_S)
        try:
            answer = request()
        except BaseException as error:
            self._end()
            mine.set_exception(error)
            raise
        self._end()
        mine.set_result(answer)
        return answer

    def _end(self) -> None:
        with self._lock:
            self._under_way = None
