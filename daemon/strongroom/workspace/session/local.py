"""``LocalSession``: the keys of workspaces come from this host's own keyring, so somebody is always signed in."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import WrongState
from strongroom.keyring.owner_keyring import derive_keyring
from strongroom.keyring.root import RootKeyring
from strongroom.workspace.session.cell import Grant
from strongroom.workspace.session.notices import Notices
from strongroom.workspace.session.session import signed_out
from strongroom.workspace.session.states import SessionState

__all__ = ["SOURCE", "LocalSession"]

SOURCE: Final = "this host"


class LocalSession:
    """The session of a host without a session's server. ``root`` is that of the host, whose changes are seen."""

    def __init__(self, root: RootKeyring, owner_id: str) -> None:
        """Nothing is derived yet."""
        self._root = root
        self._owner_id = owner_id
        self._lock = threading.Lock()
        self._derived: tuple[object, Keyring] | None = None
        self._notices: Notices[SessionState] = Notices()
        self._reconnects: Notices[None] = Notices()

    @property
    def source(self) -> str:
        """``this host``."""
        return SOURCE

    @property
    def state(self) -> SessionState:
        """Signed in, always."""
        return SessionState.SIGNED_IN

    @property
    def owner_id(self) -> str:
        """That of the settings."""
        return self._owner_id

    @property
    def confirmed(self) -> bool:
        """Nobody else has to be asked."""
        return True

    def keyring(self, owner_id: str = "") -> Keyring:
        """Derived from the root keyring as it is now; once per change of that. Raises ``Unavailable`` for another
        owner than that of the settings."""
        if owner_id and owner_id != self._owner_id:
            raise signed_out()
        with self._lock:
            made_of = (self._root.versions, self._root.writing_version, self._root.retired)
            if self._derived is None or self._derived[0] != made_of:
                self._derived = (made_of, derive_keyring(self._root, self._owner_id))
            return self._derived[1]

    def rotated(self) -> None:
        """Tell those that watch that the root keyring has changed."""
        self._notices.announce(SessionState.SIGNED_IN)
        self._notices.settle()

    def subscribe(self, callback: Callable[[SessionState], None]) -> Callable[[], None]:
        """Call back after ``rotated``. Returns what ends it."""
        return self._notices.subscribe(callback)

    def on_reconnect_signal(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after ``reconnect``. Returns what ends it."""
        return self._reconnects.subscribe(lambda _: callback())

    def reconnect(self) -> None:
        """Let connections that wait try again at once."""
        self._reconnects.announce(None)
        self._reconnects.settle(wait=False)

    def subprotocols(self, url: str) -> Sequence[str]:
        """None: this host has no bearer."""
        del url
        return ()

    def sign_in(self, grant: Grant) -> str:
        """Raises ``WrongState``: there is no server that could say whose grant it is."""
        del grant
        raise _keys_of_this_host()

    def sign_out(self) -> None:
        """Raises ``WrongState``: who has the host has its keys."""
        raise _keys_of_this_host()

    def close(self) -> None:
        """Forget what was derived."""
        with self._lock:
            self._derived = None


def _keys_of_this_host() -> WrongState:
    return WrongState(
        "SR-SESSION-013",
        "nobody signs in to this host's own keys, or out of them",
        why="workspaces.session_url is not set, so keys come from the keyring of this host",
        fix="to take the keys away, unmount the workspaces or stop the host",
    )
