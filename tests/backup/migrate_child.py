"""Migrates a database, killed before its first, second, … statement behind the backup; tells what was found then.

    python -m tests.backup.migrate_child STATE_DIR TEMPLATE EVERY [URL]

``TEMPLATE`` is a SQLite file of an older revision: before each kill the database is made of it anew. One line of JSON
for each kill. ``EVERY`` second, third, … statement is tried.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from sqlalchemy import Engine, event, text

from strongroom.backup.reading import opened_backup
from strongroom.engine.backup_check import checked_backup
from strongroom.storage.database import Database
from strongroom.storage.facts import facts_at
from strongroom.storage.filling import fill_postgres
from tests.backup.restore_child import emptied
from tests.fakes.key_rig import roots
from tests.fakes.old_database import pre_migration

RUNS = text("SELECT run_id FROM runs ORDER BY run_id")


def kills_at(step):
    """What is to be called once the backup is made: then every statement counts."""
    left = [step]

    def count(*_arguments):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return lambda _path: event.listen(Engine, "before_cursor_execute", count)


def killed(state, place, step):
    """Whether the migration was killed before its ``step``th statement; ``False`` where it had ended by then."""
    child = os.fork()
    if child == 0:
        Database.open(place, before_migration=pre_migration(state, place, kills_at(step))).close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"the migration failed at statement {step}")
    return os.WIFSIGNALED(status)


def backup_holds(state, *, opened):
    """How many runs the one backup that is there has, each byte of which is as it was written. With ``opened`` a sample
    of them is opened too, which takes longer."""
    (path,) = (state / "backups").glob("pre-migration-*.tar")
    if opened:
        parts = state / "parts"
        parts.mkdir()
        with checked_backup(path, roots(1), parts):
            pass
        shutil.rmtree(parts)
    with opened_backup(path, roots(1)) as backup:
        rows = backup.manifest.rows["runs"]
    path.unlink()
    return rows


def main(directory, template, every, url=""):
    """Try every statement."""
    state = Path(directory)
    place = url or state / "strongroom.db"
    step = 1
    while True:
        if url:
            emptied(url)
            fill_postgres(url, Path(template), lambda _done, _total: None)
        else:
            for ending in ("", "-wal", "-shm"):
                place.with_name(place.name + ending).unlink(missing_ok=True)
            shutil.copy(template, place)
        was_killed = killed(state, place, step)
        line = {"step": step, "killed": was_killed, "schema": facts_at(place).schema}
        line["backup"] = backup_holds(state, opened=step == 1)
        Database.open(place).close()
        database = Database.open_to_read(place)
        line["runs"] = database.read(lambda c: [row[0] for row in c.execute(RUNS)])
        database.close()
        print(json.dumps(line), flush=True)
        if not was_killed:
            return
        step += int(every)


if __name__ == "__main__":
    main(*sys.argv[1:])
