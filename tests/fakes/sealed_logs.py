"""Sealed logs for tests: keys that are known, documents with entries, and the bytes of the files."""

import sqlite3
from contextlib import contextmanager

from strongroom.crypto.keys import Key
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.document import Document
from strongroom.workspace.persistence.sealed_log import SealedLog

OWNER = "alice"
GUID = "notes"


def keys_of(*versions, writing=None, salt=b""):
    """Keys whose bytes follow from their version, and from ``salt`` for those of somebody else."""
    raw = {version: Key(bytes([version]) * (32 - len(salt)) + salt) for version in versions}
    return WorkspaceKeys(raw, writing or max(versions))


@contextmanager
def opened(path, keys=None, *, owner=OWNER, guid=GUID, attach=True):
    """A loaded log with its document and its report: ``log.report``. ``keys`` may be a function."""
    document = Document(guid)
    given = keys or keys_of(1)
    log = SealedLog(path, document, given if callable(given) else lambda: given, owner)
    try:
        log.report = log.load()
        if attach:
            log.attach()
        yield log
    finally:
        log.close()
        document.close()


def put(log, *values, array="kv"):
    """One transaction for each value."""
    for value in values:
        with log.document.transaction():
            log.document.array(array).append({"key": str(value), "val": value, "ts": 1})


def values(log):
    """All values, array by array."""
    names = log.document.array_names()
    return [entry["val"] for name in names for entry in log.document.array(name).to_py()]


def filled(path, *rows, keys=None, owner=OWNER, guid=GUID):
    """Write one row for each value, each behind the one before, and end without compacting."""
    with opened(path, keys, owner=owner, guid=guid) as log:
        for value in rows:
            put(log, value)
            log.flush()
        log._rows.growth.rows = log._rows.growth.bytes = 0


def apart(path, *rows, keys=None):
    """Write one row for each value that stands for itself: by another author, in an array of its own."""
    for value in rows:
        with opened(path, keys) as log:
            put(log, value, array=value)
            log.flush()
            log._rows.growth.rows = log._rows.growth.bytes = 0


def rows_in(path):
    """Every row as it lies in the file: id to (purpose, key version, data)."""
    with sqlite3.connect(path) as database:
        found = database.execute("select id, purpose, key_version, data from log_rows order by id").fetchall()
    database.close()
    return {number: tuple(others) for number, *others in found}


def change(path, statement, *bound):
    """Somebody who can write the file does so."""
    with sqlite3.connect(path) as database:
        database.execute(statement, bound)
    database.close()


def bytes_beside(path):
    """All that is in the directory of the log."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))
