"""Payloads of runs through all their layers: what opens, what is refused, and that nothing falls back to plaintext."""

import pytest

from strongroom.crypto import payload_format
from strongroom.crypto.compression import Codec, compressed
from strongroom.crypto.encp import BoxWriter, SealTarget
from strongroom.crypto.encr import seal_encr
from strongroom.crypto.keys import Key
from strongroom.crypto.payload_format import Format, format_of
from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.interop.capabilities import EVERY_ABILITY, Ability
from strongroom.interop.payloads import RunPayloadKeys, open_payload, write_payload, writing_keys
from tests.fakes.payload_faults import fault_of

KEY = Key(bytes(range(32)))
KEYS = RunPayloadKeys.of(KEY)
OTHER = RunPayloadKeys.of(Key(bytes(32)))
TARGET = SealTarget(KEYS.pair.public)
DEVL = b"devl[42]"
LARGE = b'devl["' + b"workflow " * 500 + b'"]'
LEGACY = [["x"], {"a": 1}, "text", 7, None]

# What goes through the layer between a value and its run, in every direction that upstream has: arguments, arguments of
# a step, its result, the result of the run, each with dates, maps, sets and big integers as devalue writes them.
BODIES = {
    "arguments": b'devl[[1,2],"a",42]',
    "step arguments": b'devl[{"args":1},[2],7]',
    "step result": b'devl[["Date","1970-01-01T00:00:00.000Z"]]',
    "run result": b'devl[["Map",1,2],"a",["Set",3],["BigInt","12345678901234567890"]]',
    "error": b'devl[["Error",1],{"message":2},"' + b"large " * 5000 + b'"]',
    "undefined": b"devl-1",
    "empty": b"",
}
EVERY_BODY = pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)


@EVERY_BODY
@pytest.mark.parametrize("codec", [None, *Codec], ids=["as it is", "gzip", "zstd"])
@pytest.mark.parametrize("keys", [KEY, KEYS, TARGET, BoxWriter(TARGET)], ids=["key", "run keys", "target", "writer"])
def test_every_direction_round_trips(body, codec, keys):
    payload = write_payload(body, keys, codec=codec)
    assert format_of(payload) is (Format.ENCR if keys in (KEY, KEYS) else Format.ENCP)
    assert open_payload(payload, KEYS) == body


@EVERY_BODY
def test_without_a_key_and_not_strict_a_payload_stays_as_it_is(body):
    assert write_payload(body, None, strict=False) == body
    assert open_payload(body, None, strict=False) == body
    assert open_payload(body, KEYS, strict=False) == body, "old runs and mixed logs stay readable"


@pytest.mark.parametrize("value", LEGACY, ids=repr)
def test_what_is_not_binary_stays_as_it_is_where_it_is_not_strict(value):
    for keys in (None, KEY, KEYS, TARGET):
        assert open_payload(value, keys, strict=False) == value
        assert write_payload(value, keys, strict=False) == value
        assert fault_of(lambda keys=keys: open_payload(value, keys)).code == "SR-INTEROP-020"
        with pytest.raises(InvalidInput, match="in the clear"):
            write_payload(value, keys)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_binary_is_binary(kind):
    payload = write_payload(kind(DEVL), KEY)
    assert format_of(payload) is Format.ENCR, "never passed on because it is no bytes object"
    assert open_payload(kind(payload), KEY) == DEVL


DOWNGRADES = {
    "plaintext": DEVL,
    "compressed plaintext": compressed(LARGE, Codec.GZIP),
    "unknown prefix": b"encx" + bytes(40),
    "upper case": b"ENCR" + bytes(40),
    "no prefix": b"\x00\x01\x02\x03\x04",
    "three bytes": b"enc",
    "nothing": b"",
    "our own envelope": b"srn1" + bytes(40),
}


@pytest.mark.parametrize("payload", DOWNGRADES.values(), ids=DOWNGRADES)
def test_strict_is_the_default_and_refuses_what_is_not_encrypted(payload):
    for keys in (KEYS, KEY, TARGET, None):
        error = fault_of(lambda keys=keys: open_payload(payload, keys))
        assert error.code == "SR-INTEROP-020"
        assert error.format_prefix in {"", "devl", "gzip"}
        assert error.byte_length == len(payload)


