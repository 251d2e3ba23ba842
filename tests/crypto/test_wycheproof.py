"""Project Wycheproof against our doors, where the file is at hand."""

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from strongroom.crypto import aes_gcm, encp, encr, xchacha
from strongroom.crypto.box import BoxKey, seal_to
from strongroom.crypto.keys import Key, _hkdf
from strongroom.errors import InvalidInput, RuntimeDecryptionError, Tampered
from tests.faults.figures import record

FILES = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "wycheproof"


def groups(name):
    path = FILES / name
    if not path.exists():
        pytest.skip(f"Wycheproof vectors are absent: ../shared/vectors/wycheproof/{name}")
    return json.loads(path.read_text())["testGroups"]


def test_aes_gcm(monkeypatch):
    seen = 0
    for group in groups("aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for case in group["tests"]:
            key, nonce, associated, plaintext, ciphertext, tag = (
                bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
            )
            envelope = nonce + ciphertext + tag
            if case["result"] == "valid":
                assert aes_gcm.decrypt(Key(key), envelope, associated) == plaintext, case["tcId"]
                monkeypatch.setattr(os, "urandom", lambda _size, nonce=nonce: nonce)
                assert aes_gcm.encrypt(Key(key), plaintext, associated) == envelope, case["tcId"]
            else:
                with pytest.raises(Tampered):
                    aes_gcm.decrypt(Key(key), envelope, associated)
            seen += 1
    assert seen > 60


@pytest.mark.parametrize("small_bytes_max", [0, 1 << 40], ids=["OpenSSL", "libsodium"])
def test_xchacha20_poly1305(small_bytes_max, monkeypatch):
    """Nonces of another size are among the invalid cases; ours are always 24 bytes, so those cannot be given."""
    monkeypatch.setattr(xchacha, "SMALL_BYTES_MAX", small_bytes_max)
    seen = 0
    for group in groups("xchacha20_poly1305_test.json"):
        if group["ivSize"] != 192:
            assert {case["result"] for case in group["tests"]} == {"invalid"}
            continue
        assert (group["keySize"], group["tagSize"]) == (256, 128)
        for case in group["tests"]:
            key, nonce, associated, plaintext, ciphertext, tag = (
                bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
            )
            sealed = nonce + ciphertext + tag
            if case["result"] == "valid":
                assert xchacha.decrypt(Key(key), sealed, associated) == plaintext, case["tcId"]
                monkeypatch.setattr(os, "urandom", lambda _size, nonce=nonce: nonce)
                assert xchacha.encrypt(Key(key), plaintext, associated) == sealed, case["tcId"]
            else:
                with pytest.raises(Tampered):
                    xchacha.decrypt(Key(key), sealed, associated)
            seen += 1
    record("K1", "Wycheproof XChaCha20-Poly1305, nonces of 24 bytes", demanded="all", measured=f"all {seen}", met=True)
    assert seen > 250


def test_hkdf():
    """Our output is always 32 bytes: the start of a longer output, of which a shorter one is the start."""
    seen = 0
    for group in groups("hkdf_sha256_test.json"):
        for case in group["tests"]:
            if case["result"] != "valid":
                continue
            ikm, salt, info, okm = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info", "okm"))
            size = min(32, len(okm))
            assert _hkdf(ikm, salt=salt, info=info)[:size] == okm[:size], case["tcId"]
            if len(ikm) == 32:
                assert Key(ikm).derive(salt=salt, info=info)._raw[:size] == okm[:size], case["tcId"]
            seen += 1
    record("K1", "Wycheproof HKDF-SHA256, valid cases", demanded="all", measured=f"all {seen}", met=True)
    assert seen > 60


def test_x25519_points_of_low_order_are_refused_as_recipients():
    seen = 0
    for group in groups("x25519_test.json"):
        for case in group["tests"]:
            if "ZeroSharedSecret" in case["flags"]:
                with pytest.raises(InvalidInput):
                    seal_to(case["public"], b"secret")
                seen += 1
            elif case["result"] == "valid":
                key = BoxKey.from_hex(case["private"])
                assert key.open(seal_to(key.public_hex, b"secret")) == b"secret"
    assert seen > 5


def test_aes_gcm_in_the_envelopes_of_others(monkeypatch):
    seen = 0
    for group in groups("aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for case in group["tests"]:
            key, nonce, associated, plaintext, ciphertext, tag = (
                bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
            )
            body = nonce + ciphertext + tag
            if case["result"] == "valid":
                monkeypatch.setattr(os, "urandom", lambda _size, nonce=nonce: nonce)
                assert encr.encrypt_body(Key(key), plaintext, associated=associated) == body, case["tcId"]
                assert encr.decrypt_body(Key(key), body, associated=associated) == plaintext, case["tcId"]
                if not associated:
                    assert encr.open_encr(Key(key), b"encr" + body) == plaintext, case["tcId"]
            else:
                with pytest.raises(RuntimeDecryptionError):
                    encr.decrypt_body(Key(key), body, associated=associated)
            seen += 1
    assert seen > 60


def test_x25519_in_sealed_payloads():
    """Every shared secret but the one of zeros opens what was sealed under it; that one is refused on both sides."""
    pair, seen, refused = encp.RunKeyPair(Key(bytes(32))), 0, 0
    for group in groups("x25519_test.json"):
        for case in group["tests"]:
            sender, shared = bytes.fromhex(case["public"]), Key(bytes.fromhex(case["shared"]))
            pair._private = X25519PrivateKey.from_private_bytes(bytes.fromhex(case["private"]))
            pair.public = pair._private.public_key().public_bytes_raw()
            body = sender + encr.encrypt_body(encp._content_key(shared, sender, pair.public), b"sealed")
            if "ZeroSharedSecret" in case["flags"]:
                with pytest.raises(RuntimeDecryptionError, match="X25519 key agreement failed while opening"):
                    pair.open_body(body)
                with pytest.raises(InvalidInput, match="not a valid curve point"):
                    encp.SealTarget(sender).seal(b"secret")
                refused += 1
            else:
                assert pair.open_body(body) == b"sealed", case["tcId"]
            seen += 1
    assert seen > 500
    assert refused > 5
