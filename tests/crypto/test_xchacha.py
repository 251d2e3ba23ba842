"""XChaCha20-Poly1305 by two libraries: the same bytes on both sides of the border, and nothing changed opens."""

import os

import nacl.bindings
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from strongroom.crypto import xchacha
from strongroom.crypto.keys import Key
from strongroom.errors import LimitExceeded, Tampered

RAW = bytes(range(32))
KEY = Key(RAW)
NONCE = bytes(range(0x40, 0x58))
BORDER = xchacha.SMALL_BYTES_MAX
SIZES = [0, 1, 63, 64, 65, BORDER - 1, BORDER, BORDER + 1, 10_240, 100_000]


@pytest.fixture(params=[0, BORDER, 1 << 40], ids=["OpenSSL", "as shipped", "libsodium"])
def border(request, monkeypatch):
    """Where the libraries take turns: at its place, or so that one of them does everything but empty values."""
    monkeypatch.setattr(xchacha, "SMALL_BYTES_MAX", request.param)


@pytest.mark.usefixtures("border")
@pytest.mark.parametrize("associated", [b"", b"tab-1", bytes(5_000)], ids=["nothing", "short", "long"])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_gives_the_bytes_of_the_librarys_own_function(size, associated, monkeypatch):
    monkeypatch.setattr(os, "urandom", lambda count: NONCE[:count])
    plaintext = (b"0123456789" * (size // 10 + 1))[:size]
    expected = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, associated, NONCE, RAW)
    assert xchacha.encrypt(KEY, plaintext, associated, b"header") == b"header" + NONCE + expected
    opened = xchacha.decrypt(KEY, b"header" + NONCE + expected, associated, 6)
    assert opened == plaintext
    assert type(opened) is bytes


@pytest.mark.usefixtures("border")
@pytest.mark.parametrize("size", [0, 1, 4_000])
def test_what_is_changed_is_refused_with_one_message(size):
    sealed = xchacha.encrypt(KEY, b"x" * size, b"aad")
    for wrong in (
        sealed[:-1],
        sealed + b"\x00",
        b"\x00" + sealed,
        sealed[:39],
        b"",
        sealed[:-1] + bytes([sealed[-1] ^ 1]),
    ):
        with pytest.raises(Tampered, match="data failed authentication"):
            xchacha.decrypt(KEY, wrong, b"aad")
    for key, associated in ((Key(bytes(32)), b"aad"), (KEY, b""), (KEY, b"aad\x00")):
        with pytest.raises(Tampered, match="data failed authentication"):
            xchacha.decrypt(key, sealed, associated)


def hchacha20_by_keystream(raw, nonce):
    """The first and last row of one block of ChaCha20, less what they began with (draft-irtf-cfrg-xchacha-03, 2.2)."""
    block = Cipher(algorithms.ChaCha20(raw, nonce), None).encryptor().update(bytes(64))

    def words(data):
        return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]

    state = words(block)
    began = [*words(b"expand 32-byte k"), *words(nonce)]
    left = [(a - b) % 2**32 for a, b in zip(state[:4] + state[12:], began, strict=True)]
    return b"".join(word.to_bytes(4, "little") for word in left)


def test_the_subkey_is_that_of_one_block_of_chacha20():
    for _ in range(50):
        raw, nonce = os.urandom(32), os.urandom(24)
        assert xchacha._hchacha20(raw, nonce) == hchacha20_by_keystream(raw, nonce[:16])


def test_the_subkey_is_that_of_the_draft():
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    expected = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    assert xchacha._hchacha20(RAW, nonce + bytes(8)).hex() == expected == hchacha20_by_keystream(RAW, nonce).hex()
    assert xchacha._is_layout_known()


def test_a_library_whose_streams_begin_otherwise_does_all_the_work_itself(monkeypatch):
    monkeypatch.setattr(os, "urandom", lambda count: NONCE[:count])
    expected = xchacha.encrypt(KEY, bytes(5_000), b"aad")
    xchacha._is_layout_known.cache_clear()
    monkeypatch.setattr(xchacha, "_hchacha20", lambda _raw, _nonce: bytes(32))
    try:
        assert not xchacha._is_layout_known()
        assert xchacha.encrypt(KEY, bytes(5_000), b"aad") == expected
        assert xchacha.decrypt(KEY, expected, b"aad") == bytes(5_000)
    finally:
        xchacha._is_layout_known.cache_clear()


def test_more_than_the_limit_is_refused_with_both_sizes(monkeypatch):
    monkeypatch.setattr(xchacha, "PLAINTEXT_BYTES_MAX", 5_000)
    with pytest.raises(LimitExceeded) as caught:
        xchacha.encrypt(KEY, bytes(5_001), b"")
    assert (caught.value.details["size"], caught.value.details["limit"]) == (5_001, 5_000)
    with pytest.raises(Tampered):
        xchacha.decrypt(KEY, bytes(5_041), b"")


def test_only_bytes_reach_the_library():
    for wrong in (bytearray(b"x"), "x", None):
        with pytest.raises(TypeError):
            xchacha.encrypt(KEY, wrong, b"")
        with pytest.raises(TypeError):
            xchacha.encrypt(KEY, b"x", wrong)
