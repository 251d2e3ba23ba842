"""Every group of the vectors that the original implementation made, byte for byte, in both directions."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from strongroom.crypto import encp
from strongroom.crypto.base64_text import decode_base64, decode_strict_base64
from strongroom.crypto.compression import decompressed
from strongroom.crypto.encp import RunKeyPair, SealTarget
from strongroom.crypto.encr import (
    decrypt_body,
    encrypt_body,
    import_deployment_key,
    import_run_key,
    open_encr,
    run_key,
    seal_encr,
)
from strongroom.crypto.keys import Key
from strongroom.crypto.payload_format import prefix_of
from strongroom.errors import InvalidInput, RuntimeDecryptionError
from strongroom.interop.event_ids import event_id_of, slot_of
from strongroom.interop.payloads import RunPayloadKeys, open_payload, write_payload
from strongroom.interop.stream_frames import FRAME_BYTES_MAX, FrameReader, FrameWriter, frame_of, open_frame

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "vercel.json").read_text())
USED = {
    *("deriveRunKey", "deriveRunKeyErrors", "hkdfDelimiterAmbiguity", "encr", "encrLarge", "lowLevelWithAad"),
    *("streamFrames", "gzipInsideEncr", "negative", "importKeyErrors", "runKeyPair", "encp", "encpNegative"),
    *("sealLowOrderRecipient", "base64Strict", "formatPrefix", "slotEventIds", "meta"),
}


def named(group):
    return pytest.mark.parametrize("case", VECTORS[group], ids=lambda case: str(case.get("name", ""))[:60] or None)


def raw(text):
    return bytes.fromhex(text)


@pytest.fixture
def nonce(monkeypatch):
    """Have this nonce drawn next."""
    return lambda text: monkeypatch.setattr(os, "urandom", lambda size: raw(text)[:size])


def keys_of(reader, text):
    key = Key(raw(text)) if text else None
    return {
        "runKeys": lambda: RunPayloadKeys.of(key),
        "symmetric": lambda: key,
        "none": lambda: None,
        "sealTarget": lambda: SealTarget(RunKeyPair(key).public),
    }[reader]()


def test_no_group_is_left_out():
    assert set(VECTORS) == USED


@named("deriveRunKey")
def test_a_run_key_is_derived(case):
    deployment_key = import_deployment_key(raw(case["deploymentKey"]))
    assert decode_base64(case["deploymentKeyBase64"]) == raw(case["deploymentKey"])
    assert f"{case['projectId']}|{case['runId']}".encode().hex() == case["infoHex"]
    assert run_key(deployment_key, case["projectId"], case["runId"])._raw.hex() == case["runKey"]


@named("deriveRunKeyErrors")
def test_a_run_key_is_not_derived(case):
    with pytest.raises(InvalidInput) as caught:
        run_key(import_deployment_key(bytes(case["deploymentKeyLength"])), case["projectId"], "wrun_1")
    assert str(caught.value) == case["error"]


def test_a_border_in_the_info_can_shift_as_it_does_elsewhere():
    keys = {run_key(Key(bytes(32)), *names)._raw for names in (("prj|x", "wrun_1"), ("prj", "x|wrun_1"))}
    assert (len(keys) == 1) is VECTORS["hkdfDelimiterAmbiguity"]["same"]


@named("encr")
def test_an_envelope_has_the_bytes_of_the_original_and_opens(case, nonce):
    key, plaintext = Key(raw(case["runKey"])), raw(case["devl"])
    if case["devalue"] is not None:
        assert plaintext == b"devl" + case["devalue"].encode()
    nonce(case["nonce"])
    assert seal_encr(key, plaintext).hex() == case["payload"]
    assert write_payload(plaintext, key).hex() == case["payload"]
    assert open_encr(key, raw(case["payload"])) == plaintext
    assert open_payload(raw(case["payload"]), RunPayloadKeys.of(key)) == plaintext


def test_a_large_envelope_has_the_bytes_of_the_original(nonce):
    case = VECTORS["encrLarge"]
    row = bytes(j * 31 & 0xFF for j in range(256))
    plaintext = b"".join(bytes((each + block) & 0xFF for each in row) for block in range(256)) * 16
    assert hashlib.sha256(plaintext).hexdigest() == case["plaintextSha256"]
    nonce(case["nonce"])
    payload = seal_encr(Key(raw(case["runKey"])), plaintext)
    assert (len(payload), hashlib.sha256(payload).hexdigest()) == (case["length"], case["sha256"])
    assert (payload[:48].hex(), payload[-32:].hex()) == (case["head48"], case["tail32"])
    assert open_encr(Key(raw(case["runKey"])), payload) == plaintext


def test_associated_data_is_possible_at_the_low_level_alone(nonce):
    case = VECTORS["lowLevelWithAad"]
    key, associated = Key(raw(case["key"])), case["aad"].encode()
    nonce(case["nonce"])
    assert encrypt_body(key, raw(case["plaintext"]), associated=associated).hex() == case["out"]
    assert decrypt_body(key, raw(case["out"]), associated=associated) == raw(case["plaintext"])
    for other in (b"", b"prj_test123|wrun_abc12"):
        with pytest.raises(RuntimeDecryptionError) as caught:
            decrypt_body(key, raw(case["out"]), associated=other)
        assert caught.value.format_prefix == "", "the low level records no prefix"


def test_frames_of_streams_have_the_bytes_of_the_original(nonce):
    case = VECTORS["streamFrames"]
    key, chunk = Key(raw(VECTORS["encr"][0]["runKey"])), f'devl["{case["chunk"]}"]'.encode()
    assert case["maxFrame"] == FRAME_BYTES_MAX
    assert frame_of(chunk).hex() == case["plainFrame"]
    assert FrameWriter(None, strict=False).frame(chunk).hex() == case["plainFrame"]
    nonce(case["nonce"])
    assert FrameWriter(key).frame(chunk).hex() == case["encryptedFrame"]
    plain, encrypted = FrameReader().feed(raw(case["plainFrame"]) + raw(case["encryptedFrame"]))
    assert (plain, open_frame(encrypted, key)) == (chunk, chunk)


def test_what_is_compressed_inside_an_envelope_opens(nonce):
    case = VECTORS["gzipInsideEncr"]
    key = Key(raw(case["runKey"]))
    assert open_encr(key, raw(case["payload"])).hex() == case["gzipPayload"]
    assert open_payload(raw(case["payload"]), key).hex() == case["devl"]
    assert decompressed(raw(case["gzipPayload"])).hex() == case["devl"]
    nonce(case["nonce"])
    assert seal_encr(key, raw(case["gzipPayload"])).hex() == case["payload"]


def refused(case, payload, keys):
    with pytest.raises(RuntimeDecryptionError) as caught:
        open_payload(payload, keys, strict=False)
    error, context = caught.value, case["result"]["context"]
    assert str(error) == case["result"]["error"]
    assert (error.operation, error.byte_length, error.format_prefix) == tuple(context.values())
    assert error.details == dict(zip(("operation", "byte_length", "format_prefix"), context.values(), strict=True))


@named("negative")
def test_what_does_not_open_says_the_same(case):
    payload = raw(case["input"]) if isinstance(case["input"], str) else case["input"]
    keys = Key(raw(case["runKey"])) if case["runKey"] else None
    if not case["result"]["ok"]:
        refused(case, payload, keys)
        return
    value = case["result"]["value"]
    assert open_payload(payload, keys, strict=False) == (raw(value["hex"]) if isinstance(value, dict) else value)
    with pytest.raises(RuntimeDecryptionError, match="a payload is not encrypted"):
        open_payload(payload, keys)


@named("importKeyErrors")
def test_a_key_of_another_length_is_not_imported(case):
    with pytest.raises(InvalidInput) as caught:
        import_run_key(bytes(case["keyLength"]))
    assert str(caught.value) == case["error"]


def test_the_key_pair_of_a_run_follows_from_its_key():
    case = VECTORS["runKeyPair"]
    key = import_run_key(raw(case["runKey"]))
    assert key.derive(salt=bytes(32), info=case["scalarInfo"].encode())._raw.hex() == case["scalar"]
    pair = RunKeyPair(key)
    assert (pair.public.hex(), pair.public_text) == (case["publicKey"], case["publicKeyBase64"])
    assert SealTarget.from_text(case["publicKeyBase64"]).public == pair.public


@named("encp")
def test_a_sealed_payload_of_the_original_opens(case):
    pair, payload = RunKeyPair(Key(raw(case["recipientRunKey"]))), raw(case["payload"])
    associated = raw(case["aad"] or "")
    assert pair.open_body(payload[4:], associated=associated) == raw(case["plaintext"])
    if not associated:
        assert open_payload(payload, RunPayloadKeys.of(Key(raw(case["recipientRunKey"])))) == raw(case["plaintext"])


@named("encpNegative")
def test_a_sealed_payload_that_does_not_open_says_the_same(case):
    assert case["aad"] is None
    refused(case, raw(case["input"]), keys_of(case["reader"], case["runKey"]))


def test_nothing_is_sealed_to_a_key_of_low_order():
    case = VECTORS["sealLowOrderRecipient"]
    target = SealTarget(raw(case["recipientPublicKey"]))
    for seal in (target.seal, lambda data: encp.BoxWriter(target).seal(data), lambda data: FrameWriter(target)):
        with pytest.raises(InvalidInput) as caught:
            seal(b"secret")
        assert str(caught.value) == case["error"]


@named("base64Strict")
def test_base64_has_one_spelling(case):
    assert decode_strict_base64(case["input"]) == (None if case["bytes"] is None else raw(case["bytes"]))


@named("formatPrefix")
def test_four_bytes_are_a_prefix_or_not(case):
    assert prefix_of(case["prefix"].encode() + b"rest") == case["peek"]


@named("slotEventIds")
def test_the_id_of_an_event_is_its_slot(case):
    assert event_id_of(case["slot"]) == case["eventId"]
    assert slot_of(case["eventId"]) == case["slot"]
