"""The session as the rest of the host sees it: who is signed in, with which keys, and when that changes.

Source: contracts/workspace-encryption.md 11.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from strongroom.errors import Unavailable
from strongroom.workspace.session.states import SessionState

if TYPE_CHECKING:
    from strongroom.crypto.keyring_entry import Keyring
    from strongroom.workspace.session.cell import Grant

__all__ = ["Session", "signed_out"]


class Session(Protocol):
    """Where a mount's owner and keyring come from. Safe for any thread."""

    @property
    def source(self) -> str:
        """Where keys come from: ``this host``, or the address of the session's server."""

    @property
    def state(self) -> SessionState:
        """Signed out, signed in, or signed in with a grant that has ended."""

    @property
    def owner_id(self) -> str:
        """The owner, or the empty text when nobody is signed in."""

    @property
    def confirmed(self) -> bool:
        """Whether the session's server has confirmed the owner since this host started."""

    def keyring(self, owner_id: str = "") -> "Keyring":
        """The keyring of now. Raises ``Unavailable`` when signed out, and when somebody else than ``owner_id`` is
        signed in by now: whoever names an owner was opened for it, and may not have been closed yet."""

    def subscribe(self, callback: Callable[[SessionState], None]) -> Callable[[], None]:
        """Call back with every new state, also with the same one when the keyring changed. Returns what ends it."""

    def on_reconnect_signal(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when connecting again is worth trying at once. Returns what ends it."""

    def reconnect(self) -> None:
        """Signal that: whoever waits, also after a refusal, tries again at once."""

    def subprotocols(self, url: str) -> Sequence[str]:
        """What a web socket to ``url`` offers besides its own: the bearer, for the session's own server.

        Raises ``Unavailable`` while no bearer may be shown: before the owner is confirmed, and when the grant ended.
        """

    def sign_in(self, grant: "Grant") -> str:
        """Ask the server whose ``grant`` it is, keep it with the keyring, and return the owner.

        Raises ``Forbidden``, ``Unavailable``, ``StorageFault``; ``WrongState`` where the keys are this host's own.
        """

    def sign_out(self) -> None:
        """Forget the grant and the keys. Raises ``WrongState`` where the keys are this host's own."""

    def close(self) -> None:
        """End what runs in the background. Data and cell stay."""


def signed_out(device_id: str = "") -> Unavailable:
    """The error of whatever needs a keyring that is not there any more; a mount's ``device_id`` stands in front."""
    return Unavailable(
        "SR-SESSION-014",
        f"[{device_id}] auth signed-out." if device_id else "auth signed-out.",
        fix="sign in with `strongroom workspace sign-in`; nothing was written, and nothing on disk is lost",
    )
