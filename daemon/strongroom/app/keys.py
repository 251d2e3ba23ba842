"""The root keyring of this host, from where it stands to beside the database that it opens."""

from collections.abc import MutableMapping, Sequence
from typing import Final

from strongroom.engine.key_desk import KeyDesk
from strongroom.engine.key_life import KeyLife
from strongroom.engine.key_source import KeySource
from strongroom.engine.rotation import Rotation
from strongroom.engine.rotation_mounts import MountedThing, OpenWorkspaces, known_thing
from strongroom.engine.rotation_tables import tables
from strongroom.engine.rotation_things import SealedThing
from strongroom.errors import Misconfigured
from strongroom.keyring.files import create_dev_keyring, load_keyring
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import RootKeyring
from strongroom.keyring.sources import SecretSource
from strongroom.settings.model import Settings
from strongroom.storage.database import Database
from strongroom.telemetry import logs

__all__ = ["checked_against", "key_desk", "root_keyring"]

SQLITE_NAME: Final = "strongroom.db"
log = logs.get("app")


def root_keyring(
    settings: Settings, *, mode: str, environ: MutableMapping[str, str]
) -> tuple[RootKeyring, SecretSource]:
    """The keyring of this host and where it came from; ``environ`` loses the secrets.

    Only ``dev`` makes a missing one, in ``keyring_file``, and only beside a state that holds nothing yet. Raises
    ``Misconfigured``, and what a key provider raises.
    """
    strict, path, state_dir = mode == "serve", settings.keyring_file, settings.state_dir
    found = KeySource(settings).find(environ, strict=strict)
    if found is not None:
        if strict and found[0].kind == "environment":
            log.warning("the keyring comes from the environment; a systemd credential or a file is the better place")
        return found[1], found[0]
    if mode == "dev":
        if (state_dir / SQLITE_NAME).exists():
            raise Misconfigured(
                "SR-APP-004",
                f"{state_dir} holds data, but its keyring {path} is gone",
                why="a new keyring could not read the old data",
                fix="put the keyring back, or choose another --state-dir",
                where="keyring_file",
            )
        create_dev_keyring(path)
    return load_keyring(path, strict=strict), SecretSource("file", str(path))


def checked_against(root: RootKeyring, database: Database, source: SecretSource, *, mode: str) -> KeyLife:
    """The life of ``root`` beside ``database``, opened.

    Raises ``KeyMissing``, naming expected and offered key ids, when the database was written under other roots, and
    ``Tampered`` or ``StorageFault`` when what it says about them is not to be believed.
    """
    life = KeyLife(root, database, offered=lambda: source.read(strict=mode == "serve"))
    life.open()
    return life


def key_desk(
    life: KeyLife, database: Database, record_keys: RecordKeys, workspaces: OpenWorkspaces | None = None
) -> KeyDesk:
    """What people ask of the keys of a host, over its tables and what it knows of ``workspaces``."""
    own = tables(database, record_keys, life.run_keys())

    def things() -> Sequence[SealedThing]:
        if workspaces is None:
            return own
        mounted = [MountedThing(mount) for mount in workspaces.opened()]
        return [*own, *mounted, *(known_thing(copy) for copy in workspaces.copies())]

    return KeyDesk(life, Rotation(things, lambda: life.writing_version, database), things, workspaces)