def test_nothing_is_written_in_the_clear_unless_somebody_says_so():
    for keys, abilities in ((None, EVERY_ABILITY), (KEY, {Ability.DEVL}), (TARGET, {Ability.DEVL, Ability.ENCR})):
        with pytest.raises(InvalidInput) as caught:
            write_payload(DEVL, keys, abilities=frozenset(abilities))
        assert caught.value.code in {"SR-INTEROP-021", "SR-INTEROP-022"}
        assert write_payload(DEVL, keys, abilities=frozenset(abilities), strict=False) == DEVL


@pytest.mark.parametrize("strict", [True, False])
def test_encrypted_data_without_a_key_is_an_error_in_every_mode(strict):
    for keys in (None, TARGET):
        error = fault_of(lambda keys=keys: open_payload(seal_encr(KEY, DEVL), keys, strict=strict))
        assert str(error) == (
            "Encrypted data encountered but no encryption key is available."
            " Encryption is not configured or no key was provided for this run."
        )
        assert (error.byte_length, error.format_prefix) == (len(DEVL) + 32, "encr")


@pytest.mark.parametrize("strict", [True, False])
def test_sealed_data_needs_the_key_pair_in_every_mode(strict):
    for keys in (None, KEY, TARGET):
        error = fault_of(lambda keys=keys: open_payload(TARGET.seal(DEVL), keys, strict=strict))
        assert str(error).startswith("Sealed data encountered but no run keypair is available. Opening a sealed")
        assert (error.byte_length, error.format_prefix) == (len(DEVL) + 64, "encp")


def test_the_real_prefix_is_in_the_error():
    for payload, prefix in ((seal_encr(KEY, DEVL), "encr"), (TARGET.seal(DEVL), "encp")):
        error = fault_of(lambda payload=payload: open_payload(payload, OTHER))
        assert str(error) == "AES-256-GCM decryption failed: The operation failed for an operation-specific reason"
        assert error.format_prefix == prefix


def test_compression_is_off_unless_asked_for_and_stands_inside():
    assert len(write_payload(LARGE, KEY)) == len(LARGE) + 32
    for codec, inner in ((Codec.GZIP, b"gzip"), (Codec.ZSTD, b"zstd")):
        payload = write_payload(LARGE, KEYS, codec=codec)
        assert len(payload) < len(LARGE) // 5
        assert payload[:4] == b"encr"
        assert inner not in payload[:40]
        assert open_payload(payload, KEYS) == LARGE


def test_a_target_that_cannot_read_compressed_payloads_gets_none():
    old = frozenset({Ability.DEVL, Ability.ENCR})
    assert len(write_payload(LARGE, KEY, codec=Codec.ZSTD, abilities=old)) == len(LARGE) + 32


def test_a_mixed_log_is_read_payload_by_payload():
    log = [DEVL, compressed(LARGE, Codec.ZSTD), write_payload(LARGE, KEY, codec=Codec.GZIP), TARGET.seal(DEVL), ["old"]]
    assert [open_payload(each, KEYS, strict=False) for each in log] == [DEVL, LARGE, LARGE, DEVL, ["old"]]


def test_what_was_encrypted_grows_to_a_limit_only():
    payload = write_payload(LARGE, KEY, codec=Codec.ZSTD)
    with pytest.raises(LimitExceeded, match="holds more than 1000 bytes"):
        open_payload(payload, KEY, bytes_max=1000)
    with pytest.raises(InvalidInput, match="a compressed payload is damaged"):
        open_payload(seal_encr(KEY, b"zstd, as a text"), KEY)


def test_an_oversized_payload_is_refused_by_its_limit(monkeypatch):
    monkeypatch.setattr(payload_format, "PAYLOAD_BYTES_MAX", 1000)
    for keys in (KEY, TARGET):
        with pytest.raises(LimitExceeded, match="a payload of 1001 bytes is larger than 1000"):
            write_payload(bytes(1001), keys)
        assert open_payload(write_payload(bytes(1000), keys), KEYS) == bytes(1000)
    with pytest.raises(LimitExceeded):
        open_payload(b"encr" + bytes(2000), KEYS)


def test_a_writer_seals_only_to_a_run_that_is_not_its_own_and_has_a_public_key():
    public = KEYS.pair.public_text
    assert writing_keys(own_run=True, own_key=KEY, public_key=public) is KEY
    target = writing_keys(own_run=False, own_key=KEY, public_key=public)
    assert isinstance(target, SealTarget)
    assert target.public == KEYS.pair.public
    for missing in (None, ""):
        assert writing_keys(own_run=False, own_key=KEY, public_key=missing) is None
    with pytest.raises(InvalidInput, match="32 bytes in standard base64"):
        writing_keys(own_run=False, own_key=KEY, public_key="not base64")
