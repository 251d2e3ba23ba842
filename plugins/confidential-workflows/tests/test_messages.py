"""Frames between the plugin and a runner: one encoding each, and everything else is refused with its place."""

import cbor2
import pytest

from strongroom.errors import EvidenceRejected
from strongroom_confidential_workflows import messages
from strongroom_confidential_workflows.limits import CALL_BYTES_MAX, CHUNK_BYTES, FRAME_BYTES_MAX, RESULT_BYTES_MAX

TO_ENCLAVE = [
    messages.Configure(
        enclave_config=b"config",
        evidence_kind="insecure-software",
        device="/dev/x",
        pcrs=(0, 7),
        endorsements=(b"e", b"f"),
        regions=("eu",),
        software_key=b"k" * 32,
        software_certificate=b"c",
        software_authority=b"a",
    ),
    messages.Start(
        request=b"request",
        owner="ab" * 20,
        timeout_ms=1000,
        execution_id="cd" * 32,
        workflow_name="näme",
        granted=(("main", "A"), ("other", "B")),
        binary_bytes=7,
    ),
    messages.BinaryChunk(data=b"wasm"),
    messages.ChallengeAnswer(body=b"b", signature=b"s" * 64, attempt=2),
    messages.ReleaseAnswer(error_origin="User", error_name="PermissionDenied", error="SR-ATTEST-030 no"),
    messages.CapabilityAnswer(call_id=3, response=b"r"),
    messages.Cancel(reason="a person asked"),
]
FROM_ENCLAVE = [
    messages.Ready(
        pid=1, protections=("seccomp",), missing=("landlock: no",), evidence_kind="nitro", measurement=b"m" * 32
    ),
    messages.ChallengeCall(execution_id="e", workflow_id="w", owner="0x"),
    messages.ReleaseCall(
        runtime_data=b"d", evidence_kind="k", media_type="m", evidence=b"e", endorsements=(b"c",), pop_sig=b"p" * 64
    ),
    messages.CapabilityCall(call_id=1, body=b"b", signature=b"s" * 64),
    messages.Finished(outcome="result", result=b"r", log_lines=2, receipt=b"receipt"),
]
EVERY = [(each, messages.decode_to_enclave) for each in TO_ENCLAVE] + [
    (each, messages.decode_from_enclave) for each in FROM_ENCLAVE
]


def ids(value):
    return type(value).__name__ if value in TO_ENCLAVE + FROM_ENCLAVE else ""


def refusal(decode, frame):
    with pytest.raises(EvidenceRejected) as caught:
        decode(frame)
    return caught.value.check


@pytest.mark.parametrize(("message", "decode"), EVERY, ids=ids)
def test_a_message_comes_back_as_it_was(message, decode):
    frame = messages.encode(message)
    assert decode(frame) == message
    assert cbor2.loads(frame)["message"] in messages._TO_ENCLAVE | messages._FROM_ENCLAVE


@pytest.mark.parametrize(("message", "decode"), EVERY, ids=ids)
def test_every_cut_is_refused_and_every_flip_is_refused_or_is_another_message_of_the_table(message, decode):
    frame = messages.encode(message)
    for size in range(len(frame)):
        refusal(decode, frame[:size])
    refusal(decode, frame + b"\0")
    for place in range(len(frame) * 8):
        flipped = bytearray(frame)
        flipped[place // 8] ^= 1 << place % 8
        try:
            found = decode(bytes(flipped))
        except EvidenceRejected:
            continue
        assert messages.encode(found) == bytes(flipped), "one value has one encoding"
        assert found != message


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"message": "shutdown"}, "frame message"),
        ({"message": "finished"}, "frame message"),
        ({"message": 1}, "frame message"),
        ({"more": 1}, "cancel keys"),
        ({"reason": ...}, "cancel keys"),
        ({"reason": b"bytes"}, "cancel reason"),
        ({"reason": 1}, "cancel reason"),
        ({"reason": "r" * 8193}, "cancel reason"),
        ({"reason": None}, "cancel reason"),
    ],
    ids=["unknown", "of the other end", "no text", "unknown key", "missing key", "bytes", "number", "long", "null"],
)
def test_what_is_not_in_the_table_is_refused_with_its_place(changes, check):
    value = {"message": "cancel", "reason": "why"} | changes
    value = {key: each for key, each in value.items() if each is not ...}
    assert refusal(messages.decode_to_enclave, cbor2.dumps(value, canonical=True)) == check


@pytest.mark.parametrize(
    ("message", "changes", "check"),
    [
        (TO_ENCLAVE[0], {"pcrs": [24]}, "configure pcrs 0"),
        (TO_ENCLAVE[0], {"pcrs": [True]}, "configure pcrs 0"),
        (TO_ENCLAVE[0], {"endorsements": [b"e"] * 9}, "configure endorsements"),
        (TO_ENCLAVE[0], {"evidence_kind": ""}, "configure evidence_kind"),
        (TO_ENCLAVE[1], {"granted": [["main"]]}, "start granted 0"),
        (TO_ENCLAVE[1], {"granted": [["main", "k"]] * 101}, "start granted"),
        (TO_ENCLAVE[1], {"binary_bytes": 20 * 1024 * 1024 + 1}, "start binary_bytes"),
        (TO_ENCLAVE[1], {"timeout_ms": -1}, "start timeout_ms"),
        (TO_ENCLAVE[2], {"data": bytes(CHUNK_BYTES + 1)}, "binary_chunk data"),
        (FROM_ENCLAVE[0], {"pid": 2**32}, "ready pid"),
        (FROM_ENCLAVE[3], {"body": bytes(CALL_BYTES_MAX + 1)}, "capability_call body"),
        (FROM_ENCLAVE[3], {"signature": bytes(65)}, "capability_call signature"),
        (FROM_ENCLAVE[4], {"outcome": "great"}, "finished outcome"),
        (FROM_ENCLAVE[4], {"result": bytes(RESULT_BYTES_MAX + 1)}, "finished result"),
        (FROM_ENCLAVE[4], {"log_lines": 2**64}, "frame"),
    ],
    ids=lambda value: "" if not isinstance(value, str) else value,
)
def test_a_value_of_another_type_or_size_is_refused_with_its_place(message, changes, check):
    decode = messages.decode_to_enclave if message in TO_ENCLAVE else messages.decode_from_enclave
    value = cbor2.loads(messages.encode(message)) | changes
    assert refusal(decode, cbor2.dumps(value, canonical=True)) == check


def test_a_frame_that_is_too_large_is_not_parsed():
    assert refusal(messages.decode_to_enclave, bytes(FRAME_BYTES_MAX + 1)) == "frame size"


def test_what_the_other_end_would_refuse_is_not_sent():
    with pytest.raises(EvidenceRejected, match="binary_chunk data"):
        messages.encode(messages.BinaryChunk(data=bytes(CHUNK_BYTES + 1)))


def test_the_largest_result_fits_in_a_frame_with_the_largest_receipt():
    finished = messages.Finished(outcome="result", result=bytes(RESULT_BYTES_MAX), receipt=bytes(5 * 1024 * 1024))
    assert len(messages.encode(finished)) <= FRAME_BYTES_MAX


def test_no_message_shows_payload_or_a_key_when_it_is_printed():
    shown = repr([*TO_ENCLAVE, *FROM_ENCLAVE])
    assert not any(text in shown for text in ("kkkk", "b'wasm'", "b'request'", "b'receipt'", "b'r'"))
