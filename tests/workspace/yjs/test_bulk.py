"""Many values as one item: the same document as single inserts, for pycrdt and for Yjs, and replicas converge."""

import random

import pycrdt
import pytest

from strongroom.errors import InvalidInput
from strongroom.workspace.yjs.bulk import element_id, insert_any_update, insert_many
from strongroom.workspace.yjs.limits import CLIENT_MAX, CLOCK_MAX
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.untrusted import check_untrusted
from strongroom.workspace.yjs.update_v1 import decode_v1
from tests.fakes.node import NodeProcess


def replica(client):
    document = pycrdt.Doc(client_id=client)
    return document, document.get("array", type=pycrdt.Array)


def clock(document):
    return decode_state_vector(document.get_state()).get(document.client_id, 0)


def put(document, array, index, values):
    with document.transaction():
        insert_many(
            array,
            index,
            values,
            client=document.client_id,
            clock=clock(document),
            apply=document.apply_update,
        )


def send(one, other):
    other.apply_update(one.get_update(other.get_state()))


def entries(count, start=0):
    return [
        {"key": f"k{n}", "val": b"\x01\x01" + bytes([n % 256]), "ts": 1767227000000 + n} for n in range(start, count)
    ]


def test_one_item_is_byte_for_byte_what_yjs_writes_for_single_pushes():
    values = [{"key": f"k{n}", "val": "v", "ts": 1767227000000 + n} for n in range(50)]
    with NodeProcess("documents.cjs") as yjs:
        pushed = yjs.ask("pushed", client=7, array="array", values=values)
    assert insert_any_update(7, 0, "array", None, None, values).hex() == pushed["update"]


def test_members_keep_their_order_and_numbers_the_rules_of_lib0():
    update = insert_any_update(1, 0, "kv", None, None, [{"key": "k", "val": b"\x01", "ts": 5}, {"ts": 2.5, "key": ""}])
    content = decode_v1(update).structs[0][2][0].content
    assert [list(value) for value in content.values()] == [["key", "val", "ts"], ["ts", "key"]]
    assert content.encoded.hex().count("7d05") == 1


@pytest.mark.parametrize("place", [0, 3, 10], ids=["start", "middle", "end"])
def test_the_document_is_that_of_single_inserts(place):
    one, many = replica(7), replica(7)
    for document, array in (one, many):
        array.extend(entries(10))
        del array[2:5]
        array.extend(entries(13, 10))
        put(document, array, place, entries(300)) if document is many[0] else None
    for offset, value in enumerate(entries(300)):
        one[1].insert(place + offset, value)
    assert many[1].to_py() == one[1].to_py()
    assert clock(many[0]) == clock(one[0]) == 313
    check_untrusted(many[0].get_update())
    with NodeProcess("documents.cjs") as yjs:
        shown = [yjs.ask("show", update=document.get_update().hex()) for document in (one[0], many[0])]
    assert shown[0]["array"] == shown[1]["array"]
    assert [entry["key"] for entry in shown[1]["array"]] == [entry["key"] for entry in many[1].to_py()]


def test_writing_goes_on_after_an_item_of_many_values():
    document, array = replica(7)
    put(document, array, 0, entries(100))
    array.append({"key": "later", "val": None, "ts": 1.0})
    del array[50:60]
    put(document, array, 20, entries(5))
    other, copy = replica(8)
    other.apply_update(document.get_update())
    assert copy.to_py() == array.to_py()
    assert len(array) == 96
    assert clock(document) == 106


def test_elements_are_found_by_their_place():
    document, array = replica(7)
    put(document, array, 0, entries(5))
    del array[1]
    assert element_id(array, 0) == (7, 0)
    assert element_id(array, 1) == (7, 3), "the first two clocks are the ends"
    assert element_id(array, 3) == (7, 1)
    for place in (-1, 4):
        with pytest.raises(IndexError):
            element_id(array, place)


def exchange(seed):
    """Three replicas that insert, delete and meet at random, and what each of them holds at the end."""
    die = random.Random(seed)  # noqa: S311 - repeatable, and no secret
    replicas = [replica(client) for client in (1, 2, 3)]
    for step in range(16):
        document, array = die.choice(replicas)
        what = die.random()
        if what < 0.3 and len(array):
            first = die.randrange(len(array))
            del array[first : min(len(array), first + die.randrange(1, 4))]
        elif what < 0.65:
            place = die.randrange(len(array) + 1)
            put(document, array, place, [f"{document.client_id}.{step}.{n}" for n in range(die.randrange(3, 6))])
        else:
            send(document, die.choice(replicas)[0])
    for one, _ in replicas * 2:
        for other, _ in replicas:
            if one is not other:
                send(one, other)
    return [array.to_py() for _, array in replicas], [document.get_update().hex() for document, _ in replicas]


def test_replicas_converge_whatever_was_deleted_around_the_place():
    for seed in range(200):
        held, _ = exchange(seed)
        assert held[0] == held[1] == held[2], seed


def test_yjs_holds_what_the_replicas_hold():
    with NodeProcess("documents.cjs") as yjs:
        for seed in range(20):
            held, updates = exchange(seed)
            for array, update in zip(held, updates, strict=True):
                assert yjs.ask("show", update=update)["array"] == array, seed


def test_neighbours_that_skip_a_deleted_element_would_make_replicas_differ():
    """Why ``insert_many`` has the library place both ends: the same exchange diverges with the visible neighbours."""

    def exchanged(insert):
        (one, first), (two, second), (three, third) = (replica(client) for client in (1, 2, 3))
        first.append("a")
        send(one, two)
        second.append("b")
        first.append("c")
        del first[0]
        send(one, three)
        insert(three, third)
        send(two, three)
        send(three, two)
        return second.to_py(), third.to_py()

    visible = insert_any_update(3, 0, "array", None, (1, 1), ["d", "e", "f"])
    apart = exchanged(lambda document, _: document.apply_update(visible))
    assert apart[0] != apart[1]
    together = exchanged(lambda document, array: put(document, array, 0, ["d", "e", "f"]))
    assert together[0] == together[1]


@pytest.mark.parametrize(
    ("client", "start", "values", "code"),
    [
        (1, 0, [], "SR-WS-040"),
        (CLIENT_MAX + 1, 0, ["a"], "SR-WS-035"),
        (-1, 0, ["a"], "SR-WS-035"),
        (1, CLOCK_MAX, ["a"], "SR-WS-035"),
        (1, -1, ["a"], "SR-WS-035"),
        (1, 0, [object()], "SR-WS-042"),
    ],
    ids=["no values", "client too high", "client below 0", "clock too high", "clock below 0", "a value that is none"],
)
def test_what_cannot_be_written_is_refused(client, start, values, code):
    with pytest.raises(InvalidInput) as refused:
        insert_any_update(client, start, "kv", None, None, values)
    assert refused.value.code == code


def test_a_refused_value_leaves_the_document_as_it_was():
    document, array = replica(7)
    with pytest.raises(InvalidInput), document.transaction():
        insert_many(array, 0, ["a", {1}, "c"], client=7, clock=0, apply=document.apply_update)
    assert len(array) == 0
