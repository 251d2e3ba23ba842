"""``RemoteSession``: who is signed in, as the session's server says it, and the keys that come with that.

Rule 1: a start without a network is signed in with what is cached, and shows no bearer until the server has confirmed
the owner.
Rule 2: another owner wipes the cell, and whoever watches sees nobody signed in before the new owner appears.
Rule 3: the same owner with other keys changes the cell, and is told so that stores take them in place.
Rule 4: signing out wins over whatever is under way: each answer counts only for the sign-in that asked for it.
Rule 5: 401 and 403 stop the network until somebody signs in; whatever else fails changes nothing.
Rule 6: a refresh writes the grant and nothing else, and those who want one at the same time share one request.

Source: contracts/workspace-encryption.md 11.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import Forbidden
from strongroom.workspace.session.cell import Cell, CellFile, Grant, check_grant
from strongroom.workspace.session.client import SessionAnswer, origin_of
from strongroom.workspace.session.faults import not_confirmed, reauth_required
from strongroom.workspace.session.notices import Notices
from strongroom.workspace.session.session import signed_out
from strongroom.workspace.session.shared_request import SharedRequest
from strongroom.workspace.session.states import SessionEvent, SessionState, step

__all__ = ["RemoteSession", "SessionServer"]

REFRESH_BEFORE_MS: Final = 60_000
"""A token that ends while it travels is refused; a minute covers clocks that differ."""
BEARER: Final = "bearer."


class SessionServer(Protocol):
    """What a session asks of its server. ``SessionClient`` is the one."""

    base_url: str
    refreshes: bool

    def fetch(self, access_token: str) -> SessionAnswer:
        """Who a token belongs to. Raises ``Forbidden`` or ``Unavailable``."""

    def refresh(self, grant: Grant, *, now_ms: int) -> Grant:
        """A new grant. Raises ``Forbidden`` or ``Unavailable``."""

    def close(self) -> None:
        """Close its connections."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class RemoteSession:
    """One session. ``confirm`` asks the server; ``checking.Checks`` calls it again and again."""

    def __init__(self, server: SessionServer, cell_file: CellFile, *, now_ms: Callable[[], int] = _now_ms) -> None:
        """Read the cell and ask nobody. Raises ``Misconfigured`` when others can read it."""
        self._server = server
        self._file = cell_file
        self._now_ms = now_ms
        self._lock = threading.RLock()
        self._notices: Notices[SessionState] = Notices()
        self._reconnects: Notices[None] = Notices()
        self._refreshing: SharedRequest[Grant] = SharedRequest()
        self._sign_in_number = 0
        self._confirmed = False
        self._state = SessionState.SIGNED_OUT
        self._cell = cell_file.load()
        if self._cell is not None:
            self._state = step(self._state, SessionEvent.CACHED)

    @property
    def source(self) -> str:
        """The address of the server."""
        return self._server.base_url

    @property
    def state(self) -> SessionState:
        """Signed out, signed in, or signed in with a grant that the server refuses."""
        return self._state

    @property
    def owner_id(self) -> str:
        """The owner, or the empty text."""
        cell = self._cell
        return cell.owner_id if cell is not None else ""

    @property
    def confirmed(self) -> bool:
        """Whether the server has named this owner since this object was made."""
        return self._confirmed

    def keyring(self, owner_id: str = "") -> Keyring:
        """The keyring of now. Raises ``Unavailable`` when signed out, or when somebody else is signed in."""
        cell = self._cell
        if cell is None or (owner_id and cell.owner_id != owner_id):
            raise signed_out()
        return cell.keyring

    def subscribe(self, callback: Callable[[SessionState], None]) -> Callable[[], None]:
        """Call back with each state, also with the same one when keys changed. Returns what ends it."""
        return self._notices.subscribe(callback)

    def on_reconnect_signal(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when a bearer can be shown that could not before. Returns what ends it."""
        return self._reconnects.subscribe(lambda _: callback())

    def reconnect(self) -> None:
        """Let connections that wait try again at once."""
        self._reconnects.announce(None)
        self._reconnects.settle(wait=False)

    def sign_in(self, grant: Grant) -> str:
        """Ask the server whose ``grant`` it is, keep it with the keyring, and return the owner.

        What was there before stays when the server refuses or is away. Raises ``InvalidInput``, ``Forbidden``,
        ``Unavailable`` (also when somebody signed out meanwhile) and ``StorageFault``.
        """
        check_grant(grant)
        number = self._sign_in_number
        answer = self._server.fetch(grant.access_token)
        self._take(answer, grant, number)
        return answer.owner_id

    def confirm(self) -> None:
        """Ask the server who is signed in, and take what it says. The owner is confirmed when this returns.

        Raises ``Unavailable`` when signed out and when the server gives no answer (nothing changes then), ``Forbidden``
        when it refuses the grant: that is asked for again only after somebody signed in.
        """
        number, grant = self._current()
        try:
            answer = self._server.fetch(grant.access_token)
        except Forbidden as refused:
            if refused.details.get("status") != 401 or not self._can_refresh(grant):
                self._refused(number)
                raise
            # A clock that differs: the token ended before its time.
            grant = self._refreshed(number, grant)
            try:
                answer = self._server.fetch(grant.access_token)
            except Forbidden:
                self._refused(number)
                raise
        self._take(answer, None, number)

    def subprotocols(self, url: str) -> Sequence[str]:
        """The bearer for the session's own server, nothing for others.

        Raises ``Unavailable`` while there is none to be shown, ``Forbidden`` when a refresh is refused.
        """
        if origin_of(url) != origin_of(self._server.base_url):
            return ()
        if not self._confirmed:
            raise not_confirmed(self._server.base_url)
        number, grant = self._current()
        if not self._is_current(number):
            raise signed_out()
        return (BEARER + grant.access_token,)

    def sign_out(self) -> None:
        """Forget grant and keys, here and on disk. Everybody who watches was told when this returns.

        Raises ``StorageFault`` when the cell is still on disk; nobody is signed in all the same.
        """
        try:
            with self._lock:
                self._sign_in_number += 1
                self._forget(SessionEvent.SIGN_OUT)
                # Last, and under the lock: nothing that is under way may write it again.
                self._file.wipe()
        finally:
            self._notices.settle()

    def close(self) -> None:
        """Let nothing that is under way change anything any more. The cell stays."""
        with self._lock:
            self._sign_in_number += 1
        self._server.close()

    def _current(self) -> tuple[int, Grant]:
        """A grant that may be shown, refreshed where it is about to end, and the sign-in that it belongs to."""
        with self._lock:
            number, cell = self._sign_in_number, self._cell
            if cell is None:
                raise signed_out()
            if self._state is SessionState.REAUTH_REQUIRED:
                raise reauth_required(self._server.base_url)
        grant = cell.grant
        ends_ms = grant.access_token_expires_at_ms
        if ends_ms and ends_ms - REFRESH_BEFORE_MS <= self._now_ms() and self._can_refresh(grant):
            grant = self._refreshed(number, grant)
        return number, grant

    def _can_refresh(self, grant: Grant) -> bool:
        return self._server.refreshes and bool(grant.refresh_token)

    def _refreshed(self, number: int, old: Grant) -> Grant:
        """A new grant in place of ``old``. Callers that come meanwhile get the same one (rule 6)."""
        try:
            return self._refreshing.run(lambda: self._refresh(number, old))
        except TimeoutError:
            raise not_confirmed(self._server.base_url) from None

    def _refresh(self, number: int, old: Grant) -> Grant:
        with self._lock:
            if self._cell is not None and self._cell.grant != old:
                return self._cell.grant  # the request of another caller has just ended
        try:
            grant = self._server.refresh(old, now_ms=self._now_ms())
        except Forbidden:
            self._refused(number)
            raise
        with self._lock:
            if not self._is_current(number) or self._cell is None:
                raise signed_out()
            cell = dataclasses.replace(self._cell, grant=grant)
            self._file.store(cell)
            self._cell = cell
        return grant

    def _take(self, answer: SessionAnswer, grant: Grant | None, number: int) -> None:
        """Keep what the server said. ``grant`` is that of a sign-in; without it the one of now stays."""
        is_sign_in = grant is not None
        try:
            with self._lock:
                if not self._is_current(number):
                    raise signed_out()
                had_bearer = self._confirmed and self._state is SessionState.SIGNED_IN
                self._keep(answer, grant)
        finally:
            # Whoever signs in waits until workspaces are open; a check in the background does not wait for anybody.
            self._notices.settle(wait=is_sign_in)
        if is_sign_in or not had_bearer:
            self.reconnect()

    def _keep(self, answer: SessionAnswer, grant: Grant | None) -> None:
        """Called with the lock held; whoever calls settles."""
        old = self._cell
        kept = grant if grant is not None else old.grant if old is not None else None
        if kept is None:
            raise signed_out()
        if old is not None and old.owner_id != answer.owner_id:
            self._sign_in_number += 1
            self._forget(SessionEvent.OTHER_OWNER)
            self._file.wipe()
            old = None
        elif grant is not None:
            self._sign_in_number += 1
        cell = Cell(grant=kept, user_id=answer.user_id, owner_id=answer.owner_id, keyring=answer.keyring)
        same_keys = old is not None and old.keyring.same_keys(cell.keyring)
        if old is not None and same_keys:
            cell = dataclasses.replace(cell, keyring=old.keyring)
        if cell != old:
            self._file.store(cell)
        was = self._state
        self._cell, self._confirmed = cell, True
        self._state = step(was, SessionEvent.CONFIRMED)
        if not same_keys or was is not self._state:
            self._notices.announce(self._state)

    def _refused(self, number: int) -> None:
        with self._lock:
            if not self._is_current(number) or self._cell is None:
                return
            was, self._state = self._state, step(self._state, SessionEvent.REFUSED)
            if was is not self._state:
                self._notices.announce(self._state)
        self._notices.settle(wait=False)

    def _forget(self, event: SessionEvent) -> None:
        """Nobody is signed in. Called with the lock held; whoever calls settles."""
        self._cell, self._confirmed = None, False
        was, self._state = self._state, step(self._state, event)
        if was is not self._state:
            self._notices.announce(self._state)

    def _is_current(self, number: int) -> bool:
        return number == self._sign_in_number
