"""A sealed copy: its keys open it, in its place, and what is not exactly as it was written is refused by name."""

import json

import pytest

from strongroom.errors import InvalidInput, KeyMissing, Tampered
from strongroom.workspace.persistence.copy import HEADER_BYTES_MAX, MAGIC, open_copy, read_header, seal_copy
from tests.fakes.sealed_logs import keys_of

STATE = b"the whole state of a document, MARKER"
KEYS = keys_of(1, 2)


def copy_of(keys=KEYS, versions=(1, 0), owner="shared", workspace="notes"):
    return seal_copy(keys, owner, workspace, versions, STATE)


def with_header(copy, **changed):
    magic, header, blob = copy.split(b"\n", 2)
    return b"\n".join([magic, json.dumps({**json.loads(header), **changed}).encode(), blob])


def refused(untrusted, *, keys=KEYS, owner="shared", workspace="notes", error=InvalidInput):
    with pytest.raises(error) as caught:
        open_copy(keys, owner, workspace, untrusted)
    return caught.value


def test_a_copy_opens_in_its_place_and_says_which_keys_it_needs_and_nothing_more():
    copy = copy_of()
    assert open_copy(KEYS, "shared", "notes", copy) == STATE
    header, raw, _ = read_header(copy)
    assert header.key_versions == (2, 1), "the sealing version first, plaintext needs none"
    assert set(json.loads(raw)) == {"owner", "workspace", "key_versions", "key"}
    assert b"MARKER" not in copy


def test_a_copy_opens_after_the_key_that_sealed_it_was_superseded():
    assert open_copy(keys_of(1, 2, 3), "shared", "notes", copy_of()) == STATE


@pytest.mark.parametrize("place", [{"owner": "alice"}, {"workspace": "other"}])
def test_a_copy_of_something_else_is_refused_by_both_names(place):
    error = refused(copy_of(), **place)
    assert error.code == "SR-WS-101"
    assert "workspace notes of shared" in str(error)
    assert next(iter(place.values())) in error.why


def test_a_copy_of_a_host_with_other_keys_says_so_instead_of_calling_it_changed():
    error = refused(copy_of(keys=keys_of(1, 2, salt=b"other")), error=KeyMissing)
    assert (error.code, error.details["key_version"]) == ("SR-WS-103", 2)


def test_a_copy_under_a_version_that_is_gone_names_it():
    assert refused(copy_of(), keys=keys_of(1), error=KeyMissing).code == "SR-KEY-012"


@pytest.mark.parametrize(
    "changed", [{"key_versions": [2]}, {"key_versions": [2, 1, 3]}, {"note": "more"}], ids=["fewer", "more", "member"]
)
def test_a_header_that_was_changed_does_not_open(changed):
    refused(with_header(copy_of(), **changed), error=Tampered)


def test_no_bit_of_the_sealed_part_may_be_another_one():
    copy = copy_of()
    start = copy.index(b"\n", len(MAGIC) + 1) + 1
    for place in range(start, len(copy)):
        for bit in range(8):
            changed = bytearray(copy)
            changed[place] ^= 1 << bit
            with pytest.raises((Tampered, InvalidInput, KeyMissing)):
                open_copy(KEYS, "shared", "notes", bytes(changed))


def test_a_copy_that_was_cut_off_anywhere_is_refused():
    copy = copy_of()
    for length in range(len(copy)):
        with pytest.raises((Tampered, InvalidInput)):
            open_copy(KEYS, "shared", "notes", copy[:length])


@pytest.mark.parametrize(
    "untrusted",
    [
        b"",
        b"[[mounts]]\nname = 'notes'\n",
        MAGIC,
        MAGIC + b"\n{}\n",
        MAGIC + b"\nnull\n",
        MAGIC + b"\n\xff\n",
        MAGIC + b"\n" + b"[" * 4000 + b"\n",
        MAGIC + b"\n" + b" " * HEADER_BYTES_MAX + b"{}\n",
        b"strongroom workspace copy 2\n{}\n",
    ],
)
def test_what_is_no_copy_is_refused_as_such(untrusted):
    assert refused(untrusted).code == "SR-WS-100"


@pytest.mark.parametrize(
    "wrong",
    [
        {"owner": 1},
        {"owner": "x" * 257},
        {"workspace": None},
        {"key_versions": []},
        {"key_versions": [0]},
        {"key_versions": [256]},
        {"key_versions": [True]},
        {"key_versions": "12"},
        {"key": 5},
    ],
)
def test_a_header_with_members_of_another_kind_is_refused(wrong):
    assert refused(with_header(copy_of(), **wrong)).code == "SR-WS-100"
