"""What somebody does to the chunks of a stream who has no key: it is refused, and harms no other stream."""

from dataclasses import replace

import pytest

from strongroom.engine.stream_chunk import place_of_chunk
from strongroom.errors import KeyMissing, Tampered, Truncated
from strongroom.keyring.run_keys import SealContext
from tests.fakes.journalled import ended, new_run
from tests.fakes.streamed import change, put, read, rows, write

FIVE = [b"chunk %d" % number for number in range(5)]


@pytest.fixture
def run(host):
    return new_run(host.host.journals)


@pytest.fixture
def run_id(run):
    return run.header.run_id


@pytest.fixture
def reader(host):
    return host.host.stream_reader


def delete_one(host, run_id):
    change(host, 'DELETE FROM stream_chunks WHERE name = :a AND "index" = 2', a="a")


def flip_content(host, run_id):
    forge(
        host,
        run_id,
        2,
        lambda row: replace(row, sealed=row.sealed[:20] + bytes([row.sealed[20] ^ 1]) + row.sealed[21:]),
    )


def flip_tag(host, run_id):
    forge(host, run_id, 2, lambda row: replace(row, sealed=row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])))


def plain(host, run_id):
    forge(host, run_id, 2, lambda row: replace(row, sealed=FIVE[2]))


def long_plain(host, run_id):
    forge(host, run_id, 2, lambda row: replace(row, sealed=b"in the clear" * 10))


def marked(host, run_id):
    forge(host, run_id, 2, lambda row: replace(row, final=1))


def marked_twice(host, run_id):
    forge(host, run_id, 2, lambda row: replace(row, final=2))


def swap(host, run_id):
    two, three = rows(host, run_id, "a")[2:4]
    remove(host, "a", 2, 3)
    put(host, replace(three, index=2), replace(two, index=3))


def repeat(host, run_id):
    one, two = rows(host, run_id, "a")[1:3]
    remove(host, "a", 2)
    put(host, replace(two, sealed=one.sealed))


def from_another_stream(host, run_id):
    write(host, run_id, "donor", *FIVE)
    transplant(host, run_id, rows(host, run_id, "donor")[2])


def from_another_run(host, run_id):
    donor = new_run(host.host.journals, 5).header.run_id
    write(host, donor, "a", *FIVE)
    transplant(host, run_id, rows(host, donor, "a")[2])


def from_the_journal(host, run_id):
    event = host.host.journals.read(host.host.journals.get(run_id))[0].row
    forge(host, run_id, 2, lambda row: replace(row, sealed=event.sealed))


def forge(host, run_id, index, changed):
    row = rows(host, run_id, "a")[index]
    remove(host, "a", index)
    put(host, changed(row))


def remove(host, name, *indexes):
    for index in indexes:
        change(host, 'DELETE FROM stream_chunks WHERE name = :a AND "index" = :n', a=name, n=index)


def transplant(host, run_id, donor):
    forge(host, run_id, 2, lambda row: replace(row, sealed=donor.sealed))


ATTACKS = [
    delete_one,
    flip_content,
    flip_tag,
    plain,
    long_plain,
    marked,
    marked_twice,
    swap,
    repeat,
    from_another_stream,
    from_another_run,
    from_the_journal,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda each: each.__name__)
def test_a_chunk_that_was_touched_ends_its_stream_there_and_harms_no_other(host, run_id, reader, attack):
    write(host, run_id, "a", *FIVE, close=True)
    write(host, run_id, "b", *FIVE, close=True)
    attack(host, run_id)
    came = []
    with reader.watch(run_id) as watch, pytest.raises(Tampered) as caught:
        came += (chunk.opened() for chunk in reader.follow(run_id, "a", 0, watch))
    assert came == FIVE[: len(came)], "nothing but what was written is ever given out"
    assert str(caught.value).startswith(f"stream a of run {run_id} failed authentication")
    with pytest.raises(Tampered):
        reader.page(run_id, "a", 2, 1)
    assert read(host, run_id, "b") == [*FIVE, b""]


def test_an_end_that_was_cut_off_or_made_up_is_not_believed(host, run, run_id, reader):
    write(host, run_id, "cut", *FIVE, close=True)
    write(host, run_id, "made", *FIVE)
    remove(host, "cut", 5)
    change(host, 'UPDATE stream_chunks SET final = 1 WHERE name = :a AND "index" = 4', a="made")
    ended(run)
    with pytest.raises(Truncated):
        read(host, run_id, "cut")
    for start in (0, 4, 5, 9_000):
        with pytest.raises(Tampered):
            read(host, run_id, "made", start)
    with pytest.raises(Tampered):
        reader.info(run_id, "made")
    listed = {each.name: (each.closed, each.tampered) for each in reader.infos(run_id, limit=10)}
    assert listed == {"cut": (False, False), "made": (False, True)}


def test_what_is_removed_from_an_open_stream_or_with_all_of_it_is_not_noticed(host, run_id, reader):
    write(host, run_id, "open", *FIVE)
    write(host, run_id, "gone", *FIVE, close=True)
    remove(host, "open", 3, 4)
    remove(host, "gone", *range(6))
    assert read(host, run_id, "open") == FIVE[:3]
    assert [each.name for each in reader.infos(run_id, limit=10)] == ["open"]


def test_a_stream_with_a_hole_is_listed_as_tampered_beside_the_others(host, run_id, reader):
    write(host, run_id, "a", *FIVE, close=True)
    write(host, run_id, "b", *FIVE, close=True)
    remove(host, "a", 1)
    assert [(each.name, each.tampered) for each in reader.infos(run_id, limit=10)] == [("a", True), ("b", False)]


def test_an_end_that_names_a_key_that_nobody_has_is_not_believed(host, run_id, reader):
    write(host, run_id, "a", *FIVE)
    unknown = b"srn1" + (99).to_bytes(4, "big") + bytes(28)
    put(host, replace(rows(host, run_id, "a")[-1], index=5, final=1, written_by="x:forged", sealed=unknown))
    found, more = reader.page(run_id, "a", 0, 10)
    assert ([chunk.final for chunk in found], more) == ([False] * 6, False)
    assert not reader.info(run_id, "a").closed
    for start in (0, 5, 6):
        with reader.watch(run_id) as watch, pytest.raises(KeyMissing):
            list(reader.follow(run_id, "a", start, watch))
    with pytest.raises(KeyMissing):
        reader.page(run_id, "a", 6, 1)


def test_the_last_chunk_is_marked_in_one_way_only(host, run_id):
    write(host, run_id, "a", *FIVE, close=True)
    change(host, "UPDATE stream_chunks SET final = 2 WHERE final = 1")
    with pytest.raises(Tampered):
        read(host, run_id, "a")


def test_behind_the_last_chunk_is_nothing_even_where_it_was_sealed_with_the_key(host, run, run_id):
    write(host, run_id, "a", b"x", close=True)
    last = rows(host, run_id, "a")[-1]
    more = replace(last, index=2, final=0, written_by="x:more")
    context = SealContext(place_of_chunk(more, last), run.header.key_version)
    put(host, replace(more, sealed=host.host.journals.run_keys.encrypt(b"behind the end", context)))
    with pytest.raises(Tampered):
        read(host, run_id, "a")
