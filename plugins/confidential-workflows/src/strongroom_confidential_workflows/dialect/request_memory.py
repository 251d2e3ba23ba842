"""Which requests an enclave executes and has executed, so that none is executed twice.

Rule 1: every way in which a request changes state is a row of the table.
Rule 2: a memory that is full refuses new requests. Forgetting the oldest would let somebody replay it.
Rule 3: what never started may come again; what did start, and failed, may not.
A day is enough: a request names its key, and no key lives for longer. The memory is that of a process, as the keys are:
an enclave that starts anew knows neither.
Source: contracts/confidential.md 10.3.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from strongroom.plugin import Conflict, Internal, LimitExceeded

__all__ = ["ENTRIES_MAX", "REMEMBERED_S", "TRANSITIONS", "RequestEvent", "RequestMemory", "RequestState", "step"]

REMEMBERED_S: Final = 24 * 3600.0
ENTRIES_MAX: Final = 500_000


class RequestState(StrEnum):
    """Where a request stands."""

    UNKNOWN = "unknown"
    IN_PROGRESS = "in progress"
    EXECUTED = "executed"


class RequestEvent(StrEnum):
    """What happens to a request."""

    ADMITTED = "admitted"
    ENDED = "ended"
    NEVER_STARTED = "never started"
    FORGOTTEN = "forgotten"


TRANSITIONS: Final[Mapping[RequestState, Mapping[RequestEvent, RequestState]]] = {
    RequestState.UNKNOWN: {RequestEvent.ADMITTED: RequestState.IN_PROGRESS},
    RequestState.IN_PROGRESS: {
        RequestEvent.ENDED: RequestState.EXECUTED,
        RequestEvent.NEVER_STARTED: RequestState.UNKNOWN,
    },
    RequestState.EXECUTED: {RequestEvent.FORGOTTEN: RequestState.UNKNOWN},
}


def step(state: RequestState, event: RequestEvent) -> RequestState:
    """The state after ``event``. Raises ``Conflict`` for a request that comes again, ``Internal`` for the rest."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        pass
    if event is RequestEvent.ADMITTED and state is RequestState.IN_PROGRESS:
        raise Conflict("SR-DIAL-015", "the request is in progress", fix="wait for its answer")
    if event is RequestEvent.ADMITTED:
        raise Conflict("SR-DIAL-016", "the request was executed before", fix="send a request with another id")
    raise Internal("SR-DIAL-017", f"a request that is {state} cannot be {event}")


@dataclass(slots=True, kw_only=True)
class RequestMemory:
    """The requests of one enclave. ``now_s`` comes from a clock that never goes back. For one thread at a time."""

    entries_max: int = ENTRIES_MAX
    remembered_s: float = REMEMBERED_S
    _in_progress: set[bytes] = field(default_factory=set, init=False)
    _executed: OrderedDict[bytes, float] = field(default_factory=OrderedDict, init=False)

    def state(self, request_id: bytes) -> RequestState:
        """Where that request stands."""
        if request_id in self._in_progress:
            return RequestState.IN_PROGRESS
        return RequestState.EXECUTED if request_id in self._executed else RequestState.UNKNOWN

    def admit(self, request_id: bytes, *, now_s: float) -> None:
        """Begin a request. Raises ``Conflict`` for one that is known, ``LimitExceeded`` when the memory is full."""
        self._forget(now_s)
        step(self.state(request_id), RequestEvent.ADMITTED)
        count = len(self._in_progress) + len(self._executed)
        if count >= self.entries_max:
            raise LimitExceeded(
                "SR-DIAL-018",
                f"{count} requests are remembered, which is the most",
                fix="send it to another enclave, or later",
                size=count,
                limit=self.entries_max,
                setting="entries_max",
            )
        self._in_progress.add(request_id)

    def end(self, request_id: bytes, *, now_s: float) -> None:
        """Its app ran to an end, whichever."""
        step(self.state(request_id), RequestEvent.ENDED)
        self._in_progress.remove(request_id)
        self._executed[request_id] = now_s

    def release(self, request_id: bytes) -> None:
        """It failed before its app was started."""
        step(self.state(request_id), RequestEvent.NEVER_STARTED)
        self._in_progress.remove(request_id)

    def _forget(self, now_s: float) -> None:
        while self._executed:
            request_id, ended_s = next(iter(self._executed.items()))
            if now_s - ended_s < self.remembered_s:
                return
            step(self.state(request_id), RequestEvent.FORGOTTEN)
            del self._executed[request_id]
