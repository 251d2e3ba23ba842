"""``srn1`` byte for byte, against a second implementation that shares no code with the first."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strongroom.crypto import srn1
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import Place
from strongroom.errors import InvalidInput, KeyMissing, Tampered
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.run_keys import RunKeys

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "srn1.json").read_text())["cases"]
KEY = Key.from_secret(b"a run's key, for tests")
PLACE = Place("wrun_1", "step_completed", "step_1", "result", 7, False, bytes(range(16)))


def independent(case):
    """The envelope of ``case``, straight from the text of the contract."""
    hkdf = lambda ikm, salt, info: HKDF(SHA256(), 32, salt, info).derive(ikm)  # noqa: E731 - as the contract writes it
    L = lambda data: len(data).to_bytes(8, "big") + data  # noqa: E731, N806 - the contract's own letter
    digest = Hash(SHA256())
    digest.update(case["secret"].encode())
    subroot = hkdf(digest.finalize(), b"strongroom/root/v1", b"runs")
    info = L(b"strongroom/run/v1") + L(case["deployment_id"].encode()) + L(case["run_id"].encode())
    key = hkdf(subroot, bytes(32), info)
    version = case["key_version"].to_bytes(4, "big")
    names = [case[name].encode() for name in ("run_id", "event_type", "correlation_id", "field")]
    ad = L(b"srn1") + version + b"".join(map(L, names)) + case["index"].to_bytes(8, "big") + bytes([case["final"]])
    ad += L(bytes.fromhex(case["previous_tag"]))
    nonce = bytes.fromhex(case["nonce"])
    return b"srn1" + version + nonce + AESGCM(key).encrypt(nonce, bytes.fromhex(case["plaintext"]), ad)


def place_of(case):
    names = [case[name] for name in ("run_id", "event_type", "correlation_id", "field", "index", "final")]
    return Place(*names, bytes.fromhex(case["previous_tag"]))


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_a_golden_vector_is_what_the_contract_says(case):
    assert independent(case).hex() == case["blob"]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_sealing_with_the_vectors_nonce_gives_its_bytes_and_opening_gives_its_plaintext(case, monkeypatch):
    keys = RunKeys(parse_secrets(f"{case['key_version']}:{case['secret']}"), case["deployment_id"])
    monkeypatch.setattr(os, "urandom", lambda size: bytes.fromhex(case["nonce"])[:size])
    plaintext, place = bytes.fromhex(case["plaintext"]), place_of(case)
    assert keys.seal(place, plaintext, key_version=case["key_version"]).hex() == case["blob"]
    assert keys.open(place, bytes.fromhex(case["blob"])) == plaintext
    assert srn1.key_version_of(bytes.fromhex(case["blob"])) == case["key_version"]
    assert srn1.tag_of(bytes.fromhex(case["blob"])).hex() == case["blob"][-32:]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 65_536])
def test_what_was_sealed_opens(size):
    blob = srn1.seal(KEY, 3, PLACE, b"x" * size)
    assert len(blob) == 36 + size
    assert srn1.open_sealed(lambda version: {3: KEY}[version], PLACE, blob) == b"x" * size


def test_equal_plaintexts_give_different_envelopes():
    assert srn1.seal(KEY, 1, PLACE, b"same") != srn1.seal(KEY, 1, PLACE, b"same")


def only_version_1(version):
    if version != 1:
        raise KeyMissing("SR-KEY-002", f"version {version}")
    return KEY


def test_every_cut_is_tampered():
    blob = srn1.seal(KEY, 1, PLACE, b"secret")
    for length in range(len(blob)):
        with pytest.raises(Tampered):
            srn1.open_sealed(only_version_1, PLACE, blob[:length])
    with pytest.raises(Tampered):
        srn1.open_sealed(only_version_1, PLACE, blob + b"\0")


def test_every_flipped_bit_is_tampered_or_names_a_missing_key():
    blob = srn1.seal(KEY, 1, PLACE, b"secret")
    for bit in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        expected = KeyMissing if 4 <= bit // 8 < 8 else Tampered
        with pytest.raises(expected):
            srn1.open_sealed(only_version_1, PLACE, bytes(flipped))


def test_the_version_in_the_header_is_authenticated():
    blob = bytearray(srn1.seal(KEY, 1, PLACE, b"secret"))
    blob[7] = 2
    with pytest.raises(Tampered):
        srn1.open_sealed(lambda _version: KEY, PLACE, bytes(blob))


OTHERS = {
    "run_id": "wrun_2",
    "event_type": "step_failed",
    "correlation_id": "step_2",
    "field": "error",
    "index": 8,
    "final": True,
    "previous_tag": bytes(16),
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Place)])
def test_an_envelope_opens_only_where_it_was_sealed(name):
    blob = srn1.seal(KEY, 1, PLACE, b"secret")
    with pytest.raises(Tampered):
        srn1.open_sealed(only_version_1, dataclasses.replace(PLACE, **{name: OTHERS[name]}), blob)


@pytest.mark.parametrize(
    "shifted",
    [
        dataclasses.replace(PLACE, run_id="wrun_1s", event_type="tep_completed"),
        dataclasses.replace(PLACE, event_type="step_completedstep_1", correlation_id=""),
        dataclasses.replace(PLACE, correlation_id="step_1result", field=""),
        dataclasses.replace(PLACE, previous_tag=b""),
    ],
    ids=["run to event", "event to correlation", "correlation to field", "tag to nothing"],
)
def test_a_border_between_parts_of_the_place_cannot_shift(shifted):
    blob = srn1.seal(KEY, 1, PLACE, b"secret")
    with pytest.raises(Tampered):
        srn1.open_sealed(only_version_1, shifted, blob)


@pytest.mark.parametrize(
    "untrusted", [b"", b"srn1", b"encr" + bytes(40), b"srr1" + bytes(40), b"SRN1" + bytes(40), "text", 7, None]
)
def test_what_is_no_envelope_is_tampered_everywhere(untrusted):
    for reader in (srn1.key_version_of, srn1.tag_of, lambda blob: srn1.open_sealed(only_version_1, PLACE, blob)):
        with pytest.raises(Tampered):
            reader(untrusted)


@pytest.mark.parametrize(
    ("place", "version"),
    [
        (dataclasses.replace(PLACE, index=-1), 1),
        (dataclasses.replace(PLACE, index=2**64), 1),
        (dataclasses.replace(PLACE, field="\ud800"), 1),
        (PLACE, -1),
        (PLACE, 2**32),
    ],
    ids=["index below 0", "index above u64", "lone surrogate", "version below 0", "version above u32"],
)
def test_a_place_that_has_no_bytes_is_refused(place, version):
    with pytest.raises(InvalidInput):
        srn1.seal(KEY, version, place, b"secret")
