"""The cases of the proposal that strongroom carries on, under its names, one to one.

Source: contracts/run-encryption.md 16, "SEED (18)".
"""

import os

import pytest

from strongroom.crypto.base64_text import encode_base64
from strongroom.errors import RuntimeDecryptionError
from strongroom.interop.encryptor import EncryptionContext, create_encryptor, create_encryptor_from_env

DEPLOYMENT_KEY = bytes(range(32))
PROJECT = "prj_test123"
CONTEXT = EncryptionContext("wrun_abc123")
ENVIRONMENT = {
    "VERCEL_DEPLOYMENT_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "VERCEL_PROJECT_ID": PROJECT,
}
DATA = b"Hello, World!"
FAILED = "AES-256-GCM decryption failed"


@pytest.fixture
def encryptor():
    return create_encryptor(deployment_key=DEPLOYMENT_KEY, project_id=PROJECT)


class TestRoundTrip:
    def test_should_encrypt_and_decrypt_data_correctly(self, encryptor):
        assert encryptor.decrypt(encryptor.encrypt(DATA, CONTEXT), CONTEXT) == DATA

    def test_should_encrypt_and_decrypt_empty_data(self, encryptor):
        assert encryptor.decrypt(encryptor.encrypt(b"", CONTEXT), CONTEXT) == b""

    def test_should_encrypt_and_decrypt_large_data(self, encryptor):
        data = os.urandom(65_536)
        assert encryptor.decrypt(encryptor.encrypt(data, CONTEXT), CONTEXT) == data

    def test_should_encrypt_and_decrypt_binary_data_with_all_byte_values(self, encryptor):
        data = bytes(range(256))
        assert encryptor.decrypt(encryptor.encrypt(data, CONTEXT), CONTEXT) == data


class TestFormat:
    def test_should_produce_encrypted_data_with_encr_prefix(self, encryptor):
        assert encryptor.encrypt(DATA, CONTEXT)[:4] == b"encr"

    def test_should_produce_encrypted_data_with_correct_structure(self, encryptor):
        encrypted = encryptor.encrypt(DATA, CONTEXT)
        assert len(encrypted) >= 32
        assert len(encrypted) - 4 - 12 == len(DATA) + 16

    def test_should_produce_different_ciphertext_for_same_data(self, encryptor):
        one, other = encryptor.encrypt(DATA, CONTEXT), encryptor.encrypt(DATA, CONTEXT)
        assert one != other
        assert one[4:16] != other[4:16], "the nonces are random"


class TestPerRunKeyIsolation:
    def test_should_produce_different_ciphertext_for_different_run_ids(self, encryptor, monkeypatch):
        monkeypatch.setattr(os, "urandom", bytes)
        here, there = (encryptor.encrypt(DATA, EncryptionContext(run)) for run in ("wrun_abc123", "wrun_def456"))
        assert here[:16] == there[:16]
        assert here[16:] != there[16:]

    def test_should_fail_to_decrypt_with_wrong_run_id(self, encryptor):
        with pytest.raises(RuntimeDecryptionError, match=FAILED):
            encryptor.decrypt(encryptor.encrypt(DATA, CONTEXT), EncryptionContext("wrun_different"))


class TestDecryptValidation:
    def test_should_throw_on_invalid_prefix(self, encryptor):
        encrypted = b"xxxx" + encryptor.encrypt(DATA, CONTEXT)[4:]
        with pytest.raises(RuntimeDecryptionError, match="^Expected 'encr' prefix for encrypted data, got "):
            encryptor.decrypt(encrypted, CONTEXT)

    def test_should_throw_on_tampered_ciphertext(self, encryptor):
        encrypted = bytearray(encryptor.encrypt(DATA, CONTEXT))
        encrypted[20] ^= 0xFF
        with pytest.raises(RuntimeDecryptionError, match=FAILED):
            encryptor.decrypt(bytes(encrypted), CONTEXT)

    def test_should_throw_on_truncated_data(self, encryptor):
        with pytest.raises(
            RuntimeDecryptionError, match="^Encrypted data too short: expected at least 28 bytes, got 16$"
        ):
            encryptor.decrypt(encryptor.encrypt(DATA, CONTEXT)[:20], CONTEXT)


class TestGetKeyMaterial:
    def test_should_return_key_material_with_correct_structure(self, encryptor):
        """Not the deployment key, as in the proposal: the key of that run (contract 14, row 9)."""
        material = encryptor.get_key_material("wrun_abc123")
        assert len(material.key) == 32
        assert material.key != DEPLOYMENT_KEY
        assert material.key.hex() == "1a81ea842919fd307ca4a4a2b37a17b2597292465b7bd271fb73b154f17dbff5"
        assert material.derivation_context == {"projectId": PROJECT, "runId": "wrun_abc123"}
        assert (material.algorithm, material.kdf) == ("AES-256-GCM", "HKDF-SHA256")


class TestProjectIsolation:
    def test_should_fail_to_decrypt_with_different_project_id(self, encryptor):
        other = create_encryptor(deployment_key=DEPLOYMENT_KEY, project_id="prj_different")
        with pytest.raises(RuntimeDecryptionError, match=FAILED):
            other.decrypt(encryptor.encrypt(DATA, CONTEXT), CONTEXT)

    def test_should_fail_to_decrypt_with_different_deployment_key(self, encryptor):
        other = create_encryptor(deployment_key=b"\xff" * 32, project_id=PROJECT)
        with pytest.raises(RuntimeDecryptionError, match=FAILED):
            other.decrypt(encryptor.encrypt(DATA, CONTEXT), CONTEXT)


class TestCreateEncryptorFromEnv:
    PARTS = ("encrypt", "decrypt", "get_key_material")

    def test_should_return_empty_object_when_vercel_deployment_key_is_not_set(self):
        empty = create_encryptor_from_env({"VERCEL_PROJECT_ID": PROJECT})
        assert [part for part in self.PARTS if hasattr(empty, part)] == []

    def test_should_return_empty_object_when_vercel_project_id_is_not_set(self):
        empty = create_encryptor_from_env({"VERCEL_DEPLOYMENT_KEY": encode_base64(DEPLOYMENT_KEY)})
        assert [part for part in self.PARTS if hasattr(empty, part)] == []

    def test_should_return_working_encryptor_when_both_env_vars_are_set(self, encryptor):
        made = create_encryptor_from_env(ENVIRONMENT)
        assert [part for part in self.PARTS if hasattr(made, part)] == list(self.PARTS)
        assert made.decrypt(made.encrypt(DATA, CONTEXT), CONTEXT) == DATA
        assert encryptor.decrypt(made.encrypt(DATA, CONTEXT), CONTEXT) == DATA
