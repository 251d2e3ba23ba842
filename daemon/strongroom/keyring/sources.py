"""Where a host's root secrets come from: a systemd credential, a file, or the environment.

Rule 1: exactly one source wins, in that order; a second one that holds other keys stops the start and is named.
Rule 2: the environment is taken once, and removed from it, so that no child inherits the secrets.
Rule 3: a file and a credential can be read again; the environment cannot.

The environment is the worst of the three: the kernel keeps what a process was started with, for its user to read.
"""

import os
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from strongroom.errors import Misconfigured, WrongState
from strongroom.keyring.files import read_keyring_text
from strongroom.keyring.root import SECRET_BYTES_MIN, RootKeyring, parse_secrets

__all__ = ["CREDENTIAL", "VARIABLE", "SecretSource", "find_source"]

VARIABLE: Final = "ENCRYPTION_SECRETS"
CREDENTIAL: Final = "keyring"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where the secrets are. ``where`` is a path, or the name of the variable; neither is secret.

    ``kind`` is credential, file, environment, or the name of the provider that ``load``s them.
    """

    kind: str
    where: str
    load: Callable[[], bytes | None] | None = field(default=None, repr=False, compare=False)

    def read(self, *, strict: bool) -> RootKeyring:
        """The keyring as it is there now. Raises ``WrongState`` for the environment, ``Misconfigured``."""
        secret_bytes_min = SECRET_BYTES_MIN if strict else 1
        return parse_secrets(self.text(), where=self.where, secret_bytes_min=secret_bytes_min)

    def text(self) -> str:
        """The secrets themselves, for what copies them on purpose. Raises as ``read`` does."""
        if self.load is not None:
            text = self.loaded()
            if text is None:
                raise Misconfigured(
                    "SR-KEYRING-035",
                    f"the keyring is not at {self.where} any more",
                    fix="put it back; the host goes on with what it has",
                    where=self.where,
                )
            return text
        if self.kind == "environment":
            raise self.gone()
        return read_keyring_text(Path(self.where))

    def loaded(self) -> str | None:
        """What the provider has now, without one line break at its end. Raises as it does, and ``Misconfigured``."""
        raw = None if self.load is None else self.load()
        try:
            return None if raw is None else raw.decode().removesuffix("\n")
        except UnicodeDecodeError:
            raise Misconfigured(
                "SR-KEYRING-036", f"what is at {self.where} is not UTF-8", fix="give a keyring", where=self.where
            ) from None

    def gone(self) -> WrongState:
        """What to raise when the environment is asked once more."""
        return WrongState(
            "SR-KEYRING-024",
            f"the keyring came from {self.where}, which is read once",
            why="the variable is removed when the host has it, so that no child inherits the secrets",
            fix="start the host again with the new value; a file or a credential is the better place",
        )


def find_source(
    keyring_file: Path, environ: MutableMapping[str, str], *, strict: bool
) -> tuple[SecretSource, RootKeyring, str] | None:
    """The source that wins, the keyring in it, and its text; nothing where no source has anything.

    ``environ`` loses its variable, whichever source wins. Raises ``Misconfigured`` for a source that cannot be read and
    for two that differ.
    """
    text = environ.pop(VARIABLE, "")
    found = [(each, each.read(strict=strict), each.text()) for each in _files(keyring_file, environ)]
    if text:
        source = SecretSource("environment", VARIABLE)
        secret_bytes_min = SECRET_BYTES_MIN if strict else 1
        found.append((source, parse_secrets(text, where=VARIABLE, secret_bytes_min=secret_bytes_min), text))
    for other, root, _ in found[1:]:
        if _ids(root) != _ids(found[0][1]):
            raise _two(found[0][0], other, found[0][1], root)
    return found[0] if found else None


def _files(keyring_file: Path, environ: MutableMapping[str, str]) -> list[SecretSource]:
    directory = environ.get("CREDENTIALS_DIRECTORY", "")
    credential = Path(directory) / CREDENTIAL if directory else None
    sources = []
    if credential is not None and os.path.lexists(credential):
        sources.append(SecretSource("credential", str(credential)))
    if keyring_file != credential and os.path.lexists(keyring_file):
        sources.append(SecretSource("file", str(keyring_file)))
    return sources


def _ids(root: RootKeyring) -> list[str]:
    return [root.key_id(version) for version in root.versions]


def _two(one: SecretSource, other: SecretSource, first: RootKeyring, second: RootKeyring) -> Misconfigured:
    return Misconfigured(
        "SR-KEYRING-023",
        f"two places hold different keyrings: the {one.kind} {one.where} and the {other.kind} {other.where}",
        why=f"the first has {', '.join(_ids(first))}, the second {', '.join(_ids(second))}",
        fix="leave one of them; nothing was changed",
        where=other.where,
    )
