"""Updates that come before what they build upon: kept outside of the library, and applied when that is there."""

import random

import pytest

from strongroom.errors import LimitExceeded
from strongroom.workspace.document import Document
from strongroom.workspace.yjs.bulk import insert_any_update
from strongroom.workspace.yjs.held_back import HELD_BYTES_MAX, HELD_UPDATES_MAX, HeldBack, needed_by
from strongroom.workspace.yjs.state_vector import decode_state_vector, encode_state_vector
from strongroom.workspace.yjs.structs import ANY, GC, HAS_LEFT, SKIP, AnyValues, Struct, Update
from strongroom.workspace.yjs.update_v1 import encode_v1
from tests.fakes.node import NodeProcess

ONE = AnyValues(1, b"\x7e")
BEHIND = Struct(ANY | HAS_LEFT, 1, (2, 1), None, None, None, ONE)


def gap(kind, length):
    return Struct(kind, length, None, None, None, None, None)


def behind(client, clock):
    """One value of ``client``, right behind its one before."""
    return insert_any_update(client, clock, "kv", (client, clock - 1) if clock else None, None, [f"{client}.{clock}"])


def vector(**clocks):
    return lambda: encode_state_vector({int(name[1:]): clock for name, clock in clocks.items()})


@pytest.mark.parametrize(
    ("update", "needs"),
    [
        (Update([(1, 0, [gap(GC, 3)])]), {}),
        (Update([(1, 4, [gap(GC, 3)])]), {1: 4}),
        (Update([(1, 0, [BEHIND._replace(left=(2, 6))])]), {2: 7}),
        (
            Update(
                [
                    (1, 0, [BEHIND]),
                    (2, 0, [gap(GC, 2)]),
                ]
            ),
            {},
        ),
        (
            Update([(1, 0, [gap(GC, 2), gap(SKIP, 3), gap(GC, 1)])]),
            {1: 5},
        ),
        (Update(deletes=[(3, [(0, 2), (5, 2)])]), {3: 7}),
        (Update([(3, 0, [gap(GC, 7)])], [(3, [(5, 2)])]), {}),
    ],
    ids=["start", "later", "neighbour", "neighbour within", "gap", "deletes", "deletes within"],
)
def test_an_update_says_how_far_a_document_must_have_come(update, needs):
    assert needed_by(encode_v1(update)) == needs


def test_what_waits_is_applied_once_the_rest_is_there_and_not_before():
    document = Document("notes")
    for clock in (2, 1, 4):
        document.apply_untrusted(behind(7, clock))
    assert document.state_vector() == b"\0"
    document.apply_untrusted(behind(7, 0))
    assert document.array("kv").to_py() == ["7.0", "7.1", "7.2"]
    document.apply_untrusted(behind(7, 3))
    assert document.array("kv").to_py() == [f"7.{clock}" for clock in range(5)]


def test_updates_in_any_order_lead_to_the_document_of_yjs_at_once():
    with NodeProcess("documents.cjs") as yjs:
        for seed in range(300, 310):
            made = yjs.ask("random", seed=seed, steps=60, gc=seed % 2 > 0, values=True)
            updates = [bytes.fromhex(one) for one, _ in made["written"]]
            random.Random(seed).shuffle(updates)  # noqa: S311 - repeatable, and no secret
            document = Document("notes")
            for update in updates:
                document.apply_untrusted(update)
            wanted = decode_state_vector(bytes.fromhex(made["stateVector"]))
            assert decode_state_vector(document.state_vector()) == wanted, seed
            shown = yjs.ask("show", update=document.update_since().hex())
            assert {**shown, "stateVector": ""} == {**made["shown"], "stateVector": "", "pending": False}, seed


def test_the_same_update_waits_once():
    held = HeldBack()
    for _ in range(HELD_UPDATES_MAX + 5):
        assert list(held.in_turn(behind(7, 1), vector())) == []
    assert list(held.in_turn(b"\0\0", vector(c7=1))) == [b"\0\0", behind(7, 1)]
    assert list(held.in_turn(b"\0\0", vector(c7=2))) == [b"\0\0"]


def test_what_waits_has_a_limit_in_number_and_in_bytes():
    held = HeldBack()
    for clock in range(1, HELD_UPDATES_MAX + 1):
        assert list(held.in_turn(behind(7, clock), vector())) == []
    with pytest.raises(LimitExceeded, match="updates wait for updates that are not there") as refused:
        list(held.in_turn(behind(8, 1), vector()))
    assert refused.value.code == "SR-WS-047"
    assert list(held.in_turn(behind(7, 0), vector(c8=9))) == [behind(7, 0)], "what needs nothing still goes in"
    held = HeldBack()
    large = bytes(HELD_BYTES_MAX // 3)
    for clock in (1, 2):
        list(held.in_turn(insert_any_update(7, clock, "kv", None, None, [large]), vector()))
    with pytest.raises(LimitExceeded, match="bytes wait") as refused:
        list(held.in_turn(insert_any_update(7, 3, "kv", None, None, [large]), vector()))
    assert refused.value.details["limit"] == HELD_BYTES_MAX
