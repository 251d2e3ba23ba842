"""``SyncClient``: keeps one document in step with a room of a relay, over connections that come and go.

A thread connects and reads; one for each connection sends. Both sides say what they have (STEP1) and answer what the
other lacks (STEP2); from then on changes go out as they are made.

Rule 1: what came from the relay is not sent back to it.
Rule 2: what is changed offline needs no queue: the next handshake finds the difference.
Rule 3: a refusal that trying again does not help ends the trying, until somebody signals that it does.
Rule 4: an update of the relay is read by our own parser first; one that must not be is counted and shown, not applied.

Source: contracts/workspace-encryption.md 12.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from strongroom.errors import Forbidden, InvalidInput, StrongroomError
from strongroom.plugin.mounts import WebSocket
from strongroom.workspace.document import Document
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.backoff import Backoff
from strongroom.workspace.sync.client_session import ClientSession
from strongroom.workspace.sync.client_states import ClientEvent, ClientState, step
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.sync.subprotocols import Dialect

__all__ = ["Clock", "SyncClient"]

STOP_S_MAX: Final = 5
"""A closing handshake takes three seconds at most."""
# The relay's answer to what this client sends: it would be the same at once again, so these count as failures.
_HARD_ENDS: Final = frozenset(
    {CloseCode.TOO_BIG, CloseCode.INTERNAL, CloseCode.TRY_LATER, CloseCode.REFUSED, CloseCode.FULL}
)


def _wait(event: threading.Event, seconds: float | None) -> None:
    event.wait(seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, given by tests. ``wait(event, seconds)`` returns when the event is set or the time is over."""

    now_s: Callable[[], float] = field(default=time.monotonic)
    wait: Callable[[threading.Event, float | None], None] = field(default=_wait)
    random: Callable[[], float] = field(default=random.random)


class SyncClient:
    """A ``Collaboration`` as ``strongroom.plugin.mounts`` has it. Safe for any thread."""

    def __init__(
        self,
        document: Document,
        url: str,
        *,
        open_web_socket: Callable[[str, Sequence[str]], WebSocket],
        on_reconnect_signal: Callable[[Callable[[], None]], Callable[[], None]] | None = None,
        dialect: Dialect = Dialect.STRONGROOM,
        clock: Clock | None = None,
    ) -> None:
        """Nothing happens before ``start``. ``url`` is what ``room_url`` gives, or one that the opener understands."""
        self._document = document
        self._url = url
        self._open = open_web_socket
        self._dialect = dialect
        self._clock = clock or Clock()
        self._backoff = Backoff(self._clock.random)
        self._lock = threading.Lock()
        self._state = ClientState.OFF
        self._problem = ""
        self._wake = threading.Event()
        self._stopped = False
        self._session: ClientSession | None = None
        self._thread: threading.Thread | None = None
        self._end_signals = on_reconnect_signal(self.reconnect) if on_reconnect_signal else lambda: None

    @property
    def state(self) -> str:
        """``off``, ``connecting``, ``connected``, ``offline`` or ``refused``."""
        return self._state.value

    @property
    def problem(self) -> str:
        """What stands in the way, with its code; empty if nothing does."""
        session = self._session
        return self._problem or (session.problem if session is not None else "")

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""
        self._thread = threading.Thread(target=self._run, name=f"sync-{self._document.guid}", daemon=True)
        self._thread.start()

    def reconnect(self) -> None:
        """Try again at once, also after a refusal."""
        self._backoff.reset()
        self._wake.set()

    def dispose(self) -> None:
        """Send what is waiting, leave, and try no more. Twice is fine."""
        with self._lock:
            end_signals, self._end_signals = self._end_signals, lambda: None
            self._stopped = True
            session = self._session
        end_signals()
        self._wake.set()
        if session is not None:
            session.leave()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_S_MAX)
        self._state = step(self._state, ClientEvent.STOP)
        self._problem = ""

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            self._state = step(self._state, ClientEvent.TRY)
            end, heard = self._connect()
            if self._stopped:
                return
            code = end.details.get("close_code")
            final = isinstance(end, Forbidden | InvalidInput) or code == CloseCode.NOT_ADMITTED
            if heard and code not in _HARD_ENDS:
                self._backoff.reset()
            self._problem = f"{end.code} {end.with_fix()}"
            self._state = step(self._state, ClientEvent.REFUSED if final else ClientEvent.LOST)
            self._clock.wait(self._wake, None if final else self._backoff.next_s())

    def _connect(self) -> tuple[StrongroomError, bool]:
        """One connection from its begin to its end: why it ended, and whether it had worked."""
        try:
            socket = self._open(self._url, [self._dialect.value])
        except StrongroomError as fault:
            return fault, False
        except Exception as fault:  # a plugin may open it; its words may hold a token, so only its kind is shown
            return faults.unreachable(type(fault).__name__), False
        session = ClientSession(self._document, socket, self._dialect, self, self._clock.now_s, self._heard)
        with self._lock:
            self._session = session
            if self._stopped:
                session.leave()
        try:
            return session.run(), session.heard
        finally:
            self._session = None

    def _heard(self) -> None:
        self._problem = ""
        self._state = step(self._state, ClientEvent.HEARD)
