"""``Handlers``: who is told of changes. One that fails stops nobody."""

import logging
from collections.abc import Callable, Mapping
from threading import RLock
from types import MappingProxyType
from typing import Final

from strongroom.workspace.entry import Change, Handler

__all__ = ["Handlers"]

_log: Final = logging.getLogger("strongroom.workspace")


class Handlers:
    """The handlers of one store. ``facts`` say in the log which one it is."""

    def __init__(self, lock: RLock, facts: Mapping[str, str]) -> None:
        self._lock = lock
        self._facts = facts
        self._handlers: list[Handler] = []

    def add(self, handler: Handler) -> Callable[[], None]:
        """Tell ``handler`` from now on; returns what ends that, and may be called again."""
        entered = [handler]
        with self._lock:
            self._handlers.append(handler)

        def end() -> None:
            with self._lock:
                while entered:
                    self._handlers.remove(entered.pop())

        return end

    def tell(self, changes: Mapping[str, Change], origin: object) -> None:
        """Call each of them, with the lock held. None is called when there are no changes."""
        if not changes:
            return
        shown = MappingProxyType(changes)
        for handler in tuple(self._handlers):
            try:
                handler(shown, origin)
            except Exception as fault:
                # Its text may hold values, so only its kind is logged.
                _log.error("an observer of a store failed", extra={**self._facts, "fault": type(fault).__name__})

    def __bool__(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._handlers)
