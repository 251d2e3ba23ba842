"""The providers of keyrings that ship with the host, but for the one that needs a TPM.

Each has a name, ``load()`` and ``describe()``, as the hook ``key_providers()`` wants them.
"""

import os
from pathlib import Path

from strongroom.keyring.files import read_keyring_text
from strongroom.keyring.sources import VARIABLE, SecretSource

__all__ = ["CredentialProvider", "EnvironmentProvider", "FileProvider"]


class FileProvider:
    """The provider ``file``: the file of the setting ``keyring_file``."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> bytes | None:
        """What it holds, or nothing where there is none. Raises ``Misconfigured``."""
        return read_keyring_text(self._path).encode() if os.path.lexists(self._path) else None

    def describe(self) -> str:
        """Its path."""
        return str(self._path)


class CredentialProvider(FileProvider):
    """The provider ``systemd-credential``: ``$CREDENTIALS_DIRECTORY/keyring``."""

    name = "systemd-credential"


class EnvironmentProvider:
    """The provider ``environment``. The variable was taken out of the environment by whoever made this."""

    name = "environment"

    def __init__(self, text: str) -> None:
        self._text: str | None = text

    def load(self) -> bytes | None:
        """Its value, once; nothing where it was not set. Raises ``WrongState`` the second time."""
        if self._text is None:
            raise SecretSource("environment", VARIABLE).gone()
        text, self._text = self._text, None
        return text.encode() or None

    def describe(self) -> str:
        """The name of the variable."""
        return VARIABLE
