"""A database as an older release left it, with live rows, and what is done before it is migrated."""

from pathlib import Path

from strongroom.engine.pre_migration import PreMigration
from strongroom.settings.model import Settings
from strongroom.storage.copying import copy_rows
from strongroom.storage.engines import file_engine
from strongroom.storage.schema_version import create_at
from tests.fakes.backup_rig import BackupRig
from tests.fakes.key_rig import roots

RUNS = 12


def old_database(directory: Path, revision, *, runs=RUNS):
    """A SQLite file of that revision with runs in it, and the ids of these."""
    rig = BackupRig(directory / "of-now", 1)
    ids = [rig.plain(number).run_id for number in range(runs)] + [rig.begun(runs).header.run_id]
    rig.stop()
    path = directory / f"{revision}.db"
    source, target = file_engine(directory / "of-now" / "strongroom.db"), file_engine(path)
    with source.connect() as rows, target.begin() as connection:
        create_at(connection, revision)
        copy_rows(rows, connection)
    source.dispose()
    target.dispose()
    return path, sorted(ids)


def pre_migration(state_dir: Path, place, made=lambda _path: None, *versions):
    """What a host calls before it migrates its database at ``place``."""
    settings = Settings(state_dir=state_dir, database_url=place if isinstance(place, str) else "")
    return PreMigration(settings, roots(*versions or (1,)), state_dir / "audit.jsonl", made)
