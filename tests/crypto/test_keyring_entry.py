"""A keyring as it travels: what it takes, what it compares, and that it shows nothing."""

import base64
import dataclasses

import pytest

from strongroom.crypto.keyring_entry import Keyring, KeyringEntry, entry_of, is_key_version, keyring_of
from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput

RAW = bytes(range(32))
TEXT = base64.b64encode(RAW).decode()


def ring(*versions, promoted=None):
    return Keyring(tuple(entry_of(version, Key(bytes([version]) * 32)) for version in versions), promoted)


def test_a_key_travels_as_base64_and_comes_back():
    assert entry_of(7, Key(RAW)) == KeyringEntry(7, TEXT)
    assert KeyringEntry(7, TEXT).key()._raw == RAW


@pytest.mark.parametrize(
    "text",
    [TEXT.rstrip("="), f" {TEXT[:10]}\n\t\r\f{TEXT[10:]} ", TEXT[:-1] + " ="],
    ids=["no padding", "white space", "white space before padding"],
)
def test_missing_padding_and_ascii_white_space_are_taken(text):
    assert KeyringEntry(1, text).key()._raw == RAW


@pytest.mark.parametrize(
    "text",
    ["-_v7" * 10 + "-_s", TEXT + "=", "=" + TEXT, TEXT + "\u00a0", TEXT[:-2] + "é=", TEXT[:-3], "====", TEXT + "\x0b"],
    ids=["for addresses", "too much padding", "padding in front", "wide space", "letter", "cut", "padding", "tab"],
)
def test_other_text_is_no_key_and_is_not_repeated(text):
    with pytest.raises(InvalidInput) as caught:
        KeyringEntry(3, text).key()
    assert caught.value.what == "Invalid character"
    assert text not in f"{caught.value} {caught.value.fix} {caught.value.details}"


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_of_another_size_says_how_many_bytes_it_has(size):
    with pytest.raises(InvalidInput) as caught:
        KeyringEntry(3, base64.b64encode(bytes(size)).decode()).key()
    assert caught.value.what == f"Keyring version 3: expected 32 decoded bytes, got {size}"


@pytest.mark.parametrize("version", [0, -1, 256, 1.0, True, "1", None], ids=repr)
def test_a_version_is_an_integer_in_one_byte(version):
    assert not is_key_version(version)
    with pytest.raises(InvalidInput, match="Keyring version must be an integer from 1 to 255"):
        KeyringEntry(version, TEXT)


def test_a_text_far_longer_than_a_key_is_refused_with_its_size():
    KeyringEntry(1, " " * (256 - len(TEXT)) + TEXT).key()
    with pytest.raises(InvalidInput) as caught:
        KeyringEntry(1, "A" * 257)
    assert (caught.value.code, caught.value.details["size"], caught.value.details["limit"]) == (
        "SR-KEYRING-011",
        257,
        256,
    )


def test_a_keyring_is_not_empty():
    with pytest.raises(InvalidInput) as caught:
        Keyring(())
    assert caught.value.what == "Keyring must contain at least one key"


def test_the_promoted_version_writes_and_otherwise_the_highest():
    assert ring(1, 3, 2).versions == (3, 2, 1)
    assert ring(1, 3, 2).writing_version == 3
    assert ring(1, 3, 2, promoted=2).writing_version == 2
    with pytest.raises(InvalidInput, match="no version 4"):
        ring(1, 3, 2, promoted=4)


def test_which_version_writes_tells_keyrings_apart_that_hold_the_same_keys():
    assert ring(1, 2) == ring(2, 1) == ring(1, 2, promoted=2)
    assert hash(ring(1, 2)) == hash(ring(2, 1, promoted=2))
    assert ring(1, 2, promoted=1) != ring(1, 2)
    assert ring(1, 2, promoted=1).same_keys(ring(2, 1))
    assert ring(1) != ring(1).entries


def test_a_keyring_shows_versions_only():
    shown = f"{ring(1, 2)!r} {ring(1, 2)} {KeyringEntry(7, TEXT)!r}"
    assert "version=7" in shown
    assert TEXT not in shown
    assert base64.b64encode(b"\x01" * 32).decode() not in shown
    with pytest.raises(dataclasses.FrozenInstanceError):
        ring(1).promoted = 1


def test_a_keyring_of_one_key_has_it_as_version_1():
    assert keyring_of(Key(RAW)) == Keyring((KeyringEntry(1, TEXT),))
