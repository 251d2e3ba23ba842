"""What was promoted is believed only as this host wrote it, beside the very rows that it wrote it beside."""

import dataclasses

import pytest

from strongroom.errors import KeyMissing, StorageFault, Tampered
from strongroom.keyring.check import verify
from strongroom.keyring.key_state import KeyState, check_not_older, read_state, state_text
from tests.fakes.key_rig import roots

ROOT = roots(1, 2).changed(promoted=1)
ROWS = verify(ROOT, [], now_ms=7)
STATE = KeyState(serial=3, promoted=1)
TEXT = state_text(ROOT, STATE, ROWS, "dpl")


def test_what_was_written_is_read_back():
    assert read_state(ROOT, TEXT, ROWS, "dpl") == STATE
    never = KeyState(serial=1, promoted=None)
    assert read_state(ROOT, state_text(ROOT, never, ROWS, "dpl"), ROWS, "dpl") == never
    assert TEXT.startswith("1 3 1 1 ")


def test_a_database_from_before_has_nothing_promoted():
    assert read_state(ROOT, None, ROWS, "dpl") == KeyState(serial=0, promoted=None)


def test_the_state_cannot_be_taken_away_from_beside_a_retired_version():
    with pytest.raises(Tampered, match="key_state failed authentication"):
        read_state(ROOT, None, [dataclasses.replace(ROWS[0], retired_at=9), ROWS[1]], "dpl")


@pytest.mark.parametrize("cut", range(len(TEXT)))
def test_no_cut_of_the_text_is_believed(cut):
    with pytest.raises(Tampered):
        read_state(ROOT, TEXT[:cut], ROWS, "dpl")


def test_no_flipped_bit_of_the_text_is_believed():
    accepted = []
    for place in range(len(TEXT)):
        for bit in range(7):
            changed = TEXT[:place] + chr(ord(TEXT[place]) ^ 1 << bit) + TEXT[place + 1 :]
            try:
                state = read_state(ROOT, changed, ROWS, "dpl")
            except (Tampered, KeyMissing):
                continue
            if state != STATE:
                accepted.append(changed)
    # Upper and lower hex digits are the same MAC, and say the same.
    assert accepted == []


@pytest.mark.parametrize(
    "text",
    ["", "1", "2 3 1 1 " + "0" * 64, TEXT + " ", TEXT + " 1", "1 x 1 1 00", "1 3 1 1 zz", "1 3 1 1 " + "0" * 10_000],
    ids=["empty", "short", "other format", "space", "field more", "no number", "no hex", "far too long"],
)
def test_a_text_of_another_shape_is_not_believed(text):
    with pytest.raises(Tampered):
        read_state(ROOT, text, ROWS, "dpl")


@pytest.mark.parametrize(
    "changes",
    [{"retired_at": 8}, {"created_at": 8}, {"key_id": "k2-00000000"}, {"check_value": bytes(32)}],
    ids=lambda changes: next(iter(changes)),
)
def test_every_column_of_every_row_is_covered(changes):
    for number in range(2):
        rows = list(ROWS)
        rows[number] = dataclasses.replace(rows[number], **changes)
        with pytest.raises(Tampered):
            read_state(ROOT, TEXT, rows, "dpl")


def test_a_row_of_another_type_is_tampering_and_no_crash():
    with pytest.raises(Tampered):
        read_state(ROOT, TEXT, [dataclasses.replace(ROWS[0], check_value="text"), ROWS[1]], "dpl")


def test_a_row_more_or_less_is_not_believed():
    more = [*ROWS, dataclasses.replace(ROWS[0], version=9)]
    for rows in (ROWS[:1], ROWS[1:], more, []):
        with pytest.raises(Tampered):
            read_state(ROOT, TEXT, rows, "dpl")


def test_the_state_of_another_database_of_the_same_keyring_is_not_believed():
    with pytest.raises(Tampered):
        read_state(ROOT, TEXT, ROWS, "another deployment")


def test_a_state_under_a_key_that_is_not_held_names_the_version():
    with pytest.raises(KeyMissing, match="root key version 1 is missing"):
        read_state(roots(2), TEXT, ROWS, "dpl")


def test_a_promotion_older_than_authentic_records_is_refused():
    check_not_older(STATE, [1, 1])
    check_not_older(STATE, [])
    check_not_older(KeyState(serial=1, promoted=None), [200])
    with pytest.raises(
        StorageFault, match="key version 1 is to write, and the database holds records of version 2"
    ) as caught:
        check_not_older(STATE, [1, 2])
    assert caught.value.code == "SR-KEY-022"
