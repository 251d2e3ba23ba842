"""The cases that the original had for its encryption, each under its own name, against ours."""

import base64
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strongroom.crypto.base64_text import decode_base64, encode_base64
from strongroom.crypto.keyring_entry import Keyring, KeyringEntry, entry_of
from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import (
    get_format_version,
    get_key_version,
    is_encrypted_blob,
    open_value,
    seal_value,
)
from strongroom.crypto.workspace_text import text_bytes, text_of
from strongroom.errors import InvalidInput, KeyMissing, Misconfigured, Tampered
from strongroom.keyring.owner_keyring import derive_keyring
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.secret_text import read_secrets
from strongroom.keyring.workspace_keys import WorkspaceKeys, derive_workspace_keys

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "epicenter.json").read_text())
RAW = bytes(range(32))
KEY = Key(RAW)
TEXT = '{"title":"naïve 🔐"}'
AAD = b"tab-1"


def flipped(blob, index=-1):
    changed = bytearray(blob)
    changed[index] ^= 1
    return bytes(changed)


def test_string_encrypt_then_decrypt_returns_original_string():
    for text in ("", TEXT, "x" * 100_000):
        assert text_of(open_value(KEY, seal_value(KEY, 1, text_bytes(text), AAD), AAD)) == text


def test_string_each_encryption_uses_a_fresh_nonce():
    blobs = [seal_value(KEY, 1, text_bytes(TEXT), AAD) for _ in range(100)]
    assert len({blob[2:26] for blob in blobs}) == 100
    assert len({blob[26:] for blob in blobs}) == 100


def test_custom_key_version_is_embedded_at_byte_1():
    for version in (1, 7, 255):
        blob = seal_value(KEY, version, b"", AAD)
        assert (blob[0], blob[1], get_format_version(blob), get_key_version(blob)) == (1, version, 1, version)


@pytest.mark.parametrize("version", [0, -1, 256, 1.5, float("nan"), True, "1", None], ids=repr)
def test_key_versions_outside_1_to_255_throw_before_writing_blob_header(version, monkeypatch):
    def drawn(_size):
        raise AssertionError("a nonce was drawn for a version that is refused")

    monkeypatch.setattr(os, "urandom", drawn)
    with pytest.raises(InvalidInput, match="^Encryption key version must be an integer from 1 to 255$"):
        seal_value(KEY, version, b"", AAD)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_invalid_key_size_throws(size):
    with pytest.raises(InvalidInput) as caught:
        Key(bytes(size))
    assert caught.value.what == "Encryption key must be 32 bytes"


def test_string_tampered_ciphertext_throws():
    blob = seal_value(KEY, 1, text_bytes(TEXT), AAD)
    for index in (2, 26, len(blob) - 1):
        with pytest.raises(Tampered, match="failed authentication"):
            open_value(KEY, flipped(blob, index), AAD)


def test_mismatched_aad_throws():
    blob = seal_value(KEY, 1, text_bytes(TEXT), AAD)
    for other in (b"", b"tab-2", b"tab-1\x00"):
        with pytest.raises(Tampered, match="failed authentication"):
            open_value(KEY, blob, other)


BYTES = bytes(range(256))
KEYS = WorkspaceKeys({2: KEY, 1: Key(bytes(32))}, 2)


def test_bytes_encrypt_then_decrypt_returns_original_bytes():
    blob = KEYS.seal(BYTES, b"yjs-update-v2:guid")
    assert blob[1] == 2
    assert KEYS.open(blob, b"yjs-update-v2:guid") == BYTES


def test_bytes_each_encryption_uses_a_fresh_nonce():
    assert KEYS.seal(BYTES, b"")[2:26] != KEYS.seal(BYTES, b"")[2:26]


def test_bytes_decryption_fails_with_the_wrong_key():
    with pytest.raises(Tampered, match="failed authentication"):
        WorkspaceKeys({2: Key(bytes(32))}, 2).open(KEYS.seal(BYTES, b""), b"")


def test_bytes_decryption_fails_when_the_key_version_is_missing():
    with pytest.raises(KeyMissing) as caught:
        WorkspaceKeys({1: KEY}, 1).open(KEYS.seal(BYTES, b""), b"")
    assert caught.value.what == "Cannot decrypt encrypted blob: key version 2 is not in the keyring."
    assert caught.value.details["key_version"] == 2


def test_bytes_tampered_ciphertext_throws():
    with pytest.raises(Tampered, match="failed authentication"):
        KEYS.open(flipped(KEYS.seal(BYTES, b"")), b"")


def test_bytes_old_key_blob_decrypts_when_the_keyring_includes_the_old_version():
    old = WorkspaceKeys({2: KEY}, 2).seal(BYTES, b"")
    newer = WorkspaceKeys({3: Key(bytes(32)), 2: KEY}, 3)
    assert newer.open(old, b"") == BYTES
    assert newer.seal(BYTES, b"")[1] == 3


def test_is_encrypted_blob_returns_true_for_encrypted_blobs():
    assert is_encrypted_blob(seal_value(KEY, 1, b"", b""))
    assert is_encrypted_blob(seal_value(KEY, 255, bytes(100_000), b""))


