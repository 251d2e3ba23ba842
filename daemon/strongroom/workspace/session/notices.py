"""``Notices``: tells those who watch a session, in order, one thing at a time.

Rule 1: whoever announces under its own lock does not wait; whoever must know that all were told calls ``settle``.
Rule 2: a callback may announce again; that comes after what is being told.
Rule 3: a callback that fails keeps no other from being told.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from strongroom.telemetry import logs

__all__ = ["Notices"]

T = TypeVar("T")
log = logs.get("workspace.session")


class Notices(Generic[T]):
    """Callbacks and what is still to be told to them."""

    def __init__(self) -> None:
        """Nobody watches yet."""
        self._changed = threading.Condition()
        self._callbacks: list[Callable[[T], None]] = []
        self._waiting: deque[T] = deque()
        self._teller: int | None = None

    def subscribe(self, callback: Callable[[T], None]) -> Callable[[], None]:
        """Tell ``callback`` from now on. Returns what ends that; ending twice is fine."""
        with self._changed:
            self._callbacks.append(callback)

        def end() -> None:
            with self._changed:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return end

    def announce(self, notice: T) -> None:
        """Put ``notice`` behind what waits. It is told by ``settle``, which the caller owes once its locks are free."""
        with self._changed:
            self._waiting.append(notice)

    def settle(self, *, wait: bool = True) -> None:
        """Return once all that was announced before was told. Inside a callback it returns at once (rule 2).

        Without ``wait`` it also returns while another thread tells, which then tells this too.
        """
        me = threading.get_ident()
        with self._changed:
            if self._teller == me:
                return
            while self._teller is not None:
                if not wait:
                    return
                self._changed.wait()
            self._teller = me
        while True:
            with self._changed:
                if not self._waiting:
                    # Under one lock with the look, so that nobody who announces now relies on this teller.
                    self._teller = None
                    self._changed.notify_all()
                    return
                notice, callbacks = self._waiting.popleft(), tuple(self._callbacks)
            for callback in callbacks:
                try:
                    callback(notice)
                except Exception as error:
                    # Its text may say anything, so only its kind is logged.
                    log.error("whoever watches the session failed", extra={"fault": type(error).__name__})
