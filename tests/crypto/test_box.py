"""Sealed boxes: only the holder of the key reads, and a bad key is refused before anything is sealed to it."""

import pickle
import stat

import pytest
from nacl.public import PrivateKey, PublicKey, SealedBox

from strongroom.crypto.box import BoxKey, seal_to
from strongroom.errors import InvalidInput, Misconfigured, Tampered

PRIVATE = "77" * 32


@pytest.mark.parametrize("value", [b"", b"s3cret", b"x" * 100_000], ids=["empty", "short", "large"])
def test_what_was_sealed_opens(value):
    key = BoxKey.generate()
    sealed = seal_to(key.public_hex, value)
    assert len(sealed) == len(value) + 48
    assert key.open(sealed) == value


def test_boxes_are_those_of_libsodium():
    key, theirs = BoxKey.from_hex(PRIVATE), PrivateKey(bytes.fromhex(PRIVATE))
    assert key.open(SealedBox(PublicKey(bytes.fromhex(key.public_hex))).encrypt(b"v")) == b"v"
    assert SealedBox(theirs).decrypt(seal_to(key.public_hex, b"v")) == b"v"


def test_every_cut_every_flip_and_another_key_is_tampered():
    key = BoxKey.generate()
    sealed = seal_to(key.public_hex, b"secret")
    bad = [sealed[:length] for length in range(len(sealed))]
    # The top bit of an X25519 key is ignored by RFC 7748, but the nonce covers it, so it fails like every other.
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        bad.append(bytes(flipped))
    for untrusted in bad:
        with pytest.raises(Tampered):
            key.open(untrusted)
    with pytest.raises(Tampered):
        BoxKey.generate().open(sealed)


@pytest.mark.parametrize(
    "public",
    ["", "ab", "zz" * 32, "ab" * 31, "ab" * 33, " " + "ab" * 31 + "a", "ab" * 32 + "\n", "00" * 32, "01" + "00" * 31],
    ids=["empty", "short", "not hex", "31 bytes", "33 bytes", "space", "line break", "zero point", "low order"],
)
def test_a_malformed_public_key_is_refused(public):
    with pytest.raises(InvalidInput) as caught:
        seal_to(public, b"secret")
    assert caught.value.code == "SR-BOX-002"


def test_a_box_key_shows_its_public_half_only():
    key = BoxKey.from_hex(PRIVATE)
    assert PRIVATE not in f"{key} {key!r}"
    assert key.public_hex in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_a_saved_key_is_read_back_by_its_owner_alone(tmp_path):
    key, path = BoxKey.generate(), tmp_path / "box.key"
    key.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert BoxKey.load(path).public_hex == key.public_hex
    with pytest.raises(FileExistsError):
        key.save(path)
    path.chmod(0o640)
    with pytest.raises(Misconfigured) as caught:
        BoxKey.load(path)
    assert caught.value.fix == f"chmod 600 {path}"


@pytest.mark.parametrize("content", [b"", b"zz" * 32, b"\xff" * 32], ids=["empty", "not hex", "not text"])
def test_a_file_without_a_key_is_refused(tmp_path, content):
    path = tmp_path / "box.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Misconfigured) as caught:
        BoxKey.load(path)
    assert caught.value.code == "SR-BOX-004"
