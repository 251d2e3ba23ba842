"""MACs of rows, sealed records and digests."""

import hashlib
import hmac
import itertools

import pytest

from strongroom.errors import KeyMissing, Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import PLUGIN_STORES, RECORD_MAC, parse_secrets

RING = parse_secrets("2:new,1:old")
KEYS = RecordKeys(RING)
ROW = {"workflow_id": "ab", "status": "active", "config": b"\x01", "created_at": 5, "attributes": b""}


def mac(columns, table="t"):
    return KEYS.mac(table, columns, key_version=2)


def test_the_mac_is_what_its_definition_says():
    def frame(*parts):
        return b"".join(len(part).to_bytes(8, "big") + part for part in parts)

    data = frame(b"specs", b"a", b"i", b"0", b"b", b"b", b"\x00", b"c", b"s", "é".encode())
    expected = hmac.digest(RING.subroot(RECORD_MAC, 2)._raw, data, hashlib.sha256)
    assert mac({"c": "é", "a": 0, "b": b"\0", "d": "", "e": b"", "f": None}, "specs") == expected


@pytest.mark.parametrize("empty", ["", b"", None], ids=["text", "bytes", "none"])
def test_an_empty_column_is_as_good_as_none(empty):
    assert mac({"a": "1", "new": empty}) == mac({"a": "1"})


def test_zero_is_a_value():
    assert mac({"a": "1", "n": 0}) != mac({"a": "1"})


CONFUSABLE = {
    "text": {"a": "1"},
    "integer": {"a": 1},
    "bytes": {"a": b"1"},
    "name": {"b": "1"},
    "longer name": {"a1": "1"},
    "empty value beside": {"a": "1", "b": "0"},
    "two columns": {"a": "1", "b": "1"},
    "value moved": {"a": "11"},
    "value in the name": {"as1": "1"},
    "negative": {"a": -1},
    "nothing": {},
}


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(CONFUSABLE, 2)), ids=lambda name: name)
def test_rows_that_differ_in_type_name_or_border_have_different_macs(one, other):
    assert mac(CONFUSABLE[one]) != mac(CONFUSABLE[other])


def test_the_table_is_part_of_the_mac():
    assert mac({"a": "1"}, "runs") != mac({"a": "1"}, "specs")
    assert mac({"a": "1"}, "t") != mac({}, "ta")


def test_the_order_of_columns_is_not():
    assert mac(dict(reversed(ROW.items()))) == mac(ROW)


def test_a_bool_is_refused():
    with pytest.raises(TypeError, match="bool"):
        mac({"insecure": True})


@pytest.mark.parametrize("column", [name for name in ROW if name != "attributes"])
def test_a_changed_column_is_tampered_and_the_table_is_named(column):
    good = mac(ROW, "workflow_specs")
    KEYS.check("workflow_specs", ROW, key_version=2, mac=good)
    changed = ROW | {column: ROW[column] + type(ROW[column])(1) if isinstance(ROW[column], int) else ROW[column] * 2}
    with pytest.raises(Tampered, match="workflow_specs failed authentication"):
        KEYS.check("workflow_specs", changed, key_version=2, mac=good)


@pytest.mark.parametrize("bad", [b"", bytes(32), bytes(31)], ids=["empty", "zeros", "short"])
def test_a_wrong_mac_is_tampered(bad):
    with pytest.raises(Tampered):
        KEYS.check("t", ROW, key_version=2, mac=bad)


def test_a_mac_of_another_version_is_tampered_and_of_an_unknown_one_is_a_missing_key():
    with pytest.raises(Tampered):
        KEYS.check("t", ROW, key_version=1, mac=mac(ROW))
    with pytest.raises(KeyMissing):
        KEYS.check("t", ROW, key_version=7, mac=mac(ROW))


def test_a_record_opens_for_its_purpose_and_place_under_every_version():
    old = RecordKeys(parse_secrets("1:old")).seal(PLUGIN_STORES, ("p", "o", "k"), b"v")
    assert KEYS.open(PLUGIN_STORES, ("p", "o", "k"), old) == b"v"
    blob = KEYS.seal(PLUGIN_STORES, ("p", "o", "k"), b"v")
    assert blob[4:8] == b"\0\0\0\x02"
    for purpose, place in (("backup", ("p", "o", "k")), (PLUGIN_STORES, ("p", "ok", ""))):
        with pytest.raises(Tampered):
            KEYS.open(purpose, place, blob)


def test_a_fingerprint_needs_the_key_the_purpose_and_the_data():
    one = KEYS.fingerprint("requests", b"data", key_version=2)
    assert one == KEYS.fingerprint("requests", b"data", key_version=2)
    others = [
        KEYS.fingerprint("requests", b"datb", key_version=2),
        KEYS.fingerprint("others", b"data", key_version=2),
        KEYS.fingerprint("requests", b"data", key_version=1),
        RING.subroot("requests", 2).mac(b"data"),
    ]
    assert len({one, *others}) == 5