def test_is_encrypted_blob_returns_false_for_non_byte_arrays_short_byte_arrays_and_wrong_format_byte():
    blob = seal_value(KEY, 1, b"", b"")
    others = [None, "text", 1, [1] * 42, {"v": 1, "ct": "x"}, bytearray(blob), memoryview(blob), blob[:-1], b""]
    assert not any(map(is_encrypted_blob, [*others, b"\x00" + blob[1:], b"\x03" + blob[1:]]))


def test_bytes_to_base64_then_base64_to_bytes_returns_original_bytes():
    for size in (0, 1, 2, 3, 32, 300_000):
        raw = os.urandom(size)
        assert decode_base64(encode_base64(raw)) == raw


def test_base64_to_bytes_handles_standard_base64_strings():
    assert decode_base64("SGVsbG8=") == b"Hello"
    assert decode_base64("+/+/") == b"\xfb\xff\xbf"
    assert encode_base64(b"Hello") == "SGVsbG8="


def keyring(*entries):
    return Keyring(tuple(entry_of(version, Key(bytes([byte]) * 32)) for version, byte in entries))


def test_different_labels_produce_different_keys():
    ring = keyring((1, 9))
    labels = ("a", "b", "", "A", "a ", "é")
    assert len({derive_workspace_keys(ring, label).key(1)._raw for label in labels}) == len(labels)


def test_derived_workspace_key_matches_web_crypto_hkdf_output_for_fixed_fixtures():
    for case in VECTORS["deriveWorkspaceKey"]:
        ring = Keyring((KeyringEntry(1, case["ownerKeyBase64"]),))
        derived = derive_workspace_keys(ring, case["workspaceId"]).key(1)._raw
        assert derived.hex() == case["workspaceKey"]
        info = bytes.fromhex(case["infoHex"])
        assert derived == HKDF(SHA256(), 32, bytes(32), info).derive(base64.b64decode(case["ownerKeyBase64"]))


def test_keyrings_equal_ignores_order_and_compares_key_material():
    assert keyring((1, 1), (2, 2)) == keyring((2, 2), (1, 1))
    assert keyring((1, 1), (2, 2)).same_keys(keyring((2, 2), (1, 1)))
    for other in (keyring((1, 1)), keyring((1, 1), (2, 3)), keyring((1, 2), (2, 1)), keyring((1, 1), (3, 2))):
        assert keyring((1, 1), (2, 2)) != other
        assert not keyring((1, 1), (2, 2)).same_keys(other)


def test_parse_root_keyring_sorts_versions_descending():
    assert [(entry.version, entry.secret) for entry in read_secrets("1:old,3:new,2:middle")] == [
        (3, "new"),
        (2, "middle"),
        (1, "old"),
    ]


def test_secret_values_may_contain_colons():
    assert [entry.secret for entry in read_secrets("1:a:b::c")] == ["a:b::c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ENCRYPTION_SECRETS is required"),
        ("nocolon", 'Root keyring entry must use "version:secret" format'),
        ("1:a,", 'Root keyring entry must use "version:secret" format'),
        (":secret", "Root keyring entry version is required"),
        ("1:", "Root keyring entry secret is required"),
        (":", "Root keyring entry version is required"),
        ("x:", "Root keyring entry secret is required"),
    ],
)
def test_malformed_entries_throw(text, said):
    with pytest.raises(Misconfigured) as caught:
        read_secrets(text)
    assert caught.value.what == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1:a,1:b", "Duplicate root keyring version: 1"),
        ("1:a,01:b", "Duplicate root keyring version: 1"),
        ("0:a", "Root keyring entry version must be an integer from 1 to 255"),
        ("256:a", "Root keyring entry version must be an integer from 1 to 255"),
        ("-1:a", "Root keyring entry version must be an integer from 1 to 255"),
    ],
)
def test_duplicate_versions_and_out_of_range_versions_throw(text, said):
    with pytest.raises(Misconfigured) as caught:
        read_secrets(text)
    assert caught.value.what == said


def test_derive_keyring_derives_one_transport_key_for_every_root_key_version():
    for case in VECTORS["deriveKeyring"]:
        ring = derive_keyring(parse_secrets(case["secrets"]), case["ownerId"])
        assert [(entry.version, entry.key_bytes_base64) for entry in ring.entries] == [
            (entry["version"], entry["keyBytesBase64"]) for entry in case["keyring"]
        ]


def test_derive_keyring_output_bytes_are_pinned():
    root = parse_secrets("1:Y29uc3RhbnQtdGVzdC1zZWNyZXQtMzItYnl0ZS1zZWVk")
    for owner, pinned in (
        ("alice", "gkn6jlaCXiVx+RCTmQfb7GhEWwC+rhrI4hdCNC0y5Rs="),
        ("shared", "4ybZ11XJxgcWxBHJu6bg/sX5r8xquZKJKaSA4Tb1Jlk="),
    ):
        assert derive_keyring(root, owner).entries[0].key_bytes_base64 == pinned
