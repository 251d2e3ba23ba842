"""The threads that execute runs, and whether they still do."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from strongroom.engine.fair_threads import FairThreads

__all__ = ["Workers"]

T = TypeVar("T")


class Workers(FairThreads):
    """Threads for the runs of one module: ``workers_max`` for an owner at most, or what ``most_of`` says, and half as
    many more for others. ``moved_s`` (monotonic) is when one of them last took a job or was done."""

    def __init__(self, workers_max: int, module: str, most_of: Callable[[str], int]) -> None:
        super().__init__(
            workers_max + max(1, workers_max // 2), f"{module}-run", lambda owner: min(workers_max, most_of(owner))
        )
        self.moved_s = time.monotonic()

    def begin(self, job: Callable[[T], None], subject: T, owner: str) -> Future[None]:
        """Queue ``job`` of ``subject`` behind others of its owner. Raises ``RuntimeError`` after ``shutdown``."""
        return self.submit_for(owner, partial(self._done, job, subject))

    def _done(self, job: Callable[[T], None], subject: T) -> None:
        self.moved_s = time.monotonic()
        try:
            job(subject)
        finally:
            self.moved_s = time.monotonic()
