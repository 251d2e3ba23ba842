"""The root keyring of this host, checked against the database that it opens."""

from pathlib import Path
from typing import Final

from strongroom.engine.journal import now_ms
from strongroom.errors import Misconfigured
from strongroom.keyring import check
from strongroom.keyring.files import create_dev_keyring, load_keyring
from strongroom.keyring.root import RootKeyring
from strongroom.storage import key_checks
from strongroom.storage.database import Connection, Database

__all__ = ["checked_against", "root_keyring"]

SQLITE_NAME: Final = "strongroom.db"


def root_keyring(path: Path, state_dir: Path, *, mode: str) -> RootKeyring:
    """The keyring at ``path``. Only ``dev`` makes a missing one, and only beside a state that holds nothing yet."""
    if mode == "dev" and not path.exists():
        if (state_dir / SQLITE_NAME).exists():
            raise Misconfigured(
                "SR-APP-004",
                f"{state_dir} holds data, but its keyring {path} is gone",
                why="a new keyring could not read the old data",
                fix="put the keyring back, or choose another --state-dir",
                where="keyring_file",
            )
        create_dev_keyring(path)
    return load_keyring(path, strict=mode == "serve")


def checked_against(root: RootKeyring, database: Database) -> None:
    """Raises ``KeyMissing``, naming expected and offered key ids, when the database was written under other roots."""
    missing = check.verify(root, database.read(key_checks.all), now_ms=now_ms())

    def add(connection: Connection) -> None:
        for row in missing:
            key_checks.add(connection, row)

    if missing:
        database.write(add).result()
