"""What an owner seals to the vault: value and terms in one encoding, and nothing that only looks like it."""

import dataclasses

import cbor2
import pytest

from strongroom.attest import codes
from strongroom.attest.assurance import CLASSES
from strongroom.attest.secret_entry import (
    ENTRY_OVERHEAD_BYTES_MAX,
    PREFIX,
    SecretEntry,
    decode_secret_entry,
    is_secret_entry,
)
from strongroom.errors import EvidenceRejected

OWNER = "ab" * 20
VALUE = b"hunter2hunter2"
ENTRY = SecretEntry(owner=OWNER, namespace="main", key="API_KEY", value=VALUE)
FIELDS = {
    "profile": "strongroom/secret/v1",
    "owner": OWNER,
    "namespace": "main",
    "key": "API_KEY",
    "min_assurance": "hardware",
    "test_only": 0,
    "value": VALUE,
}
BYTES_MAX = 64


def written(**changes):
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not ...}
    return PREFIX + cbor2.dumps(fields, canonical=True)


def read(raw):
    return decode_secret_entry(raw, bytes_max=BYTES_MAX)


def refused(call, *arguments, **named):
    with pytest.raises(EvidenceRejected) as caught:
        call(*arguments, **named)
    shown = f"{caught.value} {caught.value.got} {caught.value.wanted} {caught.value.details}"
    assert "hunter2" not in shown, "a refusal shows no value"
    return caught.value.code, caught.value.check


def test_it_is_written_as_one_map_behind_its_prefix_and_comes_back_as_it_was():
    assert ENTRY.encode(bytes_max=BYTES_MAX) == written()
    assert read(written()) == ENTRY
    for assurance in CLASSES:
        for is_test_only in (False, True):
            entry = dataclasses.replace(ENTRY, min_assurance=assurance, is_test_only=is_test_only)
            assert read(entry.encode(bytes_max=BYTES_MAX)) == entry


def test_it_asks_for_hardware_and_is_for_production_unless_it_says_otherwise():
    assert (ENTRY.min_assurance, ENTRY.is_test_only) == ("hardware", False)


def test_showing_it_does_not_show_its_value():
    assert "hunter2" not in repr(ENTRY)


def test_a_plain_value_is_told_apart():
    assert is_secret_entry(written())
    for plain in (b"", b"hunter2", PREFIX[:-1], PREFIX[1:], written()[len(PREFIX) :]):
        assert not is_secret_entry(plain)
        assert refused(read, plain) == (codes.MALFORMED, "secret prefix")


WRONG = {
    "another profile": ({"profile": "strongroom/secret/v2"}, codes.UNSUPPORTED_VERSION, "profile"),
    "no owner": ({"owner": ...}, codes.MALFORMED, "keys"),
    "an empty owner": ({"owner": ""}, codes.MALFORMED, "owner"),
    "one key more": ({"note": "x"}, codes.MALFORMED, "keys"),
    "a key that is too long": ({"key": "k" * 129}, codes.MALFORMED, "key"),
    "a class that there is not": ({"min_assurance": "any"}, codes.MALFORMED, "min_assurance"),
    "a class in capitals": ({"min_assurance": "Hardware"}, codes.MALFORMED, "min_assurance"),
    "test_only is a truth value": ({"test_only": True}, codes.MALFORMED, "test_only"),
    "test_only is 2": ({"test_only": 2}, codes.MALFORMED, "test_only"),
    "a value that is a text": ({"value": "hunter2"}, codes.MALFORMED, "value"),
    "a value that is too long": ({"value": b"hunter2" * 10}, codes.TOO_LARGE, "value"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_that_may_not_be_so_is_refused(name):
    changes, code, check = WRONG[name]
    assert refused(read, written(**changes)) == (code, f"secret {check}")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"owner": "\ud800"}, codes.MALFORMED),
        ({"min_assurance": "any"}, codes.MALFORMED),
        ({"value": bytes(BYTES_MAX + 1)}, codes.TOO_LARGE),
        ({"key": ""}, codes.MALFORMED),
    ],
    ids=["half a character", "no class", "too long", "no name"],
)
def test_what_would_be_refused_is_not_written(changes, code):
    assert refused(dataclasses.replace(ENTRY, **changes).encode, bytes_max=BYTES_MAX)[0] == code


def test_another_encoding_of_the_same_is_refused():
    bare = written()[len(PREFIX) :]
    for raw in (PREFIX + cbor2.dumps(FIELDS), PREFIX + written(), written() + b"\0", PREFIX + b"\xd9\xd9\xf7" + bare):
        assert refused(read, raw) == (codes.MALFORMED, "secret")


def test_every_cut_is_malformed():
    for length in range(len(written())):
        assert refused(read, written()[:length])[0] == codes.MALFORMED, length


def test_the_largest_that_may_be_written_may_be_read():
    longest = {"owner": "o" * 128, "namespace": "n" * 128, "key": "k" * 128, "min_assurance": "vtpm-untrusted"}
    largest = SecretEntry(**longest, value=bytes(100_000), is_test_only=True)
    encoded = largest.encode(bytes_max=100_000)
    assert decode_secret_entry(encoded, bytes_max=100_000) == largest
    assert len(encoded) <= 100_000 + ENTRY_OVERHEAD_BYTES_MAX


def test_size_is_looked_at_first():
    too_many = PREFIX + bytes(BYTES_MAX + ENTRY_OVERHEAD_BYTES_MAX)
    assert refused(read, too_many) == (codes.TOO_LARGE, "secret size")
