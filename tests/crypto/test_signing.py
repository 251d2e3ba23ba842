"""Signing keys: the golden signatures, one purpose for each signature, and a private half that is not shown."""

import copy
import json
import pickle
from pathlib import Path

import pytest
from nacl.signing import SigningKey as TheirKey

from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SIGNATURE_BYTES, SigningKey, is_signed, to_sign
from strongroom.errors import InvalidInput, Misconfigured

VECTORS = json.loads((Path(__file__).resolve().parent.parent / "vectors" / "attestation.json").read_text())
PRIVATE = bytes.fromhex(VECTORS["keys"]["vault_private"])
KEY = SigningKey.from_raw(PRIVATE)
GOLDEN = {
    "vault/challenge": ("vault", "challenge", "body_cbor", "signature"),
    "runner/pop": ("execution", "runtime_data", "cbor", "pop_signature"),
    "vault/envelope": ("vault", "release", "envelope_cbor", "envelope_signature"),
}


@pytest.mark.parametrize("tag", GOLDEN)
def test_golden_signatures_verify_and_are_made_again(tag):
    holder, section, body, signature = GOLDEN[tag]
    body, signature = bytes.fromhex(VECTORS[section][body]), bytes.fromhex(VECTORS[section][signature])
    key = SigningKey.from_raw(bytes.fromhex(VECTORS["keys"][f"{holder}_private"]))
    assert key.public.hex() == VECTORS["keys"][f"{holder}_public"]
    assert is_signed(key.public, tag, body, signature)
    assert key.sign(tag, body) == signature


def test_signatures_are_those_of_another_library():
    body = b"body"
    assert KEY.sign("tag", body) == TheirKey(PRIVATE).sign(to_sign("tag", body)).signature
    assert KEY.sign_raw(body) == TheirKey(PRIVATE).sign(body).signature


def test_what_is_signed_is_framed():
    assert to_sign("ab", b"c") == b"STRONGROOM-SIG-v1" + bytes(7) + b"\x02ab" + bytes(7) + b"\x01c"
    assert to_sign("ab", b"c") != to_sign("a", b"bc")


@pytest.mark.parametrize(("tag", "body"), [("other", b"body"), ("tag", b"bodz"), ("tagb", b"ody"), ("", b"tagbody")])
def test_a_signature_for_one_purpose_is_none_for_another(tag, body):
    assert not is_signed(KEY.public, tag, body, KEY.sign("tag", b"body"))


def test_a_signature_over_bytes_as_they_stand_is_none_for_a_purpose():
    assert not is_signed(KEY.public, "tag", b"body", KEY.sign_raw(b"body"))


def test_every_flip_and_every_other_length_is_no_signature():
    signature = KEY.sign("tag", b"body")
    assert len(signature) == SIGNATURE_BYTES
    for bit in range(len(signature) * 8):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not is_signed(KEY.public, "tag", b"body", bytes(flipped)), bit
    for other in (b"", signature[:-1], signature + b"\0", bytes(64), b"\xff" * 64):
        assert not is_signed(KEY.public, "tag", b"body", other)


def test_a_signature_whose_number_was_raised_by_the_order_is_none():
    order = 2**252 + 27742317777372353535851937790883648493
    signature = KEY.sign("tag", b"body")
    raised = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not is_signed(KEY.public, "tag", b"body", signature[:32] + raised)


@pytest.mark.parametrize(
    "public", [b"", bytes(31), bytes(33), b"\xff" * 32], ids=["empty", "short", "long", "no point"]
)
def test_under_a_key_that_is_none_nothing_is_signed(public):
    assert not is_signed(public, "tag", b"body", KEY.sign("tag", b"body"))


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)], ids=["empty", "short", "long"])
def test_a_seed_has_32_bytes(raw):
    with pytest.raises(InvalidInput) as caught:
        SigningKey.from_raw(raw)
    assert caught.value.code == "SR-SIGN-001"


def test_a_saved_key_is_read_back_by_its_owner_alone(tmp_path):
    path = tmp_path / "key"
    KEY.save(path)
    assert path.read_text() == f"strongroom-signing-key-1:{PRIVATE.hex()}\n"
    assert SigningKey.load(path).public == KEY.public
    with pytest.raises(FileExistsError):
        KEY.save(path)
    path.chmod(0o640)
    with pytest.raises(Misconfigured) as caught:
        SigningKey.load(path)
    assert caught.value.code == "SR-SIGN-002"


@pytest.mark.parametrize("content", [b"", b"zz" * 32, b"ab" * 31, b"ab" * 2_000, b"\xff" * 64], ids=len)
def test_a_file_that_holds_no_key_is_refused_without_showing_it(tmp_path, content):
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Misconfigured) as caught:
        SigningKey.load(path)
    assert caught.value.code == "SR-SIGN-003"
    assert "abab" not in f"{caught.value} {caught.value.fix}"


def test_fresh_keys_differ_and_show_their_public_half_only():
    assert SigningKey.generate().public != SigningKey.generate().public
    assert PRIVATE.hex() not in f"{KEY} {KEY!r}"
    assert KEY.public.hex() in repr(KEY)
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            spread(KEY)


def test_the_public_half_is_a_public_key():
    assert PublicKey.of_ed25519(KEY.public).verify_ed25519(KEY.sign_raw(b"body"), b"body")
