"""Sealed payloads: written by whoever has the public key, opened by the run alone."""

import copy
import os
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strongroom.crypto import encp
from strongroom.crypto.encp import BoxWriter, RunKeyPair, SealTarget
from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput
from tests.fakes.payload_faults import fault_of

RAW = bytes(range(32))
PAIR = RunKeyPair(Key(RAW))
TARGET = SealTarget(PAIR.public)
# Every point of small order, as it may be spelled (RFC 7748, 6.1; the list is that of libsodium).
LOW_ORDER = [
    *("00" * 32, "01" + "00" * 31, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    *("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", "ec" + "ff" * 30 + "7f"),
    *("ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f"),
]


def hkdf(ikm, info):
    return HKDF(SHA256(), 32, bytes(32), info).derive(ikm)


def independent_open(payload):
    """From the text of the contract, with nothing of ours."""
    private = X25519PrivateKey.from_private_bytes(hkdf(RAW, b"workflow/encp/x25519/v1"))
    ephemeral, nonce, rest = payload[4:36], payload[36:48], payload[48:]
    shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
    public = private.public_key().public_bytes_raw()
    return AESGCM(hkdf(shared, b"workflow/encp/aes256gcm/v1" + ephemeral + public)).decrypt(nonce, rest, None)


def test_the_pair_follows_from_the_key_and_every_run_has_its_own():
    assert RunKeyPair(Key(RAW)).public == PAIR.public
    assert RunKeyPair(Key(bytes(32))).public != PAIR.public
    assert (len(PAIR.public), len(PAIR.public_text)) == (32, 44)


def test_neither_half_shows_or_gives_away_the_key():
    scalar = hkdf(RAW, b"workflow/encp/x25519/v1")
    for half in (PAIR, TARGET, BoxWriter(TARGET)):
        text = f"{half!r} {half}"
        assert PAIR.public.hex() in text
        assert scalar.hex() not in text
        assert RAW.hex() not in text
    for half in (PAIR, BoxWriter(TARGET)):
        for spread in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot be pickled"):
                spread(half)


@pytest.mark.parametrize("size", [0, 1, 1000, 65_536])
def test_what_was_sealed_opens_here_and_by_the_text_of_the_contract(size):
    plaintext = os.urandom(size)
    payload = TARGET.seal(plaintext)
    assert len(payload) == size + 64
    assert PAIR.open(payload) == independent_open(payload) == plaintext


def test_two_boxes_of_one_plaintext_have_nothing_in_common():
    one, other = TARGET.seal(b"same"), TARGET.seal(b"same")
    assert (one[4:36], one[36:48], one[48:]) != (other[4:36], other[36:48], other[48:])
    assert one[4:36] != other[4:36], "every sender key is fresh"


def test_who_seals_cannot_open_and_who_opens_cannot_seal():
    for sealing in (TARGET, BoxWriter(TARGET)):
        assert not [name for name in dir(sealing) if "open" in name or "private" in name]
    assert not [name for name in dir(PAIR) if "seal" in name]


def test_another_run_does_not_open_it():
    error = fault_of(lambda: RunKeyPair(Key(bytes(32))).open(TARGET.seal(b"secret")))
    assert str(error).startswith("AES-256-GCM decryption failed: ")


def test_a_box_is_bound_to_the_recipients_key():
    """Whoever opens with the right secret and another public half gets nothing: both are in the derivation."""
    pair = RunKeyPair(Key(RAW))
    pair.public = RunKeyPair(Key(bytes(32))).public
    fault_of(lambda: pair.open(TARGET.seal(b"secret")))


def test_associated_data_must_be_the_same():
    body = BoxWriter(TARGET).seal_body(b"secret", associated=b"prj_1|wrun_1")
    assert PAIR.open_body(body, associated=b"prj_1|wrun_1") == b"secret"
    for other in (b"", b"prj_1|wrun_2", b"prj_2|wrun_1"):
        assert fault_of(lambda other=other: PAIR.open_body(body, associated=other)).format_prefix == ""


def test_every_cut_and_every_flipped_bit_is_refused():
    payload = TARGET.seal(b"secret")
    for length in range(4, len(payload)):
        error = fault_of(lambda cut=payload[:length]: PAIR.open(cut))
        assert (str(error).startswith("Sealed payload too short")) is (length < 64)
    for bit in range(32, len(payload) * 8):
        if bit == 36 * 8 - 1:
            continue  # the top bit of a public key says nothing (RFC 7748, 5); it is in the derivation all the same
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        fault_of(lambda flipped=bytes(flipped): PAIR.open(flipped))


def test_the_bit_of_a_public_key_that_says_nothing_cannot_be_changed_either():
    payload = bytearray(TARGET.seal(b"secret"))
    payload[35] ^= 0x80
    fault_of(lambda: PAIR.open(bytes(payload)))


def test_the_senders_key_of_another_box_does_not_fit():
    one, other = TARGET.seal(b"one"), TARGET.seal(b"two")
    fault_of(lambda: PAIR.open(one[:4] + other[4:36] + one[36:]))


def test_a_box_without_ciphertext_is_too_short():
    error = fault_of(lambda: PAIR.open(TARGET.seal(b"secret")[:48]))
    assert str(error) == "Sealed payload too short: expected at least 60 bytes, got 44"
    assert (error.byte_length, error.format_prefix) == (44, "encp")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_public_key_has_32_bytes(size):
    with pytest.raises(InvalidInput, match=f"it has {size} bytes"):
        SealTarget(bytes(size))


@pytest.mark.parametrize("point", LOW_ORDER)
def test_points_of_low_order_are_refused_on_both_sides(point):
    with pytest.raises(InvalidInput, match="^X25519 key agreement failed: the recipient public key is not a valid"):
        SealTarget(bytes.fromhex(point)).seal(b"secret")
    error = fault_of(lambda: PAIR.open(b"encp" + bytes.fromhex(point) + bytes(60)))
    assert str(error).startswith("X25519 key agreement failed while opening a sealed payload: ")
    assert error.byte_length == 32


SPELLINGS = {
    "empty": "",
    "other characters": "!!!!",
    "a bit left over": PAIR.public_text[:-2] + "t=",
    "more padding": PAIR.public_text + "=",
    "a line end": PAIR.public_text + "\n",
    "white space": " " + PAIR.public_text,
    "three bytes": "AAAA",
    "the alphabet of addresses": "-_" + PAIR.public_text[2:],
    "far too long": "A" * 1_000_000,
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_the_text_of_a_public_key_has_one_spelling(text):
    with pytest.raises(InvalidInput, match="32 bytes in standard base64"):
        SealTarget.from_text(text)


def test_the_text_of_a_public_key_may_lack_its_padding():
    assert SealTarget.from_text(PAIR.public_text.rstrip("=")).public == PAIR.public


def test_a_writer_agrees_once_and_draws_every_nonce_anew():
    writer, other = BoxWriter(TARGET), BoxWriter(TARGET)
    boxes = [writer.seal(b"%d" % number) for number in range(300)]
    assert {box[4:36] for box in boxes} == {boxes[0][4:36]}
    assert len({box[36:48] for box in boxes}) == 300
    assert other.seal(b"x")[4:36] != boxes[0][4:36], "every writer has a key of its own"
    assert [PAIR.open(box) for box in boxes] == [b"%d" % number for number in range(300)]


def test_a_writer_agrees_again_before_its_key_has_sealed_too_much(monkeypatch):
    monkeypatch.setattr(encp, "SEALS_PER_AGREEMENT_MAX", 2)
    writer = BoxWriter(TARGET)
    boxes = [writer.seal(b"x") for _ in range(5)]
    assert [len({box[4:36] for box in boxes[start : start + 2]}) for start in (0, 2, 4)] == [1, 1, 1]
    assert len({box[4:36] for box in boxes}) == 3
    assert [PAIR.open(box) for box in boxes] == [b"x"] * 5
