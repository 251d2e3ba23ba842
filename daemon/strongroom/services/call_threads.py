"""The threads of a server, which its callers share: each is served in turn, and none takes all of them.

A call holds its thread from before its message has come to its answer. So who calls is known by what stands in front of
the message: the way in, and the name to which the token belongs.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from strongroom.engine.fair_threads import FairThreads
from strongroom.services.message_budget import MessageBudget

__all__ = ["CallThreads"]

P = ParamSpec("P")
T = TypeVar("T")
LIBRARY: Final = "the library"
"""For whom calls are answered that are none of ours, such as those of probes."""


class CallThreads(ThreadPoolExecutor):
    """At most ``threads_max`` threads. Only as many messages are received at once as ``budget`` has places for.

    It is one of the standard library's executors by its type alone, which is what gRPC asks for.
    """

    def __init__(self, threads_max: int, name: str, budget: MessageBudget) -> None:
        super().__init__(1, thread_name_prefix=name)
        self._shared = FairThreads(threads_max, name)
        self._budget = budget
        self._making = threading.Lock()
        self._lanes: dict[str, _Lane] = {}

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Answer a call of nobody in particular."""
        return self._shared.submit_for(LIBRARY, partial(fn, *args, **kwargs))

    def of(self, caller: str) -> ThreadPoolExecutor:
        """The threads as one caller has them. There are as many callers as the callers' file names."""
        with self._making:
            lane = self._lanes.get(caller)
            if lane is None:
                lane = self._lanes[caller] = _Lane(self._shared, caller, self._budget)
            return lane

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls."""
        self._shared.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


class _Lane(ThreadPoolExecutor):
    """The threads of one caller."""

    def __init__(self, shared: FairThreads, caller: str, budget: MessageBudget) -> None:
        super().__init__(1)
        self._shared = shared
        self._caller = caller
        self._budget = budget

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Answer a call, in its turn."""
        job = partial(fn, *args, **kwargs)
        return self._shared.submit_for(self._caller, partial(self._answer, job))

    def _answer(self, job: Callable[[], Any]) -> Any:  # Any: what a job returns is the library's business
        with self._budget.receiving(self._caller):
            return job()
