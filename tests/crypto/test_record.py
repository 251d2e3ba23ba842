"""``srr1``: records open where they were sealed and nowhere else."""

import pytest

from strongroom.crypto.keys import Key
from strongroom.crypto.record import open_record, record_version_of, seal_record
from strongroom.errors import KeyMissing, Tampered

KEY = Key.from_secret(b"a record's key, for tests")
PLACE = ("workflow_specs", "00ab", "config")


def only_version_9(version):
    if version != 9:
        raise KeyMissing("SR-KEY-002", f"version {version}")
    return KEY


@pytest.mark.parametrize("plaintext", [b"", b"x", bytes(range(256)) * 300], ids=["empty", "one byte", "large"])
def test_what_was_sealed_opens(plaintext):
    blob = seal_record(KEY, 9, PLACE, plaintext)
    assert blob.startswith(b"srr1\0\0\0\x09")
    assert len(blob) == 36 + len(plaintext)
    assert open_record(only_version_9, PLACE, blob) == plaintext
    assert record_version_of(blob) == 9


@pytest.mark.parametrize(
    "other",
    [(), ("workflow_specs",), ("workflow_specs0", "0ab", "config"), (*PLACE, ""), tuple(reversed(PLACE))],
    ids=["empty", "prefix", "shifted border", "empty part appended", "reordered"],
)
def test_a_record_opens_only_where_it_was_sealed(other):
    with pytest.raises(Tampered):
        open_record(only_version_9, other, seal_record(KEY, 9, PLACE, b"secret"))


def test_every_cut_and_every_flip_is_tampered_or_names_a_missing_key():
    blob = seal_record(KEY, 9, PLACE, b"secret")
    for length in range(len(blob)):
        with pytest.raises(Tampered):
            open_record(only_version_9, PLACE, blob[:length])
    for bit in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(KeyMissing if 4 <= bit // 8 < 8 else Tampered):
            open_record(only_version_9, PLACE, bytes(flipped))


def test_a_journal_envelope_is_no_record():
    blob = seal_record(KEY, 9, PLACE, b"secret")
    with pytest.raises(Tampered):
        open_record(only_version_9, PLACE, b"srn1" + blob[4:])
