"""Public keys of others: each kind verifies its own signatures only, and what is no key is refused with its code."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils, x25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.crypto.public_keys import ECDSA_P256, ECDSA_P384, ED25519, PublicKey, load_public_key
from strongroom.errors import InvalidInput

DATA = b"data"
P256 = ec.derive_private_key(7, ec.SECP256R1())
P384 = ec.derive_private_key(7, ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
RSA = rsa.generate_private_key(65537, 2048)
KEYS = {
    ECDSA_P256: P256,
    ECDSA_P384: P384,
    ED25519: ED,
    "RSA-2048": RSA,
    "other": ec.derive_private_key(7, ec.SECP521R1()),
}
ORDERS = {
    ECDSA_P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ECDSA_P384: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
HASHES = {ECDSA_P256: ("sha256", SHA256()), ECDSA_P384: ("sha384", SHA384())}


def der(private):
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public(kind):
    return load_public_key(der(KEYS[kind]))


def ecdsa(kind):
    return utils.decode_dss_signature(KEYS[kind].sign(DATA, ec.ECDSA(HASHES[kind][1])))


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_says_its_kind_and_is_written_as_it_came(kind):
    assert public(kind).kind == kind
    assert public(kind).spki() == der(KEYS[kind])


@pytest.mark.parametrize(
    "private", [x25519.X25519PrivateKey.generate(), ec.derive_private_key(7, ec.SECP256K1())], ids=["X25519", "k1"]
)
def test_keys_that_no_format_uses_are_of_another_kind(private):
    assert load_public_key(der(private)).kind == "other"


@pytest.mark.parametrize("kind", ORDERS)
def test_an_ecdsa_signature_verifies_under_its_key_data_and_hash_only(kind):
    (r, s), (hash_name, _) = ecdsa(kind), HASHES[kind]
    key, order = public(kind), ORDERS[kind]
    assert key.verify_ecdsa(r, s, DATA, hash_name)
    assert not key.verify_ecdsa(r, s, b"other", hash_name)
    assert not key.verify_ecdsa(r, s, DATA, "sha384" if hash_name == "sha256" else "sha256")
    for bad_r, bad_s in (
        (0, s),
        (r, 0),
        (0, 0),
        (order, s),
        (r, order),
        (r + order, s),
        (r, s + order),
        (-r, s),
        (s, r),
    ):
        assert not key.verify_ecdsa(bad_r, bad_s, DATA, hash_name)


@pytest.mark.parametrize("kind", [each for each in KEYS if each != ED25519])
def test_other_keys_verify_no_ed25519(kind):
    assert not public(kind).verify_ed25519(ED.sign(DATA), DATA)


@pytest.mark.parametrize("kind", [each for each in KEYS if each != ECDSA_P256])
def test_other_keys_verify_no_ecdsa(kind):
    assert not public(kind).verify_ecdsa(*ecdsa(ECDSA_P256), DATA, "sha256")


@pytest.mark.parametrize("kind", [each for each in KEYS if each != "RSA-2048"])
def test_other_keys_verify_no_rsa(kind):
    assert not public(kind).verify_rsa(RSA.sign(DATA, padding.PKCS1v15(), SHA256()), DATA, "sha256")


def test_an_rsa_signature_verifies_with_its_padding_and_hash_only():
    key = public("RSA-2048")
    signature = RSA.sign(DATA, padding.PKCS1v15(), SHA256())
    assert key.verify_rsa(signature, DATA, "sha256")
    assert not key.verify_rsa(signature, DATA, "sha384")
    assert not key.verify_rsa(signature, b"other", "sha256")
    pss = RSA.sign(DATA, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    assert not key.verify_rsa(pss, DATA, "sha256")
    for bad in (b"", signature[:-1], signature + b"\0", bytes(256), b"\xff" * 256):
        assert not key.verify_rsa(bad, DATA, "sha256")


def test_a_key_is_made_of_its_numbers():
    numbers, modulus = P256.public_key().public_numbers(), RSA.public_key().public_numbers()
    assert PublicKey.of_p256_point(numbers.x, numbers.y).spki() == der(P256)
    assert PublicKey.of_rsa_numbers(modulus.n, modulus.e).spki() == der(RSA)
    assert PublicKey.of_ed25519(ED.public_key().public_bytes_raw()).spki() == der(ED)
    assert public(ECDSA_P256).ec_point == (numbers.x, numbers.y)
    assert public("RSA-2048").rsa_numbers == (modulus.n, modulus.e)
    assert public(ED25519).ec_point is None
    assert public(ED25519).rsa_numbers is None


@pytest.mark.parametrize("point", [(0, 0), (1, 1), (-1, 5), (2**256, 5)], ids=["zero", "off", "negative", "too large"])
def test_a_point_that_is_not_on_the_curve_is_refused(point):
    with pytest.raises(InvalidInput) as caught:
        PublicKey.of_p256_point(*point)
    assert caught.value.code == "SR-CERT-004"


@pytest.mark.parametrize(
    "numbers", [(0, 65537), (2**2047 + 1, 1), (2**2047 + 1, 2)], ids=["zero", "exponent 1", "exponent 2"]
)
def test_numbers_that_are_no_rsa_key_are_refused(numbers):
    with pytest.raises(InvalidInput) as caught:
        PublicKey.of_rsa_numbers(*numbers)
    assert caught.value.code == "SR-CERT-005"


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)], ids=["empty", "short", "long"])
def test_an_ed25519_key_has_32_bytes(raw):
    with pytest.raises(InvalidInput) as caught:
        PublicKey.of_ed25519(raw)
    assert caught.value.code == "SR-CERT-006"


def test_every_cut_and_what_is_no_key_is_refused():
    whole = der(P384)
    for untrusted in [*(whole[:length] for length in range(len(whole))), whole + b"\0", b"\x30\x00", bytes(200)]:
        with pytest.raises(InvalidInput) as caught:
            load_public_key(untrusted)
        assert caught.value.code == "SR-CERT-003"


def test_every_flipped_bit_is_another_key_or_none():
    whole = der(P384)
    r, s = ecdsa(ECDSA_P384)
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = load_public_key(bytes(flipped))
        except InvalidInput:
            continue
        assert not found.verify_ecdsa(r, s, DATA, "sha384"), bit


def test_a_point_has_one_form():
    whole = der(P384)
    point = whole.index(b"\x04", len(whole) - 97)
    y_is_odd = whole[-1] & 1
    hybrid = whole[:point] + bytes([6 + y_is_odd]) + whole[point + 1 :]
    with pytest.raises(InvalidInput) as caught:
        load_public_key(hybrid)
    assert caught.value.code == "SR-CERT-003"
