"""A host with the wrong root secret is told so before it touches anything."""

import dataclasses

import pytest

from strongroom.errors import KeyMissing
from strongroom.keyring.check import verify
from strongroom.keyring.root import parse_secrets

OLD, BOTH = parse_secrets("1:old"), parse_secrets("2:new,1:old")


def test_a_new_database_gets_a_row_for_each_version():
    rows = verify(BOTH, [], now_ms=7)
    assert [(row.version, row.key_id, row.created_at) for row in rows] == [
        (1, BOTH.key_id(1), 7),
        (2, BOTH.key_id(2), 7),
    ]
    assert verify(BOTH, rows) == []


def test_an_added_version_is_added():
    assert [row.version for row in verify(BOTH, verify(OLD, []))] == [2]


def test_a_wrong_secret_is_refused_naming_expected_and_offered_key():
    wrong = parse_secrets("1:wrong")
    with pytest.raises(KeyMissing) as caught:
        verify(wrong, verify(OLD, []))
    assert caught.value.details["expected"] == OLD.key_id(1)
    assert caught.value.details["offered"] == wrong.key_id(1)
    assert OLD.key_id(1) in str(caught.value)
    assert wrong.key_id(1) in str(caught.value)


def test_a_version_that_was_dropped_is_refused_too():
    with pytest.raises(KeyMissing, match=f"needs key {BOTH.key_id(1)}") as caught:
        verify(parse_secrets("2:new"), verify(BOTH, []))
    assert caught.value.details["offered"] == BOTH.key_id(2)


def test_the_check_value_decides_and_not_the_key_id():
    (row,) = verify(OLD, [])
    with pytest.raises(KeyMissing):
        verify(OLD, [dataclasses.replace(row, check_value=bytes(32))])
