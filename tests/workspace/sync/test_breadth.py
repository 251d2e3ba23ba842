"""A room stays one that a device can join, whatever is written into it in however many updates."""

import pycrdt
import pytest

from strongroom.errors import LimitExceeded
from strongroom.workspace.document import Document
from strongroom.workspace.sync.breadth import Breadth
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.yjs import frames
from strongroom.workspace.yjs.limits import FRAME_LIMITS
from strongroom.workspace.yjs.untrusted import Touched
from tests.fakes.relay_rig import RelayRig, append, closed_with, connected, in_step, new_documents


def named(first, count):
    """An update that names arrays."""
    document = pycrdt.Doc()
    with document.transaction():
        for number in range(first, first + count):
            document.get(f"a{number}", type=pycrdt.Array).append(1.0)
    return document.get_update()


def touched(*, names=(), clients=()):
    return Touched(frozenset(names), frozenset(clients), 1, 0, 0)


@pytest.mark.parametrize(
    ("what", "limit"), [("names", FRAME_LIMITS.names_max), ("clients", FRAME_LIMITS.clients_max)], ids=str
)
def test_as_many_as_one_update_may_have_and_what_is_there_is_always_fine(what, limit):
    breadth = Breadth(Document("notes"))
    known = [str(number) if what == "names" else number for number in range(limit + 1)]
    breadth.admit(touched(**{what: known[: limit - 1]}))
    breadth.admit(touched(**{what: known[limit - 1 : limit]}))
    with pytest.raises(LimitExceeded) as refused:
        breadth.admit(touched(**{what: known[limit:]}))
    assert (refused.value.code, refused.value.details["limit"]) == ("SR-SYNC-025", limit)
    breadth.admit(touched(**{what: known[:5]}))


def test_a_flood_of_names_in_several_updates_is_refused_and_others_still_join(tmp_path):
    ours, theirs = new_documents(2)
    append(ours, "ours")
    with RelayRig(tmp_path) as rig:
        connected(rig.client(ours))
        with rig.raw() as peer:
            for part in range(3):
                peer.send(frames.y_update(named(2_000 * part, 2_000)))
            assert closed_with(peer)[0] == CloseCode.REFUSED
        connected(rig.client(theirs, "new"))
        in_step(ours, theirs)
        assert len(theirs.array_names()) == 4_001, "what was taken before"


def test_a_room_that_is_opened_again_counts_on(tmp_path):
    with RelayRig(tmp_path) as rig:
        with rig.raw() as peer:
            peer.send(frames.y_update(named(0, 4_000)))
            peer.send(frames.y_step1(b"\x00"))
            while not isinstance(frames.decode_y(peer.recv(20)), frames.Step2):
                pass
        rig.restart()
        with rig.raw() as peer:
            peer.send(frames.y_update(named(4_000, 200)))
            assert closed_with(peer)[0] == CloseCode.REFUSED
