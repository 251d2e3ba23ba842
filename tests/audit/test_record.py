"""A record has a bounded size, whatever it is made of, and shows what was left out."""

import pytest

from strongroom.audit.log_chain import line_of, parse_line
from strongroom.audit.record import FACTS_MAX, RECORD_BYTES_MAX, Record, decode, encode


@pytest.mark.parametrize("character", ["a", "\n", "é", "\U0001f600", "\ud800", '"'])
def test_texts_that_are_too_long_are_cut_where_everybody_sees_it(character):
    long = character * 100_000
    record = Record(
        action=long,
        subject=long,
        host=long,
        caller=long,
        owner=long,
        outcome=long,
        reason=long,
        facts={f"{long}{number}": long for number in range(100)},
    )
    raw = encode(record)
    assert len(raw) <= RECORD_BYTES_MAX
    assert b"(100000 characters)" in raw
    found = decode(raw)
    assert found.facts["facts_left_out"] == 100 - FACTS_MAX or len(found.facts) <= FACTS_MAX + 1


def test_a_record_is_read_back_as_it_was():
    record = Record(
        action="keys.promote", subject="2", number=7, time_ms=1_700_000_000_123, host="h", facts={"a": 1, "b": "x"}
    )
    assert decode(encode(record)) == record


def test_a_number_that_not_every_reader_keeps_becomes_text():
    assert decode(encode(Record(action="a", subject="s", facts={"n": 2**80}))).facts == {"n": str(2**80)}


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b'{"number":"x"}', b"\xff", b"[" * 10_000, b'{"time":5,"facts":{},"number":1}']
)
def test_what_is_no_record_is_none(raw):
    assert decode(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"record":{},"key_version":1,"link":"' + b"0" * 64 + b'"}',
        b'{"record":{"number":1},"key_version":1,"link":"0"}',
        b'{"record":{"number":1},"key_version":1234,"link":"' + b"0" * 64 + b'"}',
        b'{"record":{"number":1},"key_version":1,"link":"' + b"0" * 64 + b'"} ',
    ],
)
def test_what_is_no_line_is_none(raw):
    assert parse_line(raw) is None


def test_a_fact_that_is_called_number_does_not_pass_itself_off_as_the_number():
    raw = encode(Record(action="a", subject="s", number=5, facts={"number": 4}))
    assert parse_line(line_of(raw, 1, bytes(32))[:-1]).number == 5
