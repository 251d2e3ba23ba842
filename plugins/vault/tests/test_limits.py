"""Each limit holds at its border, and its refusal names the size and the limit."""

import pytest

from strongroom.crypto.box import BoxKey, seal_to
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import vault_pb2
from strongroom_vault import limits
from tests.fakes.vault_owner import ALICE, Owner

SEAL_BYTES = 48


@pytest.fixture
def owner(tmp_path):
    return Owner(tmp_path / "vault.key")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"key": "k" * 64}, ""),
        ({"key": "k" * 65}, "key: 65 bytes is more than 64"),
        ({"key": "ä" * 33}, "key: 66 bytes is more than 64"),
        ({"key": ""}, "key is missing"),
        ({"key": "k\n"}, "key holds control characters, or starts or ends with a space"),
        ({"key": " k"}, "key holds control characters, or starts or ends with a space"),
        ({"namespace": "n" * 64}, ""),
        ({"namespace": "n" * 65}, "namespace: 65 bytes is more than 64"),
        ({"namespace": "a::b"}, "namespace holds a colon: answers are matched by owner::namespace::key"),
        ({"owner": ""}, "owner is missing"),
        ({"owner": "a" * 65}, "owner: 65 bytes is more than 64"),
        ({"owner": "0x1234"}, "owner is not 40 hex digits, with or without 0x"),
        (
            {"owner": "0xd8da6BF26964aF9D7eEd9e03E53415D37aA96045"},
            "owner's letters do not match its EIP-55 checksum: one digit is probably mistyped",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_name_is_refused_with_its_reason(owner, fields, reason):
    call = {"key": "K", "owner": ALICE, "namespace": "main"} | fields
    assert owner.create(call.pop("key"), b"v", **call) == reason


def test_a_ciphertext_may_have_2000_bytes_and_no_more(owner):
    largest = b"v" * (limits.CIPHERTEXT_BYTES_MAX - SEAL_BYTES)
    assert owner.create("FITS", largest) == ""
    refusal = owner.create("TOO_BIG", largest + b"v")
    assert refusal == "encrypted_value: 2001 bytes of ciphertext is more than 2000"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "encrypted_value is missing"),
        ("zz", "encrypted_value is not hex"),
        ("abc", "encrypted_value is not hex"),
        ("00" * 60, "encrypted_value was not sealed to this vault's public key"),
        (
            seal_to(BoxKey.generate().public_hex, b"v").hex(),
            "encrypted_value was not sealed to this vault's public key",
        ),
        (b"\xff\xfe", "the value is not UTF-8 text, and workflows receive secrets as text"),
    ],
    ids=["empty", "no hex", "odd", "garbage", "sealed to another key", "not text"],
)
def test_a_value_is_refused_with_its_reason(owner, value, reason):
    assert owner.create("K", value) == reason
    assert owner.names() == []


def test_every_flipped_byte_of_a_sealed_value_is_refused(owner):
    sealed = bytearray.fromhex(owner.sealed(b"v"))
    for position in range(len(sealed)):
        flipped = sealed.copy()
        flipped[position] ^= 1
        assert "not sealed to this vault" in owner.create("K", flipped.hex()), position


def test_an_owner_has_100_secrets_and_no_more(owner):
    for number in range(limits.SECRETS_PER_OWNER_MAX):
        assert owner.create(f"K{number}", b"v") == ""
    assert owner.create("ONE_MORE", b"v") == "secrets of this owner: 100 are stored, and 100 is the limit"
    assert owner.update("K7", b"w") == ""
    assert owner.delete("K7") == ""
    assert owner.create("ONE_MORE", b"v") == ""


def test_a_request_names_10_secrets_and_no_more(owner):
    assert len(owner.get(*"abcdefghij", to=[owner.public_key])) == 10
    with pytest.raises(CapabilityError, match="secrets per request: 11 is more than 10") as caught:
        owner.get(*"abcdefghijk", to=[owner.public_key])
    assert (caught.value.origin, caught.value.name) == ("User", "LimitExceeded")


def test_a_request_for_nothing_is_refused(owner):
    with pytest.raises(CapabilityError, match="the request names no secret"):
        owner.get()


def test_a_request_id_has_a_limit(owner):
    request = vault_pb2.ListSecretIdentifiersRequest(request_id="r" * 257, owner=ALICE)
    with pytest.raises(CapabilityError, match="request_id: 257 bytes is more than 256"):
        owner.call("vault.secrets.list", request)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ([], "no encryption key is named: a secret is released only sealed"),
        (["00" * 32], "an encryption key is not a usable X25519 public key in hex"),
        (["ab" * 31], "an encryption key is not a usable X25519 public key in hex"),
        (["not hex"], "an encryption key is not a usable X25519 public key in hex"),
        (["ab" * 32] * 33, "encryption keys: 33 is more than 32"),
    ],
    ids=["none", "low order", "short", "no hex", "too many"],
)
def test_a_secret_is_released_to_usable_keys_only(owner, keys, reason):
    owner.create("K", b"v")
    (answer,) = owner.get("K", to=keys)
    assert answer.error == reason
