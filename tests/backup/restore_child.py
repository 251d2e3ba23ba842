"""Restores a backup again and again, killed before its first, second, … step on the disk; tells what was found then.

    python -m tests.backup.restore_child BACKUP DIRECTORY EVERY [URL]

A step is a sync or a rename. After each kill the place is looked at as a start of the host does, and restored into once
more where nothing is there. One line of JSON for each kill. ``EVERY`` second, third, … step is tried.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from sqlalchemy import text

from strongroom.backup.staging import finish_restore
from strongroom.errors import StorageFault, StrongroomError
from strongroom.storage.database import Database
from strongroom.storage.engines import parse_url, writer_engine
from tests.fakes.backup_rig import restored
from tests.fakes.key_rig import text_of


def kills_at(step):
    """Let this process be killed before its ``step``th step."""
    left = [step]

    def counted(function):
        def call(*arguments, **named):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    os.fsync, os.replace = counted(os.fsync), counted(os.replace)


def killed(backup, state, step, url):
    """Whether a restore was killed before its ``step``th step; ``False`` where it had ended by then."""
    child = os.fork()
    if child == 0:
        kills_at(step)
        restored(backup, state, 1, url=url)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"the restore failed at step {step}")
    return os.WIFSIGNALED(status)


def found(state, url):
    """What a start of the host would find: nothing, a restore that was cut off, or all of it."""
    try:
        finish_restore(state)
    except StorageFault as error:
        return error.code
    is_there = (state / "audit.jsonl").exists() if url else (state / "strongroom.db").exists()
    return "whole" if is_there else "nothing"


def runs_in(state, url):
    """How many runs the database has."""
    database = Database.open_to_read(url or state / "strongroom.db")
    try:
        return database.read(lambda c: c.execute(text("SELECT count(*) FROM runs")).scalar_one())
    finally:
        database.close()


def main(backup, directory, every, url=""):
    """Try every step."""
    step = 1
    while True:
        state = Path(directory) / f"state-{step}"
        state.mkdir(mode=0o700)
        if url:
            emptied(url)
        was_killed = killed(Path(backup), state, step, url)
        what, again = found(state, url), ""
        if what != "whole":
            try:
                restored(Path(backup), state, 1, url=url)
            except StrongroomError as error:
                again = f"{error.code}: {error}"
        line = {"step": step, "killed": was_killed, "found": what, "again": again, "runs": runs_in(state, url)}
        line["left"] = sorted(each.name for each in state.iterdir())
        print(json.dumps(line), flush=True)
        shutil.rmtree(state)
        if not was_killed:
            return
        step += int(every)


def emptied(url):
    """A database as it is made."""
    engine = writer_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()


if __name__ == "__main__":
    assert text_of(1)
    main(*sys.argv[1:])
