"""Values of March 2026, against those that the original wrote."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.crypto.archived_blob import is_archived_blob, open_archived
from strongroom.crypto.base64_text import decode_base64, encode_base64
from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_text import text_bytes, text_of
from strongroom.errors import InvalidInput, Tampered

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "epicenter-archived.json").read_text())
GOOD = VECTORS["baseForNegatives"]


@pytest.mark.parametrize("case", VECTORS["cloudKey"], ids=lambda case: case["secret"])
def test_the_key_of_a_deployment_is_that_of_the_original(case):
    assert Key.from_secret(text_bytes(case["secret"]))._raw.hex() == case["key"]


def test_every_value_of_the_original_is_recognised_and_opens():
    for case in VECTORS["encryptValue"]:
        assert is_archived_blob(case["blob"]) is case["isEncryptedBlob"] is True
        opened = open_archived(Key(bytes.fromhex(case["key"])), case["blob"])
        assert opened.hex() == case["plaintextUtf8"]
        assert text_of(opened) == case["decrypted"]
        # The other direction, which only a test needs: nothing of ours writes such a value.
        nonce = bytes.fromhex(case["nonce"])
        sealed = AESGCM(bytes.fromhex(case["key"])).encrypt(nonce, text_bytes(case["plaintext"]), None)
        assert encode_base64(nonce + sealed) == case["blob"]["ct"]


@pytest.mark.parametrize("case", VECTORS["decryptValueNegative"], ids=lambda case: case["name"])
def test_what_the_original_refused_is_refused(case):
    if case["kind"] == "key-length":
        with pytest.raises(InvalidInput, match="Encryption key must be 32 bytes"):
            Key(bytes.fromhex(case["key"]))
        return
    with pytest.raises(Tampered, match="failed authentication"):
        open_archived(Key(bytes.fromhex(case["key"])), case["blob"])


@pytest.mark.parametrize("case", VECTORS["isEncryptedBlob"], ids=lambda case: case["name"])
def test_a_value_is_recognised_as_the_original_did(case):
    assert is_archived_blob(case["value"]) is case["expected"]


@pytest.mark.parametrize(
    "value", [{"v": True, "ct": "x"}, {"v": 1, "ct": b"x"}, {"V": 1, "ct": "x"}, "v", 1, b"ct", {}]
)
def test_other_values_are_none(value):
    assert not is_archived_blob(value)


def test_a_number_as_a_document_gives_it_back_is_the_same_version():
    blob = {"v": 1.0, "ct": GOOD["blob"]["ct"]}
    assert is_archived_blob(blob)
    assert open_archived(Key(bytes.fromhex(GOOD["key"])), blob) == GOOD["plaintext"].encode()


@pytest.mark.parametrize("version", [0, 2, 1.5, -1])
def test_the_version_is_looked_at_when_it_is_opened(version):
    blob = {"v": version, "ct": GOOD["blob"]["ct"]}
    assert is_archived_blob(blob)
    with pytest.raises(InvalidInput) as caught:
        open_archived(Key(bytes.fromhex(GOOD["key"])), blob)
    assert caught.value.code == "SR-KEY-018"


def test_every_cut_and_every_flip_is_refused():
    key, raw = Key(bytes.fromhex(GOOD["key"])), decode_base64(GOOD["blob"]["ct"])
    changed = [raw[:length] for length in range(len(raw))]
    for bit in range(len(raw) * 8):
        flip = bytearray(raw)
        flip[bit // 8] ^= 1 << bit % 8
        changed.append(bytes(flip))
    for wrong in changed:
        with pytest.raises(Tampered):
            open_archived(key, {"v": 1, "ct": encode_base64(wrong)})


def test_a_large_value_opens():
    nonce, plaintext = bytes(12), b"x" * 3_000_000
    blob = {"v": 1, "ct": encode_base64(nonce + AESGCM(bytes(32)).encrypt(nonce, plaintext, None))}
    assert open_archived(Key(bytes(32)), blob) == plaintext
