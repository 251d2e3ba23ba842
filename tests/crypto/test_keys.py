"""A key can be used and not looked at; derivations match vectors from elsewhere."""

import ast
import base64
import copy
import dataclasses
import json
import pickle
from pathlib import Path

import pytest

from strongroom.crypto.framing import length_prefixed
from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput, Tampered

ROOT = Path(__file__).resolve().parents[2]
EPICENTER = json.loads((ROOT / "tests" / "vectors" / "epicenter.json").read_text())
RAW = bytes(range(32))


@pytest.mark.parametrize(
    "show", [repr, str, format, lambda key: f"{key}", lambda key: f"{key!r}", lambda key: f"{[key]}"], ids=range(6)
)
def test_showing_a_key_shows_nothing(show):
    assert show(Key(RAW)).strip("[]") == "<Key>"


@pytest.mark.parametrize("spread", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_key_cannot_be_pickled_or_copied(spread):
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        spread(Key(RAW))


def test_a_key_has_no_dictionary_and_is_no_dataclass():
    key = Key(RAW)
    assert not hasattr(key, "__dict__")
    assert not dataclasses.is_dataclass(key)


def test_keys_with_the_same_bytes_are_not_equal():
    assert Key(RAW) != Key(RAW)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_of_another_size_is_refused_with_its_size(size):
    with pytest.raises(InvalidInput, match=f"this one {size}") as caught:
        Key(bytes(size))
    assert caught.value.details["size"] == size


def test_a_mac_is_checked_and_a_wrong_one_is_tampered():
    key = Key(RAW)
    mac = key.mac(b"data")
    key.check_mac(b"data", mac)
    for data, other in ((b"dat", mac), (b"data", mac[:-1]), (b"data", b""), (b"data", bytes(32))):
        with pytest.raises(Tampered):
            key.check_mac(data, other)


def test_a_fingerprint_tells_keys_apart():
    assert Key(RAW).fingerprint() == Key(RAW).fingerprint()
    assert Key(RAW).fingerprint() != Key(bytes(32)).fingerprint()
    assert len(Key(RAW).fingerprint()) == 8


@pytest.mark.parametrize("case", EPICENTER["deriveKeyring"], ids=lambda case: case["name"])
def test_roots_and_owner_keys_are_those_of_the_original(case):
    secrets = dict(entry.split(":", 1) for entry in case["secrets"].split(","))
    secrets = {int(float(version)): secret for version, secret in secrets.items()}
    for root, owner in zip(case["rootKeyMaterialSha256"], case["keyring"], strict=True):
        key = Key.from_secret(secrets[root["version"]].encode())
        assert key._raw.hex() == root["sha256"]
        derived = key.derive(salt=b"", info=bytes.fromhex(case["infoHex"]))
        assert derived._raw == base64.b64decode(owner["keyBytesBase64"])


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ab", "c"), ("a", "bc")), (("a",), ("a", "")), ((), ("",)), (("", "a"), ("a", ""))],
    ids=["shifted border", "empty part appended", "nothing or one empty part", "empty part moved"],
)
def test_two_lists_of_parts_never_give_the_same_bytes(one, other):
    assert length_prefixed(*one) != length_prefixed(*other)


def test_text_and_its_utf8_bytes_are_framed_alike():
    assert length_prefixed("é", b"x") == bytes(7) + b"\x02\xc3\xa9" + bytes(7) + b"\x01x"


def test_a_lone_surrogate_is_refused_without_being_repeated():
    with pytest.raises(InvalidInput) as caught:
        length_prefixed("private\ud800")
    assert "private" not in str(caught.value)


def test_raw_bytes_of_a_key_are_read_inside_crypto_only():
    packages = [ROOT / "daemon" / "strongroom", *(ROOT / "plugins").glob("*/src")]
    for path in (path for package in packages for path in package.rglob("*.py")):
        if path.is_relative_to(ROOT / "daemon" / "strongroom" / "crypto"):
            continue
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not names & {"_raw", "_cipher", "_private"}, f"{path} reaches into a key"
