"""HPKE: the golden message, another implementation in both directions, and nothing opens that was touched."""

import json
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from strongroom.crypto.hpke import OVERHEAD_BYTES, SUITE, KemKey, seal_message, spki_of
from strongroom.errors import InvalidInput, Tampered

VECTORS = json.loads((Path(__file__).resolve().parent.parent / "vectors" / "attestation.json").read_text())
KEYS, RELEASE = VECTORS["keys"], VECTORS["release"]
PRIVATE = bytes.fromhex(KEYS["kem_private"])
KEY = KemKey.from_raw(PRIVATE)
INFO = bytes.fromhex(RELEASE["hpke_info"])
THEIRS = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)


def their_public():
    return KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(KEY.public))


def test_the_golden_message_opens():
    sealed = bytes.fromhex(RELEASE["sealed_example"])
    assert KEY.open(sealed, info=INFO) == bytes.fromhex(RELEASE["plaintext_cbor"])


def test_the_golden_keys_are_those_of_the_contract():
    assert KEY.public.hex() == KEYS["kem_public"]
    assert spki_of(KEY.public).hex() == KEYS["kem_spki"]
    assert list(SUITE) == VECTORS["runtime_data"]["fields"]["kem"]["suite"]


def test_the_key_is_framed_as_another_library_does_it():
    key = KemKey.generate()
    theirs = X25519PublicKey.from_public_bytes(key.public)
    assert spki_of(key.public) == theirs.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("plaintext", [b"", b"s", b"x" * 100_000], ids=["empty", "short", "large"])
@pytest.mark.parametrize("info", [b"", INFO], ids=["no info", "info"])
def test_another_implementation_opens_what_we_seal_and_seals_what_we_open(plaintext, info):
    sealed = seal_message(KEY.public, plaintext, info=info)
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    recipient = THEIRS.create_recipient_context(sealed[:32], KEMKey.from_pyca_cryptography_key(KEY._private), info=info)
    assert recipient.open(sealed[32:]) == plaintext
    encapsulated, sender = THEIRS.create_sender_context(their_public(), info=info)
    assert KEY.open(encapsulated + sender.seal(plaintext), info=info) == plaintext


def test_a_message_of_theirs_with_associated_data_is_not_ours():
    encapsulated, sender = THEIRS.create_sender_context(their_public(), info=INFO)
    with pytest.raises(Tampered):
        KEY.open(encapsulated + sender.seal(b"secret", aad=b"context"), info=INFO)


def test_no_two_messages_are_the_same():
    assert seal_message(KEY.public, b"secret", info=INFO) != seal_message(KEY.public, b"secret", info=INFO)


def test_every_cut_and_every_flip_is_tampered():
    sealed = seal_message(KEY.public, b"secret", info=INFO)
    bad = [sealed[:length] for length in range(len(sealed))] + [sealed + b"\0"]
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        bad.append(bytes(flipped))
    for untrusted in bad:
        with pytest.raises(Tampered):
            KEY.open(untrusted, info=INFO)


def test_a_message_opens_only_with_its_key_and_its_info():
    sealed = seal_message(KEY.public, b"secret", info=INFO)
    for key, info in ((KemKey.generate(), INFO), (KEY, INFO[:-1]), (KEY, b""), (KEY, INFO + b"\0")):
        with pytest.raises(Tampered):
            key.open(sealed, info=info)


@pytest.mark.parametrize("point", [bytes(32), b"\1" + bytes(31)], ids=["zero", "order 1"])
def test_an_encapsulation_at_a_weak_point_is_tampered(point):
    with pytest.raises(Tampered):
        KEY.open(point + seal_message(KEY.public, b"secret", info=INFO)[32:], info=INFO)


@pytest.mark.parametrize(
    "public",
    [b"", bytes(31), bytes(33), bytes(32), b"\1" + bytes(31)],
    ids=["empty", "short", "long", "zero", "order 1"],
)
def test_nothing_is_sealed_to_a_key_that_cannot_be_used(public):
    with pytest.raises(InvalidInput) as caught:
        seal_message(public, b"secret", info=INFO)
    assert caught.value.code == "SR-HPKE-002"


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)], ids=["empty", "short", "long"])
def test_a_private_key_has_32_bytes(raw):
    with pytest.raises(InvalidInput) as caught:
        KemKey.from_raw(raw)
    assert caught.value.code == "SR-HPKE-001"


def test_a_key_shows_its_public_half_only():
    assert PRIVATE.hex() not in f"{KEY} {KEY!r}"
    assert KEY.public.hex() in repr(KEY)
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
