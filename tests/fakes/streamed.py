"""Streams of runs, written and read as tests need them, and a database that somebody else writes to."""

from sqlalchemy import text

from strongroom.engine.stream_chunk import from_outside
from strongroom.storage import stream_chunks


def write(host, run_id, name, *contents, close=False, by="w"):
    """Write chunks, each under a reference of its own, then close the stream when that is wanted."""
    store = host.host.stream_store
    at = [store.write(run_id, name, each, written_by=from_outside(f"{by}{n}")).index for n, each in enumerate(contents)]
    if close:
        store.close(run_id, name, written_by=from_outside(f"{by}end"))
    return at


def read(host, run_id, name, start=0, *, is_followed=False):
    """The contents of a stream from an index on."""
    reader = host.host.stream_reader
    with reader.watch(run_id) as watch:
        return [chunk.opened() for chunk in reader.follow(run_id, name, start, watch, is_followed=is_followed)]


def rows(host, run_id, name):
    """The chunks of a stream as they are stored."""
    return host.database.read(lambda c: stream_chunks.chunks(c, run_id, name, start=0, limit=1000))


def put(host, *chunks):
    """Put rows into the database as somebody does who has no key."""

    def job(connection):
        for chunk in chunks:
            stream_chunks.append(connection, chunk)

    host.database.write(job).result()


def change(host, statement, **values):
    """Run SQL on the table of chunks."""
    host.database.write(lambda c: c.execute(text(statement), values).rowcount).result()
