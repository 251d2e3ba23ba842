"""The calls that a guest has open: ids that are used once, slots, answers that are taken once.

Rule 1: capability calls and secret fetches have name spaces of their own and share the slots.
Rule 2: a slot is free again when its call has ended, awaited or not.
Rule 3: an id never becomes free again.
Rule 4: what becomes of an answer does not depend on the order in which answers come, which no journal knows.

Source: contracts/cre-guest.md section 7.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

__all__ = ["Answer", "Calls", "Kind"]

RESPONSE_BYTES_MAX: Final = 16 * 1024 * 1024
"""As much as a capability may answer; so much is kept for every call that may be under way."""


class Kind(Enum):
    """What was called."""

    CAPABILITY = "capability"
    SECRETS = "secrets"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended: serialized ``response``, or an ``error`` of the whole call, or one that no guest can hold."""

    response: bytes = field(default=b"", repr=False)
    error: str = ""
    oversize: bool = False
    answered_unix_ns: int = 0
    """When it was there; the guest's clock moves on to it."""
    dropped: bool = False
    """There was no room for it beside those that the guest has not awaited: the run ends when it asks for it."""


class Calls:
    """The open calls of one run. Answers may come from other threads."""

    def __init__(self, in_flight_max: int, *, bytes_max: int) -> None:
        self._lock = threading.Lock()
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._bytes_max = bytes_max
        self._kept_bytes_max = max(bytes_max, in_flight_max * RESPONSE_BYTES_MAX)
        self._bytes = 0
        self._used: set[tuple[Kind, int]] = set()
        self._open: dict[tuple[Kind, int], Answer | None] = {}

    def is_used(self, kind: Kind, call_id: int) -> bool:
        """True when the id was used before in this run."""
        return (kind, call_id) in self._used

    def count(self) -> int:
        """How many were opened in this run."""
        return len(self._used)

    def has_slot(self) -> bool:
        """True when another call may start."""
        return self._in_flight < self._in_flight_max

    def open(self, kind: Kind, call_id: int) -> None:
        """Take a slot and the id. The caller has checked both; only one thread opens calls."""
        with self._lock:
            self._used.add((kind, call_id))
            self._open[kind, call_id] = None
            self._in_flight += 1

    def complete(self, kind: Kind, call_id: int, answer: Answer) -> bool:
        """Keep ``answer`` until it is awaited. False when no such call is pending; the answer is dropped then.

        One that is larger than the guest's memory is too large, whatever else has come.
        """
        with self._lock:
            if (kind, call_id) not in self._open or self._open[kind, call_id] is not None:
                return False
            if len(answer.response) > self._bytes_max:
                answer = replace(answer, response=b"", oversize=True)
            elif self._bytes + len(answer.response) > self._kept_bytes_max:
                answer = replace(answer, response=b"", dropped=True)
            self._bytes += len(answer.response)
            self._open[kind, call_id] = answer
            self._in_flight -= 1
            return True

    def missing(self, kind: Kind, call_ids: Iterable[int]) -> int | None:
        """The first id that is unknown, taken already, or named twice; ``None`` when every one can be awaited."""
        seen: set[int] = set()
        for call_id in call_ids:
            if call_id in seen or (kind, call_id) not in self._open:
                return call_id
            seen.add(call_id)
        return None

    def pending(self, kind: Kind) -> list[int]:
        """Ids of the calls that run, in the order in which they were opened."""
        with self._lock:
            return [call_id for (of, call_id), answer in self._open.items() if of is kind and answer is None]

    def answer(self, kind: Kind, call_id: int) -> Answer | None:
        """The answer, still there for ``take``; ``None`` while the call runs."""
        return self._open.get((kind, call_id))

    def has_answer(self, kind: Kind, call_id: int) -> bool:
        """True when the call has ended."""
        return self._open.get((kind, call_id)) is not None

    def take(self, kind: Kind, call_ids: Iterable[int]) -> int:
        """Forget the answers of ``call_ids``, which were delivered; when the last of them came, Unix nanoseconds."""
        answered_unix_ns = 0
        with self._lock:
            for call_id in call_ids:
                answer = self._open.pop((kind, call_id))
                if answer is not None:
                    self._bytes -= len(answer.response)
                    answered_unix_ns = max(answered_unix_ns, answer.answered_unix_ns)
        return answered_unix_ns
