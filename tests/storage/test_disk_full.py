"""A database without room says so, of either kind, and tells whoever wants to know."""

import pytest

from strongroom.errors import StorageFault
from strongroom.storage import meta

LARGE = "x" * 1_000_000


def fill(connection, database):
    """Write what does not fit. PostgreSQL says so by its state; its disk is not ours to fill."""
    if database.backend == "postgresql":
        connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$")
    connection.exec_driver_sql("PRAGMA max_page_count = 1")
    meta.set(connection, "large", LARGE)


def test_no_room_has_one_code_and_is_told(database):
    told = []
    database.on_refused = lambda: told.append(1)
    with pytest.raises(StorageFault, match="the disk is full") as caught:
        database.write(lambda connection: fill(connection, database)).result()
    assert caught.value.code == "SR-STORE-005"
    assert told
    database.write(lambda connection: meta.set(connection, "small", "fits")).result()


def test_what_was_deleted_is_room_within_the_file_of_sqlite(database):
    database.write(lambda connection: meta.set(connection, "large", LARGE)).result()
    before = database.spare_bytes()
    database.write(lambda connection: meta.set(connection, "large", "")).result()
    assert database.spare_bytes() - before >= (900_000 if database.backend == "sqlite" else 0)
    assert database.backend == "sqlite" or database.spare_bytes() == 0
