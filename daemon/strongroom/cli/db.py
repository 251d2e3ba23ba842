"""``strongroom db``: look at the database of a host, and bring its schema to this release's."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom.cli.caller import Caller, facts
from strongroom.cli.exits import Exit
from strongroom.cli.keys_host import KeyFile, host_settings, local_root, local_source
from strongroom.cli.verbs import DryRun, group, verb

if TYPE_CHECKING:
    from strongroom.engine.database_check import DatabaseCheck
    from strongroom.engine.pre_migration import PreMigration
    from strongroom.keyring.root import RootKeyring
    from strongroom.settings.model import Settings

__all__ = ["app", "offline_audit_file"]

app = group("Look at the database of a host, and bring its schema to this release's.")


@verb(app, "check", example="strongroom db check --state-dir /var/lib/strongroom --key-file keyring")
def check(caller: Caller, key_file: KeyFile = None) -> int:
    """See whether the database is sound, what is in it, and whether the keyring opens a sample of each kind.

    It reads only, beside a host that runs or without one. It ends with 65 when something is wrong with the data, and
    with 78 when the keyring is another one's.
    """
    from strongroom.engine.database_check import check_database

    settings = host_settings(caller)
    root = local_root(caller, key_file) if key_file is not None or local_source(caller, None) else None
    found = check_database(settings.database, root)
    caller.emit("db-checked", _document(found, root), _text(found))
    for problem in [*found.damage, *found.problems]:
        caller.warn(problem)
    if root is None:
        caller.note("no keyring was found, so nothing was opened: name it with --key-file")
    if not found.is_current:
        caller.note("its schema is not this release's: strongroom db migrate --dry-run")
    return Exit.OK if found.is_well else Exit.DATA


@verb(app, "migrate", example="strongroom db migrate --dry-run --state-dir /var/lib/strongroom")
def migrate(caller: Caller, key_file: KeyFile = None, dry_run: DryRun = False) -> int:
    """Bring the database of a host that does not run to this release's schema, as a start of it would.

    A backup is made first, in the state directory, and the three newest are kept. With --dry-run it says what would be
    done, and writes nothing; it ends with 1 where there is no room for the backup.
    """
    from strongroom.engine.pre_migration import PreMigration
    from strongroom.storage.facts import facts_at
    from strongroom.storage.schema_version import SCHEMA_VERSION, steps_from

    settings, made = host_settings(caller), list[Path]()
    before = PreMigration(settings, local_root(caller, key_file), offline_audit_file(settings), made.append)
    found = facts_at(settings.database)
    steps = steps_from(found.schema)
    needs_backup = bool(steps and found.keys)
    if steps and not dry_run:
        _migrate(settings, before)
    document = {
        "from": found.schema,
        "to": SCHEMA_VERSION,
        "steps": [{"revision": step.revision, "what": step.what} for step in steps],
        "changed": bool(steps) and not dry_run,
        **_backup(before, made, needs_backup=needs_backup, found=found.schema),
    }
    lines = [f"{step.revision}  {step.what}" for step in steps]
    caller.emit("db-migrated", document, "\n".join(lines))
    if not steps:
        caller.note(f"nothing to do: the schema version is {found.schema}")
    elif not dry_run:
        caller.note(f"the schema version is {SCHEMA_VERSION}" + (f"; backup: {made[0]}" if made else ""))
    elif needs_backup:
        caller.note(f"first a backup: {document['backup']}")
        if not document["has_room"]:
            caller.warn(
                f"there is no room: it takes {document['bytes_needed']} bytes, {document['bytes_free']} are free"
            )
            return Exit.RUN_FAILED
    return Exit.OK


def offline_audit_file(settings: "Settings") -> Path:
    """Where the audit log lies of a host that does not run, as far as this command can know."""
    logs = os.environ.get("LOGS_DIRECTORY", "").split(":", 1)[0]
    return (settings.audit.file or Path(logs or settings.state_dir) / "audit.jsonl").absolute()


def _migrate(settings: "Settings", before: "PreMigration") -> None:
    from strongroom.backup.place import work_in
    from strongroom.storage.database import Database
    from strongroom.storage.host_lock import lock_database
    from strongroom.storage.state_lock import StateLock

    work_in(settings.state_dir)
    lock = StateLock(settings.state_dir)
    try:
        host_lock = lock_database(settings.database)
        try:
            Database.open(settings.database, before_migration=before).close()
        finally:
            host_lock.release()
    finally:
        lock.release()


def _backup(before: "PreMigration", made: list[Path], *, needs_backup: bool, found: str) -> dict[str, Any]:
    if made:
        return {"backup": str(made[0])}
    if not needs_backup:
        return {"backup": ""}
    room = before.room()
    return {
        "backup": str(before.path_for(found)),
        "bytes_needed": room.needed,
        "bytes_free": room.free,
        "has_room": room.is_enough,
    }


def _document(found: "DatabaseCheck", root: "RootKeyring | None") -> dict[str, Any]:
    return {
        "sound": found.is_well,
        "database": found.backend,
        "schema_version": found.facts.schema,
        "schema_is_current": found.is_current,
        "deployment_id": found.facts.deployment_id,
        "keys": [
            {"version": key.version, "key_id": key.key_id, "retired": key.retired_at > 0} for key in found.facts.keys
        ],
        "rows": dict(found.facts.rows),
        "unfinished_runs": found.facts.unfinished,
        "keyring_checked": root is not None and found.is_current,
        "blobs": {kind: {str(k): n for k, n in counts.items()} for kind, counts in found.found.items()},
        "opened": {kind: {str(k): n for k, n in counts.items()} for kind, counts in found.opened.items()},
        "damage": list(found.damage),
        "problems": list(found.problems),
    }


def _text(found: "DatabaseCheck") -> str:
    opened = sum(sum(each.values()) for each in found.opened.values())
    keys = [key.key_id + (" (retired)" if key.retired_at else "") for key in found.facts.keys]
    return facts(
        [
            ("database", f"{found.backend}, {'sound' if found.is_well else 'NOT SOUND'}"),
            ("schema", found.facts.schema or "none yet"),
            ("deployment", found.facts.deployment_id),
            ("keys", ", ".join(keys)),
            ("rows", ", ".join(f"{name} {count}" for name, count in found.facts.rows.items() if count)),
            ("unfinished", found.facts.unfinished),
            ("opened", f"{opened} values" if opened else "nothing"),
        ]
    )
