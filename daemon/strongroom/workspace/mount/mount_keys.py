"""``MountKeys``: the keys of one mount, for as long as its owner is signed in.

Rule 1: whoever asks gets the session's keys of now, or an error: a late sign-out is an error at the next write.
Rule 2: while the mount is being closed the last keys serve once more, so that what waits for the disk gets there.
Rule 3: after that there are none.
Rule 4: a version is written down before anything can be sealed under it, so that it is not retired unseen.
"""

import threading
from collections.abc import Callable

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import Unavailable
from strongroom.keyring.workspace_keys import WorkspaceKeys, derive_workspace_keys
from strongroom.workspace.session.session import signed_out

__all__ = ["MountKeys"]


class MountKeys:
    """Keys of the workspace ``workspace_id``. Safe for any thread."""

    def __init__(
        self, keyring: Callable[[], Keyring], workspace_id: str, device_id: str, *, may_write: Callable[[int], None]
    ) -> None:
        """``keyring()`` raises ``Unavailable`` once the owner is signed out; ``may_write`` writes a version down."""
        self._keyring = keyring
        self._workspace_id = workspace_id
        self._device_id = device_id
        self._may_write = may_write
        self._lock = threading.Lock()
        self._derived: tuple[Keyring, WorkspaceKeys] | None = None
        self._closing = False
        self._last = 0

    def __call__(self) -> WorkspaceKeys:
        """The keys of now, derived once for each keyring. Raises ``Unavailable`` with the text of the contract."""
        try:
            keyring = self._keyring()
        except Unavailable:
            with self._lock:
                if self._closing and self._derived is not None:
                    return self._derived[1]
            raise
        with self._lock:
            if self._derived is None or (self._derived[0] is not keyring and self._derived[0] != keyring):
                derived = derive_workspace_keys(keyring, self._workspace_id)
                if self._derived is None or self._derived[1].writing_version != derived.writing_version:
                    self._may_write(derived.writing_version)
                self._derived, self._last = (keyring, derived), derived.writing_version
            return self._derived[1]

    @property
    def last_writing_version(self) -> int:
        """The version of the last keys that were given, also when there are none any more."""
        return self._last

    def begin_to_close(self) -> None:
        """Let the last keys serve until ``drop``, also when the owner is signed out."""
        with self._lock:
            self._closing = True

    def drop(self) -> None:
        """Forget them, and give none any more."""
        with self._lock:
            self._derived = None
            self._closing = False
        self._keyring = self._none

    def _none(self) -> Keyring:
        raise signed_out(self._device_id)
