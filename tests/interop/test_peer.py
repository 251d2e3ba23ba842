"""The public Python package of the original opens what is written here, and the other way round."""

import itertools
import random

import pytest
import semver
from vercel.workflow._internal import devalue, encryption, serialization, streams

from strongroom.crypto.compression import Codec
from strongroom.crypto.encp import RunKeyPair, SealTarget
from strongroom.crypto.encr import import_deployment_key, import_run_key, run_key
from strongroom.interop.capabilities import _precedence
from strongroom.interop.encryptor import EncryptionContext, create_encryptor
from strongroom.interop.payloads import RunPayloadKeys, open_payload, write_payload
from strongroom.interop.stream_frames import FrameReader, FrameWriter, open_frame

DEPLOYMENT_KEY = bytes(range(32))
PROJECT, RUN = "prj_test123", "wrun_01JABCDEFGHJKMNPQRSTVWXYZ0"
THEIR_KEY = encryption.derive_run_key(DEPLOYMENT_KEY, project_id=PROJECT, run_id=RUN)
KEY = import_run_key(THEIR_KEY)
KEYS = RunPayloadKeys.of(KEY)
ENCRYPTOR = create_encryptor(deployment_key=DEPLOYMENT_KEY, project_id=PROJECT)
VALUES = {
    "a number": 42,
    "text": "日本語 🔐 naïve",
    "nothing": None,
    "nested": {"a": [1, 2.5, {"b": True}], "text": "x" * 50},
    "large": ["workflow " * 400] * 3,
}
EVERY_VALUE = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


def devl(value):
    return b"devl" + devalue.stringify(value).encode()


def theirs(payload):
    return serialization.hydrate(payload, what="a payload", key=THEIR_KEY)


def test_both_derive_the_same_keys():
    ours = run_key(import_deployment_key(DEPLOYMENT_KEY), PROJECT, RUN)
    assert ours._raw == THEIR_KEY == ENCRYPTOR.get_key_material(RUN).key
    assert RunKeyPair(ours).public_text == encryption.derive_run_public_key(THEIR_KEY)


@EVERY_VALUE
def test_it_opens_what_is_encrypted_here(value):
    assert theirs(ENCRYPTOR.encrypt(devl(value), EncryptionContext(RUN))) == value
    assert theirs(write_payload(devl(value), KEYS)) == value


@EVERY_VALUE
@pytest.mark.parametrize("codec", list(Codec), ids=lambda codec: codec.name)
def test_it_opens_what_is_compressed_and_encrypted_here(value, codec):
    assert theirs(write_payload(devl(value), KEY, codec=codec)) == value
    assert theirs(write_payload(devl(value), None, codec=codec, strict=False)) == value


@EVERY_VALUE
def test_it_opens_what_is_sealed_here(value):
    target = SealTarget.from_text(encryption.derive_run_public_key(THEIR_KEY))
    assert theirs(write_payload(devl(value), target)) == value


@EVERY_VALUE
@pytest.mark.parametrize("compression", [False, True], ids=["as it is", "compressed"])
@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_what_it_writes_opens_here(value, compression, codec, monkeypatch):
    monkeypatch.setenv("WORKFLOW_COMPRESSION_CODEC", codec)
    encrypted = serialization.PayloadEncoder(compression=compression, encryption_key=THEIR_KEY).encode(value)
    sealed = serialization.PayloadEncoder(compression=compression, recipient_public_key=KEYS.pair.public).encode(value)
    assert [payload[:4] for payload in (encrypted, sealed)] == [b"encr", b"encp"]
    assert open_payload(encrypted, KEYS) == open_payload(sealed, KEYS) == devl(value)
    if not compression:
        assert ENCRYPTOR.decrypt(encrypted, EncryptionContext(RUN)) == devl(value)


def test_frames_are_the_same_in_both_directions():
    chunks = [devl(f"chunk-{number}") for number in range(5)]
    assert b"".join(map(streams.encode_frame, chunks)) == b"".join(map(FrameWriter(None, strict=False).frame, chunks))
    for keys in (KEYS, SealTarget(KEYS.pair.public)):
        writer = FrameWriter(keys)
        frames = [writer.frame(chunk) for chunk in chunks]
        payloads = [payload for frame in frames for payload in FrameReader().feed(frame)]
        assert b"".join(map(streams.encode_frame, payloads)) == b"".join(frames)
        assert list(streams.FrameDecoder().feed(b"".join(frames))) == payloads
        assert [theirs(payload) for payload in payloads] == [f"chunk-{number}" for number in range(5)]
        assert [open_frame(payload, KEYS) for payload in payloads] == chunks


def test_versions_come_in_the_order_of_the_library_that_it_asks():
    dice = random.Random(1)  # noqa: S311 - the same versions each time
    words = ["0", "1", "9", "10", "64", "alpha", "beta", "rc", "x-1", "0a", "-"]

    def made():
        numbers = ".".join(str(dice.choice([0, 1, 4, 5, 10])) for _ in range(3))
        behind = ".".join(dice.choice(words) for _ in range(dice.randint(0, 3)))
        return f"{numbers}-{behind}" if behind else numbers

    versions = [made() for _ in range(400)]
    for one, other in itertools.pairwise(versions):
        order = semver.Version.parse(one).compare(other)
        assert (_precedence(one) > _precedence(other)) - (_precedence(one) < _precedence(other)) == order, (one, other)
