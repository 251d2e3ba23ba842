"""What the relay keeps: on disk before anybody hears of it, compacted when nothing waits, damage found."""

import sqlite3
import stat

import pytest

from strongroom.errors import StorageFault
from strongroom.storage.update_log import UpdateLog
from strongroom.workspace.document import Document
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.sync.reach import reach
from strongroom.workspace.sync.room_store import COMPACT_BYTES, RoomStore, room_file
from strongroom.workspace.sync.room_url import RoomAddress
from strongroom.workspace.yjs import frames
from tests.fakes.relay_rig import RelayRig, append, closed_with, connected, new_documents, until, values

ADDRESS = RoomAddress("alice", "notes")


@pytest.fixture
def path(tmp_path):
    return room_file(tmp_path / "relay", ADDRESS)


def changes(*texts):
    """A document, and the update of each change to it."""
    document = Document("notes")
    found = []
    document.on_update(lambda update, origin: found.append(update))
    for text in texts:
        append(document, text)
    return document, found


def stored(path, updates, document):
    store = RoomStore(path, 10)
    store.load(document)
    store.append([(each, reach(each)) for each in updates], document)
    return store


def rows(path):
    log = UpdateLog(path)
    try:
        return [row.data for row in log.rows()]
    finally:
        log.close()


def test_what_was_appended_is_there_again(path):
    document, updates = changes("a", "b")
    stored(path, updates, document).close()
    again, store = Document("notes"), RoomStore(path, 10)
    assert store.load(again) == []
    assert values(again) == ["a", "b"]
    assert store.stored_bytes == sum(len(each) for each in updates)
    store.close()


def test_files_are_for_their_owner_alone_and_their_names_say_nothing(path):
    document, updates = changes("a")
    stored(path, updates, document).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "alice" not in str(path.name)
    others = [RoomAddress("alice", "notes2"), RoomAddress("bob", "notes"), RoomAddress("alic", "enotes")]
    assert len({room_file(path.parent, each) for each in (ADDRESS, *others)}) == 4


def test_compacting_makes_one_row_of_many_and_of_one_nothing_new(path):
    document, updates = changes("a", "b", "c")
    store = stored(path, updates, document)
    store.compact(document)
    store.compact(document)
    store.close()
    (row,) = rows(path)
    (copy,) = new_documents(1)
    copy.apply(row)
    assert values(copy) == ["a", "b", "c"]


def test_it_is_worth_compacting_after_as_much_again(path):
    document, updates = changes("x" * COMPACT_BYTES, "y" * 100)
    store = stored(path, updates, document)
    assert store.grown
    store.compact(document)
    assert not store.grown
    store.close()


def test_what_waits_for_another_update_is_never_compacted_away(path):
    _, updates = changes("first", "second", "third")
    partial = Document("notes")
    for each in (updates[0], updates[2]):
        partial.apply(each)
    store = stored(path, [updates[0], updates[2]], partial)
    assert store.waits
    store.compact(partial)
    store.close()
    assert len(rows(path)) == 2
    again, store = Document("notes"), RoomStore(path, 10)
    assert store.load(again) == [updates[2]], "it knows after a restart what waits"
    again.apply(updates[1])
    store.append([(updates[1], reach(updates[1]))], again)
    again.apply(updates[2])
    store.append([(updates[2], reach(updates[2]))], again)
    assert not store.waits
    store.compact(again)
    store.close()
    assert len(rows(path)) == 1


def test_a_row_that_is_no_update_is_damage(path):
    document, updates = changes("a")
    stored(path, updates, document).close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE log_rows SET data = x'01ff'")
    database.close()
    with pytest.raises(StorageFault) as refused:
        RoomStore(path, 10).load(Document("notes"))
    assert refused.value.code == "SR-SYNC-021"


def test_a_damaged_room_closes_its_own_connections_and_no_other(tmp_path, path):
    with RelayRig(tmp_path) as rig:
        with rig.raw() as peer:
            peer.send(frames.y_update(changes("a")[1][0]))
            until(path.exists)
        until(lambda: rig.relay.status().rooms == 0)
        content = path.read_bytes()
        path.write_bytes(b"\x00" * len(content))
        with rig.raw() as peer:
            assert closed_with(peer)[0] == CloseCode.TRY_LATER
        (document,) = new_documents(1, "other")
        connected(rig.client(document))
        path.write_bytes(content)
        with rig.raw() as peer:
            assert isinstance(frames.decode_y(peer.recv(10)), frames.Step1), "it is tried again for whoever comes"


def test_an_update_is_on_disk_when_others_hear_of_it(tmp_path, path):
    with RelayRig(tmp_path) as rig, rig.raw() as one, rig.raw() as two:
        for number in range(20):
            one.send(frames.y_update(changes(f"change {number}")[1][0]))
            while not isinstance(frames.decode_y(two.recv(10)), frames.Update):
                pass
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                found = [bytes(data) for (data,) in database.execute("SELECT data FROM log_rows")]
            database.close()
            assert any(f"change {number}".encode() in data for data in found)


def test_a_known_update_is_stored_once(tmp_path, path):
    with RelayRig(tmp_path) as rig:
        update = changes("once")[1][0]
        for _ in range(3):
            with rig.raw() as peer:
                peer.send(frames.y_update(update))
                peer.send(frames.y_step1(b"\x00"))
                while not isinstance(frames.decode_y(peer.recv(10)), frames.Step2):
                    pass
        rig.relay.stop()
    assert len(rows(path)) == 1
