"""What holds for all inputs, tried on many."""

import dataclasses

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strongroom.crypto import srn1
from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.keys import Key
from strongroom.crypto.record import open_record, seal_record
from strongroom.crypto.srn1 import Place
from strongroom.errors import Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets

KEY = Key.from_secret(b"for properties")
KEYS = RecordKeys(parse_secrets("1:secret"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PARTS = st.lists(st.binary(max_size=8), max_size=5)
PLACES = st.builds(
    Place,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    st.integers(0, 2**64 - 1),
    st.booleans(),
    st.sampled_from([b"", bytes(16), b"t" * 16]),
)
ROWS = st.dictionaries(TEXT, st.one_of(TEXT, st.binary(max_size=8), st.integers(-(2**63), 2**63 - 1)), max_size=4)


@given(PARTS, PARTS)
def test_framing_is_injective(one, other):
    assert (length_prefixed(*one) == length_prefixed(*other)) == (one == other)


@given(PLACES, PLACES, st.binary(max_size=64))
def test_an_envelope_opens_at_its_place_and_at_no_other(place, other, plaintext):
    blob = srn1.seal(KEY, 1, place, plaintext)
    assert srn1.open_sealed(lambda _version: KEY, place, blob) == plaintext
    assume(other != place)
    with pytest.raises(Tampered):
        srn1.open_sealed(lambda _version: KEY, other, blob)


@given(PLACES, st.integers(0, 2**64 - 1), TEXT)
def test_no_single_field_of_a_place_can_change(place, index, name):
    blob = srn1.seal(KEY, 1, place, b"secret")
    for change in ({"index": index}, {"field": name}, {"final": not place.final}):
        other = dataclasses.replace(place, **change)
        if other != place:
            with pytest.raises(Tampered):
                srn1.open_sealed(lambda _version: KEY, other, blob)


@given(PARTS, PARTS)
def test_a_record_opens_at_its_place_and_at_no_other(place, other):
    blob = seal_record(KEY, 1, place, b"secret")
    assert open_record(lambda _version: KEY, place, blob) == b"secret"
    assume(other != place)
    with pytest.raises(Tampered):
        open_record(lambda _version: KEY, other, blob)


@given(st.binary(max_size=80))
def test_arbitrary_bytes_never_open(untrusted):
    for blob in (untrusted, b"srn1" + untrusted, b"srr1" + untrusted):
        with pytest.raises(Tampered):
            srn1.open_sealed(lambda _version: KEY, Place("r", "e", "c", "f", 0, False, b""), blob)
        with pytest.raises(Tampered):
            open_record(lambda _version: KEY, ("r",), blob)


@given(ROWS, ROWS)
def test_two_rows_have_one_mac_only_if_they_mean_the_same(one, other):
    def meaning(row):
        return {name: (type(value), value) for name, value in row.items() if value not in ("", b"")}

    same = KEYS.mac("t", one, key_version=1) == KEYS.mac("t", other, key_version=1)
    assert same == (meaning(one) == meaning(other))
