"""Updates in parts and in order: whatever is cut, however it was written, gives the document that it was."""

import random

import pytest

from strongroom.errors import LimitExceeded
from strongroom.workspace.document import Document
from strongroom.workspace.sync.careful import WAITING_MAX, apply_carefully
from strongroom.workspace.sync.cut import cut_update
from strongroom.workspace.sync.order import in_order, slice_of
from strongroom.workspace.sync.reach import lacking, reach, still_lacking
from strongroom.workspace.yjs import frames
from strongroom.workspace.yjs.structs import AnyValues, Struct, Update
from strongroom.workspace.yjs.update_v1 import decode_v1, encode_v1
from tests.fakes.hostile_updates import claims_of_one_place
from tests.fakes.relay_rig import RelayRig, append, new_documents, until, values


def edited_together(seed, edits=300, size=40):
    """A document that three devices wrote at random, with what they deleted."""
    chance = random.Random(seed)  # noqa: S311 - the same documents each time
    devices = new_documents(3)
    for number in range(edits):
        device = chance.choice(devices)
        with device.transaction():
            array = device.array("kv")
            if len(array) > 5 and chance.random() < 0.2:
                del array[chance.randrange(len(array))]
            else:
                value = chance.choice(
                    [f"{number} " + "ü" * size, number, b"\x01" * size, {"key": str(number), "ts": 1}]
                )
                array.insert(chance.randint(0, len(array)), value)
        if chance.random() < 0.3:
            other = chance.choice(devices)
            other.apply(device.update_since(other.state_vector()))
    for device in devices[1:]:
        devices[0].apply(device.update_since(devices[0].state_vector()))
    return devices[0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bytes_max", [400, 2_000])
def test_parts_are_small_and_together_are_the_document_in_any_order(seed, bytes_max):
    document = edited_together(seed)
    whole = document.update_since()
    parts = cut_update(whole, bytes_max)
    assert len(parts) > 3
    assert max(len(part) for part in parts) <= bytes_max
    in_turn, shuffled = new_documents(2)
    for part in parts:
        in_turn.apply_untrusted(part)
        assert not lacking(reach(part), in_turn.state_vector()), "none waits for a later one"
    random.Random(seed).shuffle(parts)  # noqa: S311 - as above
    for part in parts:
        shuffled.apply_untrusted(part)
    assert still_lacking(shuffled, parts) == []
    for copy in (in_turn, shuffled):
        assert values(copy) == values(document)


def test_an_update_that_fits_is_left_as_it_is():
    update = edited_together(1).update_since()
    assert cut_update(update, len(update)) == [update]


def test_one_item_of_many_values_is_cut_within():
    (document,) = new_documents(1)
    append(document, *({"key": str(number), "val": "x" * 100} for number in range(500)))
    parts = cut_update(document.update_since(), 5_000)
    assert len(decode_v1(document.update_since()).structs[0][2]) == 1, "one item"
    (copy,) = new_documents(1)
    for part in parts:
        copy.apply_untrusted(part)
    assert values(copy) == values(document)


def test_one_value_that_no_message_carries_is_refused_by_name():
    (document,) = new_documents(1)
    append(document, "small", "x" * 10_000)
    with pytest.raises(LimitExceeded) as refused:
        cut_update(document.update_since(), 5_000)
    assert refused.value.code == "SR-SYNC-032"


def test_what_is_deleted_is_cut_as_well():
    (document,) = new_documents(1)
    append(document, *range(3_000))
    with document.transaction():
        for index in range(1_400, 0, -1):
            del document.array("kv")[2 * index]
    parts = cut_update(document.update_since(), 1_000)
    (copy,) = new_documents(1)
    for part in reversed(parts):
        copy.apply_untrusted(part)
    assert values(copy) == values(document)


@pytest.mark.parametrize("seed", range(6))
def test_every_prefix_in_order_stands_by_itself(seed):
    document = edited_together(seed)
    placed = list(in_order(decode_v1(document.update_since()), {}))
    assert not any(each.waits for each in placed)
    for size in (1, 7, len(placed)):
        (copy,) = new_documents(1)
        for start in range(0, len(placed), size):
            part = encode_v1(slice_of(placed[start : start + size]))
            copy.apply_untrusted(part)
            assert not lacking(reach(part), copy.state_vector())


@pytest.mark.parametrize("seed", range(6))
def test_applied_with_care_a_document_is_the_same(seed):
    document = edited_together(seed)
    (copy,) = new_documents(1)
    told = []
    copy.on_update(lambda update, origin: told.append(origin))
    apply_carefully(copy, document.update_since(), origin="peer")
    assert values(copy) == values(document)
    assert told == ["peer"], "one change, as if it had been applied at once"


def test_what_waits_for_another_update_is_kept_until_that_comes():
    document, copy = new_documents(2)
    append(document, "first")
    before = document.state_vector()
    for number in range(50):
        append(document, b"%d" % number)
    later = document.update_since(before)
    apply_carefully(copy, later)
    assert values(copy) == []
    apply_carefully(copy, document.update_since())
    assert values(copy) == values(document)


@pytest.mark.parametrize("seed", range(3))
def test_a_relay_that_gets_parts_in_any_order_has_the_document_in_the_end_and_after_a_restart(seed, tmp_path):
    document = edited_together(seed)
    parts = cut_update(document.update_since(), 400)
    random.Random(seed).shuffle(parts)  # noqa: S311 - as above
    with RelayRig(tmp_path) as rig:
        with rig.raw() as peer:
            for part in parts[:-5]:
                peer.send(frames.y_update(part))
            peer.send(frames.y_step1(b"\x00"))
            while not isinstance(frames.decode_y(peer.recv(20)), frames.Step2):
                pass
        rig.restart()
        with rig.raw() as peer:
            for part in parts[-5:]:
                peer.send(frames.y_update(part))
            (copy,) = new_documents(1)
            rig.client(copy)
            until(lambda: values(copy) == values(document))


def test_more_than_a_little_that_waits_is_refused():
    structs = [Struct(8, 1, None, None, "kv", None, AnyValues(1, b"~"))] * (WAITING_MAX + 1)
    update = encode_v1(Update(structs=[(7, 1_000, structs)]))
    with pytest.raises(LimitExceeded) as refused:
        apply_carefully(Document("notes"), update)
    assert refused.value.code == "SR-SYNC-024"


def test_an_update_that_takes_longer_than_its_size_explains_is_refused_and_may_not_go_on():
    moments = iter(range(0, 10**9, 3))
    (document,) = new_documents(1)
    with pytest.raises(LimitExceeded) as refused:
        apply_carefully(document, claims_of_one_place(1, 2_000), now_s=lambda: next(moments))
    assert refused.value.code == "SR-SYNC-023"
    assert len(values(document)) < 10, "what was in stays; no more went in"


def test_items_that_claim_one_place_go_in_by_slices_that_stay_short():
    (document,) = new_documents(1)
    apply_carefully(document, claims_of_one_place(1, 3_000))
    sizes = []
    apply = document.apply
    document.apply = lambda update, **more: (sizes.append(len(update)), apply(update, **more))
    apply_carefully(document, claims_of_one_place(3_000, 6_000))
    assert sizes[0] < 20, "one struct first"
    assert len(sizes) > 10
    assert len(values(document)) == 5_999
