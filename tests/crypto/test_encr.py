"""The keys of runs elsewhere, and the ``encr`` envelope: what opens, and what is said of what does not."""

import os

import pytest

from strongroom.crypto import payload_format
from strongroom.crypto.encr import (
    decrypt_body,
    encrypt_body,
    import_deployment_key,
    import_run_key,
    open_encr,
    run_key,
    run_key_material,
    seal_encr,
)
from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput, LimitExceeded, RuntimeDecryptionError
from tests.fakes.payload_faults import fault_of

DEPLOYMENT = import_deployment_key(bytes(range(32)))
KEY = run_key(DEPLOYMENT, "prj_test123", "wrun_abc123")


def bytes_of(*names, deployment=DEPLOYMENT):
    return run_key(deployment, *names)._raw


def test_the_same_names_give_the_same_32_bytes():
    assert bytes_of("prj", "wrun_1") == bytes_of("prj", "wrun_1")
    assert len(bytes_of("prj", "wrun_1")) == 32


def test_another_run_project_or_deployment_gives_another_key():
    others = [
        bytes_of("prj", "wrun_2"),
        bytes_of("prj2", "wrun_1"),
        bytes_of("prj", "wrun_1", deployment=Key(bytes(32))),
    ]
    assert len({bytes_of("prj", "wrun_1"), *others}) == 4


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_key_has_32_bytes(size):
    with pytest.raises(InvalidInput) as caught:
        import_deployment_key(bytes(size))
    assert str(caught.value) == f"Invalid deployment key length: expected 32 bytes for AES-256, got {size} bytes"
    with pytest.raises(InvalidInput) as caught:
        import_run_key(bytes(size))
    assert str(caught.value) == f"Encryption key must be exactly 32 bytes, got {size}"


def test_a_project_is_needed_and_its_name_must_be_text():
    with pytest.raises(InvalidInput, match="^projectId must be a non-empty string$"):
        run_key(DEPLOYMENT, "", "wrun_1")
    with pytest.raises(InvalidInput, match="lone surrogate"):
        run_key(DEPLOYMENT, "\ud800", "wrun_1")


def test_key_material_is_of_the_run_and_never_of_the_deployment():
    material = run_key_material(DEPLOYMENT, "prj_test123", "wrun_abc123")
    assert material.key == KEY._raw != bytes(range(32))
    assert material.derivation_context == {"projectId": "prj_test123", "runId": "wrun_abc123"}


@pytest.mark.parametrize("size", [0, 1, 16, 1000, 65_536])
def test_what_was_encrypted_opens(size):
    plaintext = os.urandom(size)
    assert open_encr(KEY, seal_encr(KEY, plaintext)) == plaintext
    assert len(seal_encr(KEY, plaintext)) == size + 32


def test_every_cut_and_every_flipped_bit_is_refused():
    payload = seal_encr(KEY, b"secret")
    for length in range(len(payload)):
        fault_of(lambda cut=payload[:length]: open_encr(KEY, cut))
    fault_of(lambda: open_encr(KEY, payload + b"\0"))
    for bit in range(len(payload) * 8):
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        fault_of(lambda flipped=bytes(flipped): open_encr(KEY, flipped))


def test_a_short_payload_says_how_short_it_is():
    error = fault_of(lambda: open_encr(KEY, b"encr" + bytes(27)))
    assert str(error) == "Encrypted data too short: expected at least 28 bytes, got 27"
    assert (error.byte_length, error.format_prefix) == (27, "encr")


def test_a_wrong_key_is_the_fault_of_nobodys_guest():
    error = fault_of(lambda: open_encr(Key(bytes(32)), seal_encr(KEY, b"secret")))
    assert str(error) == "AES-256-GCM decryption failed: The operation failed for an operation-specific reason"
    assert (error.operation, error.byte_length, error.format_prefix) == ("decrypt", 34, "encr")


@pytest.mark.parametrize(("payload", "shown"), [(b"devl[42]", "devl"), (b"hunter2-and-more", "????"), (b"", "????")])
def test_another_prefix_is_named_only_where_it_is_a_known_one(payload, shown):
    error = fault_of(lambda: open_encr(KEY, payload))
    assert str(error) == f"Expected 'encr' prefix for encrypted data, got '{shown}'"
    assert error.format_prefix == shown.strip("?")


def test_the_low_level_has_associated_data_and_no_prefix():
    body = encrypt_body(KEY, b"secret", associated=b"a")
    assert decrypt_body(KEY, body, associated=b"a") == b"secret"
    for other in (b"", b"b"):
        assert fault_of(lambda other=other: decrypt_body(KEY, body, associated=other)).format_prefix == ""
    assert encrypt_body(KEY, b"x") != encrypt_body(KEY, b"x")


def test_what_is_too_large_is_neither_encrypted_nor_opened(monkeypatch):
    payload = seal_encr(KEY, b"12345678")
    monkeypatch.setattr(payload_format, "PAYLOAD_BYTES_MAX", 8)
    assert open_encr(KEY, payload) == b"12345678"
    with pytest.raises(LimitExceeded, match="a payload of 9 bytes is larger than 8"):
        seal_encr(KEY, b"123456789")
    with pytest.raises(LimitExceeded):
        open_encr(KEY, payload + b"9")


def test_no_error_shows_a_payload():
    for payload in (b"encr-this-is-plaintext-of-somebody-and-long", b"this-is-plaintext"):
        error = fault_of(lambda payload=payload: open_encr(KEY, payload))
        assert "this" not in f"{error!r} {error} {error.fix} {error.details}"
        assert isinstance(error, RuntimeDecryptionError)
