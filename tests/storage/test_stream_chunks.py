"""Chunks are appended once, by index and by writer, read in order and in bounded pages, and go with their run."""

import pytest

from strongroom.errors import Conflict, Tampered
from strongroom.storage import stream_chunks
from strongroom.storage.stream_chunks import PAGE_BYTES_MAX, ChunkRow, StreamRow, Tail


def row(index=0, **changes):
    values = {
        "run_id": "wrun_1",
        "name": "out",
        "index": index,
        "written_by": f"x:{index}",
        "final": 0,
        "created_at": 1_700_000_000_000 + index,
        "sealed": b"srn1" + bytes(60),
    }
    return ChunkRow(**(values | changes))


def put(database, *chunks):
    def job(connection):
        for chunk in chunks:
            stream_chunks.append(connection, chunk)

    database.write(job).result()


def test_chunks_come_back_as_they_were_written_and_in_order(database):
    written = [row(n, sealed=bytes([n]) * 40, final=int(n == 4)) for n in range(5)]
    put(database, *written)
    assert database.read(lambda c: stream_chunks.chunks(c, "wrun_1", "out", start=0, limit=10)) == written
    assert database.read(lambda c: stream_chunks.chunks(c, "wrun_1", "out", start=3, limit=1)) == [written[3]]
    assert database.read(lambda c: stream_chunks.last(c, "wrun_1", "out")) == written[4]
    assert database.read(lambda c: stream_chunks.tail(c, "wrun_1", "out")) == Tail(4, 1, 40)
    assert database.read(lambda c: stream_chunks.tail(c, "wrun_1", "other")) is None
    assert database.read(lambda c: stream_chunks.before(c, written[3])) == written[2]
    assert database.read(lambda c: stream_chunks.before(c, written[0])) is None
    assert database.read(lambda c: stream_chunks.written(c, "wrun_1", "out", "x:2")) == written[2]


def test_an_index_and_a_writers_reference_are_taken_once_in_a_stream(database):
    put(database, row(0))
    for taken in (row(0, written_by="x:other"), row(1, written_by="x:0")):
        with pytest.raises(Conflict) as caught:
            put(database, taken)
        assert caught.value.code == "SR-STORE-027"
    put(database, row(0, name="other"), row(0, run_id="wrun_2"))


def test_a_page_of_large_chunks_is_bounded_and_holds_one_at_least(database):
    large = PAGE_BYTES_MAX // 2 + 1
    put(database, *(row(n, sealed=bytes(large)) for n in range(3)))
    assert len(database.read(lambda c: stream_chunks.chunks(c, "wrun_1", "out", start=0, limit=10))) == 1


def test_streams_are_listed_by_name_with_their_sizes(database):
    put(database, row(0), row(1), row(0, name="b", sealed=bytes(50)), row(0, name="A"), row(0, run_id="wrun_2"))
    listed = database.read(lambda c: stream_chunks.streams(c, "wrun_1", limit=10))
    assert listed == [StreamRow("A", 1, 64, 0), StreamRow("b", 1, 50, 0), StreamRow("out", 2, 128, 1)]
    assert database.read(lambda c: stream_chunks.streams(c, "wrun_1", after="A", limit=1)) == listed[1:2]
    assert database.read(lambda c: stream_chunks.streams(c, "wrun_1", only="out", limit=1)) == listed[2:]


def test_the_chunks_of_one_run_go_and_those_of_others_stay(database):
    put(database, row(0), row(0, name="b"), row(0, run_id="wrun_2"))
    assert database.write(lambda c: stream_chunks.delete(c, "wrun_1")).result() == 2
    assert database.read(lambda c: stream_chunks.streams(c, "wrun_1", limit=10)) == []
    assert database.read(lambda c: stream_chunks.last(c, "wrun_2", "out")) == row(0, run_id="wrun_2")


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(
    ("column", "value"), [('"index"', "'x'"), ("sealed", "'text'"), ("created_at", "'x'"), ("created_at", str(2**62))]
)
def test_what_sqlite_keeps_although_it_is_of_another_type_is_not_believed(database, column, value):
    put(database, row(0))
    database.write(lambda c: c.exec_driver_sql(f"UPDATE stream_chunks SET {column} = {value}")).result()
    with pytest.raises(Tampered, match="stream out of run wrun_1"):
        database.read(lambda c: stream_chunks.last(c, "wrun_1", "out"))
    if column == '"index"':
        with pytest.raises(Tampered, match="stream out of run wrun_1"):
            database.read(lambda c: stream_chunks.tail(c, "wrun_1", "out"))
    assert database.read(lambda c: stream_chunks.streams(c, "wrun_1", limit=10))[0].name == "out"
