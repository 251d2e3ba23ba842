"""Several things at once, each on a thread of its own, for at most so long.

What takes longer is left behind: a plugin that hangs keeps neither its neighbours nor the end of the host waiting.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, TypeVar

__all__ = ["TookTooLong", "side_by_side"]

T = TypeVar("T")
AT_ONCE_MAX: Final = 16
"""They wait for one disk; more of them wait for each other."""


class TookTooLong(Exception):
    """In place of what was not there in time."""


def side_by_side(
    works: Sequence[Callable[[], T]], *, timeout_s: float, name: str, late: Callable[[T], object]
) -> list[T | BaseException]:
    """What each of ``works`` returned or raised, in their order; ``TookTooLong`` where ``timeout_s``, for all of them
    together, was not enough. What such a one returns after all is given to ``late``, on its own thread."""
    room = threading.BoundedSemaphore(AT_ONCE_MAX)
    lock = threading.Lock()
    given_up = threading.Event()
    futures: list[Future[T]] = [Future() for _ in works]

    def run(work: Callable[[], T], future: Future[T]) -> None:
        with room:
            if given_up.is_set():
                return
            try:
                result = work()
            except BaseException as error:  # told to whoever asked
                future.set_exception(error)
                return
        with lock:
            is_late = given_up.is_set()
            if not is_late:
                future.set_result(result)
        if is_late:
            late(result)

    for work, future in zip(works, futures, strict=True):
        threading.Thread(target=run, args=(work, future), name=name, daemon=True).start()
    until_s = time.monotonic() + timeout_s
    for future in futures:
        try:
            future.exception(None if math.isinf(until_s) else max(0.0, until_s - time.monotonic()))
        except TimeoutError:
            break
    outcomes: list[T | BaseException] = []
    with lock:
        given_up.set()
        for future in futures:
            error = future.exception() if future.done() else TookTooLong(name)
            outcomes.append(future.result() if error is None else error)
    return outcomes
