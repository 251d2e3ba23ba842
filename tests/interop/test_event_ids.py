"""Ids of events name their slots."""

import pytest

from strongroom.errors import InvalidInput
from strongroom.interop.event_ids import SLOT_MAX, event_id_of, slot_of


@pytest.mark.parametrize("slot", [1, 9, 10, 2**32, SLOT_MAX])
def test_a_slot_and_its_id_are_one(slot):
    assert slot_of(event_id_of(slot)) == slot
    assert len(event_id_of(slot)) == 31


def test_ids_are_in_the_order_of_their_slots():
    ids = [event_id_of(slot) for slot in range(1, 1200, 7)]
    assert ids == sorted(ids)


@pytest.mark.parametrize("slot", [0, -1, SLOT_MAX + 1])
def test_a_slot_that_none_can_have_is_refused(slot):
    with pytest.raises(InvalidInput, match="a slot is not in"):
        event_id_of(slot)


@pytest.mark.parametrize("text", ["evnt_" + "0" * 26, "evnt_" + "9" * 26])
def test_an_id_of_a_slot_that_none_can_have_is_refused(text):
    with pytest.raises(InvalidInput, match="a slot is not in"):
        slot_of(text)


@pytest.mark.parametrize("text", ["", "evnt_1", "evnt_01JABCDEFGHJKMNPQRSTVWXYZ0", "evnt_" + "٣" * 26, "x" * 31])
def test_an_id_of_an_older_kind_names_no_slot(text):
    assert slot_of(text) is None
