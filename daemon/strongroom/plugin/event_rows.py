"""Unconfirmed events as they lie in a plugin's store: ``event/<trigger id>/<event id>``, the time and the payload."""

import time
from collections.abc import Callable, Container
from typing import Final

from google.protobuf import any_pb2

from strongroom.errors import InvalidInput
from strongroom.plugin.capability import EVENT_ID_BYTES_MAX
from strongroom.plugin.host import Store

__all__ = ["EventRows", "key_of", "now_ms"]

PREFIX: Final = "event/"
TRIGGER_ID_BYTES_MAX: Final = 200
"""With the longest event id beside it the key still fits the store."""
TIME_BYTES: Final = 8


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


class EventRows:
    """The rows. Every function raises what the store raises, and ``InvalidInput`` for ids that it cannot hold."""

    def __init__(self, store: Store, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._clock_ms = clock_ms

    def put(self, trigger_id: str, event_id: str, payload: any_pb2.Any) -> None:
        """Keep an event; it is on disk when this returns."""
        born = self._clock_ms().to_bytes(TIME_BYTES, "big", signed=True)
        self._store.put(key_of(trigger_id, event_id), born + payload.SerializeToString())

    def payload(self, trigger_id: str, event_id: str) -> any_pb2.Any | None:
        """What the event carries; nothing when it is not kept any more."""
        value = self._store.get(key_of(trigger_id, event_id))
        return None if value is None else any_pb2.Any.FromString(value[TIME_BYTES:])

    def remove(self, trigger_id: str, event_id: str) -> None:
        """Keep it no longer."""
        self._store.delete(key_of(trigger_id, event_id))

    def of_trigger(self, trigger_id: str) -> list[tuple[str, float]]:
        """Event ids with their ages in seconds, the oldest first."""
        prefix = prefix_of(trigger_id)
        found = [(self._age_s(key), key.removeprefix(prefix)) for key in self._store.list(prefix)]
        return [(event_id, age_s) for age_s, event_id in sorted(found, key=lambda each: (-each[0], each[1]))]

    def remove_trigger(self, trigger_id: str) -> None:
        """Keep nothing of a trigger."""
        for key in self._store.list(prefix_of(trigger_id)):
            self._store.delete(key)

    def remove_old(self, keep_s: float, but_of: Container[str]) -> None:
        """Remove what is older than ``keep_s``, except of the triggers that somebody looks after."""
        for key in self._store.list(PREFIX):
            trigger_id = key.removeprefix(PREFIX).partition("/")[0]
            if trigger_id not in but_of and self._age_s(key) > keep_s:
                self._store.delete(key)

    def _age_s(self, key: str) -> float:
        """The clock may have gone back since it was written; nothing is younger than new."""
        born_ms = int.from_bytes((self._store.get(key) or b"")[:TIME_BYTES], "big", signed=True)
        return max(0.0, (self._clock_ms() - born_ms) / 1000)


def prefix_of(trigger_id: str) -> str:
    """Where the events of a trigger lie. Raises ``InvalidInput``."""
    _check("trigger id", trigger_id, TRIGGER_ID_BYTES_MAX)
    if "/" in trigger_id:
        raise _cannot("trigger id", "it holds a slash")
    return f"{PREFIX}{trigger_id}/"


def key_of(trigger_id: str, event_id: str) -> str:
    """Where an event lies. Raises ``InvalidInput``."""
    _check("event id", event_id, EVENT_ID_BYTES_MAX)
    return prefix_of(trigger_id) + event_id


def _check(what: str, untrusted_id: str, bytes_max: int) -> None:
    if not untrusted_id.isprintable() or not 1 <= len(untrusted_id.encode()) <= bytes_max:
        raise _cannot(what, f"it must have 1 to {bytes_max} bytes, all of them printable")


def _cannot(what: str, why: str) -> InvalidInput:
    return InvalidInput("SR-PLUG-060", f"the {what} cannot be kept", why=why, fix="use a hash of it", field=what)
