"""What one caller has of a server: its threads, its part of the memory of messages, and refusals that come late."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from strongroom.errors import StrongroomError
from strongroom.services.call_threads import CallThreads
from strongroom.services.late_answers import LateAnswers
from strongroom.services.message_budget import MessageBudget

__all__ = ["CallShare", "CallShares"]


@dataclass(frozen=True, slots=True)
class CallShare:
    """The share of one caller, by the name of his lane."""

    lane: str
    threads: ThreadPoolExecutor
    budget: MessageBudget
    late: LateAnswers

    def answers(self, behaviour: Callable[..., Any]) -> Callable[..., Any]:  # Any: what the library hands over
        """``behaviour``, which is called by the threads of this caller."""
        # The one way in which the library takes the threads of a call from whoever knows whose call it is.
        behaviour.experimental_thread_pool = self.threads  # type: ignore[attr-defined]  # functions have attributes
        return behaviour

    def received(self) -> None:
        """The message of the call that is answered in this thread has come."""
        self.budget.received()

    def holds(self, message: bytes) -> AbstractContextManager[None]:
        """The message has come, and is in memory until the block ends. Raises ``Exhausted``."""
        return self._holding(len(message))

    def wait(self, error: StrongroomError, context: grpc.ServicerContext) -> None:
        """Return when ``error`` may be sent."""
        self.late.wait(error, context)

    @contextmanager
    def _holding(self, size: int) -> Iterator[None]:
        self.received()
        with self.budget.charged(self.lane, size):
            yield


@dataclass(frozen=True, slots=True)
class CallShares:
    """What all callers of one server share."""

    threads: CallThreads
    budget: MessageBudget
    late: LateAnswers = field(default_factory=LateAnswers)

    def of(self, lane: str) -> CallShare:
        """The share of whoever has that name."""
        return CallShare(lane, self.threads.of(lane), self.budget, self.late)

    def close(self) -> None:
        """Keep nobody waiting any longer."""
        self.late.close()
