"""What does not open is told to whoever counts it, by its reason, and raised as ever."""

import pytest

from strongroom.crypto.srn1 import Place
from strongroom.errors import KeyMissing, Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.run_keys import RunKeys

PLACE = Place("wrun_1", "run_created", "", "content", 0, False, b"")


@pytest.fixture
def root():
    return parse_secrets("1:" + "s" * 43)


def told(keys):
    heard = []
    keys.on_unopened = heard.append
    return heard


def changed(blob, *, version=1):
    return blob[:4] + version.to_bytes(4, "big") + blob[8:-1] + bytes([blob[-1] ^ 1])


def test_a_value_of_a_run_that_does_not_open_counts_once_by_its_reason(root):
    keys = RunKeys(root, "d" * 32)
    heard, blob = told(keys), keys.seal(PLACE, b"x", key_version=1)
    assert keys.open(PLACE, blob) == b"x"
    assert heard == []
    for broken in (changed(blob), b"encr" + blob[4:]):
        with pytest.raises(Tampered):
            keys.open(PLACE, broken)
    with pytest.raises(KeyMissing):
        keys.open(PLACE, changed(blob, version=9))
    assert heard == ["tampered", "not_ours", "key_missing"]


def test_a_record_and_a_row_that_are_not_authentic_count_too(root):
    keys = RecordKeys(root)
    heard, blob = told(keys), keys.seal("plugin stores", ("a",), b"x")
    with pytest.raises(Tampered):
        keys.open("plugin stores", ("another place",), blob)
    with pytest.raises(KeyMissing):
        keys.open("plugin stores", ("a",), changed(blob, version=9))
    row = {"name": "a"}
    mac = keys.mac("runs", row, key_version=1)
    keys.check("runs", row, key_version=1, mac=mac)
    with pytest.raises(Tampered):
        keys.check("runs", {"name": "b"}, key_version=1, mac=mac)
    with pytest.raises(KeyMissing):
        keys.check("runs", row, key_version=9, mac=mac)
    assert heard == ["tampered", "key_missing", "tampered", "key_missing"]
