"""What one peer, owner or workspace may take of a relay, so that the others have the rest."""

import pytest
from websockets.exceptions import InvalidStatus

from strongroom.workspace.document import Document
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.sync.limits import RelayTimes
from strongroom.workspace.sync.room_store import room_file
from strongroom.workspace.sync.room_url import RoomAddress
from strongroom.workspace.yjs import frames
from tests.fakes.relay_rig import RelayRig, append, closed_with, connected, in_step, new_documents, until


def large_update(size):
    document = Document("notes")
    append(document, "x" * size)
    return document.update_since()


@pytest.mark.parametrize(
    ("limits", "taken"),
    [
        ({"connections_max": 2}, "SR-SYNC-015"),
        ({"connections_per_owner_max": 2}, "SR-SYNC-015"),
    ],
    ids=["in all", "of one owner"],
)
def test_connections_above_a_limit_are_refused_in_http(tmp_path, limits, taken):
    with RelayRig(tmp_path, **limits) as rig, rig.raw(), rig.raw("other"):
        until(lambda: rig.relay.status().connections == 2)
        with pytest.raises(InvalidStatus) as refused, rig.raw("third"):
            pass
        assert refused.value.response.status_code == 503
        assert taken.encode() in refused.value.response.body


def test_connections_of_one_room_above_the_limit_are_closed(tmp_path):
    with RelayRig(tmp_path, connections_per_room_max=2) as rig, rig.raw() as one, rig.raw() as two:
        for each in (one, two):
            each.recv(10)
        with rig.raw() as third:
            code, reason = closed_with(third)
        assert (code, reason.split()[0]) == (CloseCode.TRY_LATER, "SR-SYNC-015")


def test_rooms_in_memory_are_bounded_and_idle_ones_make_room(tmp_path):
    times = RelayTimes(idle_s=3_600)
    with RelayRig(tmp_path, times=times, rooms_max=2) as rig:
        with rig.raw("one") as one, rig.raw("two") as two:
            for each in (one, two):
                each.recv(10)
            with rig.raw("three") as three:
                assert closed_with(three)[0] == CloseCode.TRY_LATER
        until(lambda: rig.relay.status().connections == 0)
        with rig.raw("three") as three:
            three.recv(10)
        assert rig.relay.status().rooms == 2


def test_rooms_on_disk_are_bounded_and_reading_an_unknown_room_makes_no_file(tmp_path):
    with RelayRig(tmp_path, rooms_per_owner_max=1) as rig:
        for guid in ("never", "written"):
            with rig.raw(guid) as peer:
                peer.recv(10)
        assert list((tmp_path / "relay").rglob("*")) == []
        with rig.raw("first") as peer:
            peer.send(frames.y_update(large_update(1)))
            until(lambda: room_file(tmp_path / "relay", RoomAddress("alice", "first")).exists())
        with rig.raw("second") as peer:
            peer.send(frames.y_update(large_update(1)))
            code, reason = closed_with(peer)
        assert (code, reason.split()[0]) == (CloseCode.FULL, "SR-SYNC-015")
        assert not room_file(tmp_path / "relay", RoomAddress("alice", "second")).exists()


def test_a_room_takes_no_more_than_its_bytes_and_keeps_what_it_has(tmp_path):
    with RelayRig(tmp_path, room_bytes_max=100_000) as rig:
        (document,) = new_documents(1)
        connected(rig.client(document))
        append(document, "x" * 60_000)
        with rig.raw() as peer:
            peer.send(frames.y_update(large_update(60_000)))
            code, reason = closed_with(peer)
        assert (code, reason.split()[0]) == (CloseCode.FULL, "SR-SYNC-016")
        (other,) = new_documents(1)
        connected(rig.client(other, "b"))
        in_step(document, other)
