"""Writes to a sealed log, compacts it again and again, and prints each number whose flush returned.

``python -m tests.workspace.persistence.log_child FILE COUNT KILL_AT``: KILL_AT is the statement of SQL, counted over
all of them from the opening of the file on, at which the process ends as by kill -9; 0 is never. The shipped code
knows nothing of it. With COUNT 0 it writes until somebody ends it, and compacts after every third number, otherwise
after each. What it writes is sealed with key 2, beside rows of key 1.
"""

import os
import signal
import sqlite3
import sys
from pathlib import Path

from strongroom.errors import StrongroomError
from strongroom.workspace.document import Document
from strongroom.workspace.persistence.sealed_log import SealedLog
from tests.fakes.sealed_logs import GUID, OWNER, keys_of, put

COMPACT_EVERY = 3


def tell(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def kill_in(statements):
    """End the process when the last of so many statements begins, whatever connection it is of."""
    left = [statements]
    connect = sqlite3.connect

    def passed(_statement):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def traced(*arguments, **named):
        database = connect(*arguments, **named)
        database.set_trace_callback(passed)
        return database

    sqlite3.connect = traced


def main(path, count, kill_at):
    if kill_at:
        kill_in(kill_at)
    log = SealedLog(Path(path), Document(GUID), lambda: keys_of(1, 2), OWNER)
    report = log.load()
    tell(f"loaded {len(report.carried)} {report.head_problem}")
    log.attach()
    number = len(log.document.array("kv").to_py())
    done = 0
    while not count or done < count:
        put(log, number)
        try:
            log.flush()
            tell(number)
            if count or number % COMPACT_EVERY == 0:
                log.compact()
        except StrongroomError as error:
            tell(f"error {error.code}")
        number += 1
        done += 1
    try:
        log.close()
    except StrongroomError as error:
        tell(f"error {error.code}")
    tell("closed")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
