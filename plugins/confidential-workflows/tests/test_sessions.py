"""A session with a runner that is played by the test: what is believed of it, and how it ends when it lies."""

import pytest

from strongroom.crypto.signing import SigningKey
from strongroom.plugin.messages import basic_action_pb2, sdk_pb2
from strongroom_confidential_workflows import session
from strongroom_confidential_workflows.limits import CHUNK_BYTES, FRAME_BYTES_MAX
from strongroom_confidential_workflows.messages import (
    BinaryChunk,
    CapabilityAnswer,
    Ready,
    Start,
    encode,
)
from tests.fakes.enclave_host import RecordingRegistry, subscribing
from tests.fakes.scripted_runner import (
    ACTION,
    BROKEN,
    DONE,
    ScriptedRunner,
    answered,
    beside,
    call,
    refusal,
    run,
)


@pytest.fixture
def scripted():
    runner = ScriptedRunner()
    yield runner
    runner.frames.close()
    runner.enclave.close()


def test_a_runner_that_says_garbage_is_refused(scripted):
    scripted.enclave.send(b"\xff\xff\xff")
    assert refusal(scripted) == ("Internal", f"{BROKEN}it sent a frame that is not a message")


def test_a_message_that_has_no_place_is_refused(scripted):
    scripted.say(Ready(pid=1, evidence_kind="nitro", measurement=bytes(32)))
    assert refusal(scripted)[1] == f"{BROKEN}it sent a message that has no place in an execution"


def test_a_message_of_the_plugin_is_refused_from_a_runner(scripted):
    scripted.enclave.send(encode(BinaryChunk(data=b"x")))
    assert refusal(scripted)[1] == f"{BROKEN}it sent a frame that is not a message"


def test_a_frame_of_a_runner_that_is_too_large_is_not_read(scripted):
    scripted.frames.frame_bytes_max = FRAME_BYTES_MAX
    scripted.enclave._socket.sendall((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))
    assert refusal(scripted)[1] == f"{BROKEN}it sent a frame that is not a message"


def test_a_runner_that_leaves_without_an_outcome_is_noticed(scripted):
    scripted.enclave.close()
    assert refusal(scripted) == ("Aborted", "the enclave runner died: it exited with code 0")


def test_a_runner_that_says_nothing_is_given_up_after_the_deadline(scripted, monkeypatch):
    monkeypatch.setattr(session, "KILL_GRACE_S", 0.05)
    assert refusal(scripted, seconds=0.05)[0] == "DeadlineExceeded"


def test_a_binary_goes_to_the_runner_in_pieces(scripted):
    binary = b"w" * (CHUNK_BYTES + 3)
    heard = []

    def talk():
        heard.append(scripted.hear(Start).binary_bytes)
        heard.extend(len(scripted.hear(BinaryChunk).data) for _ in range(2))
        scripted.say(DONE)

    talking = beside(talk)
    run(scripted, binary=binary)
    talking.join(20)
    assert heard == [CHUNK_BYTES + 3, CHUNK_BYTES, 3]


def test_a_runner_that_calls_for_ever_is_stopped(scripted, monkeypatch):
    monkeypatch.setattr(session, "CALLS_MAX", 3)
    for number in range(4):
        scripted.say(call(number, "none@1.0.0"))
    assert refusal(scripted) == ("LimitExceeded", "calls of one execution: more than 3")


@pytest.mark.parametrize(
    "capability_id",
    [
        "vault@1.0.0",
        "VAULT@2.0.0",
        "vault:label:x@1.0.0",
        "confidential-workflows@1.0.0-alpha",
        "confidential-workflows",
    ],
)
def test_a_system_capability_is_refused_even_when_the_runner_does_not_refuse_it(scripted, capability_id):
    registry = RecordingRegistry()
    registry.add(capability_id, lambda call: pytest.fail("it was called"))
    answer = answered(scripted, call(7, capability_id), CapabilityAnswer, registry=registry)
    assert "cannot be called by a workflow" in sdk_pb2.CapabilityResponse.FromString(answer.response).error
    assert registry.calls == []


def test_a_call_during_subscribe_is_refused_even_when_the_runner_does_not_refuse_it(scripted):
    answer = answered(scripted, call(7), CapabilityAnswer, asked=subscribing())
    error = sdk_pb2.CapabilityResponse.FromString(answer.response).error
    assert error == "capability calls cannot be made during this execution"


def test_an_answer_that_no_frame_holds_reaches_the_guest_as_an_error(scripted):
    registry = RecordingRegistry()
    registry.add(ACTION, lambda call: basic_action_pb2.Outputs(adapted_thing="x" * 9_000_000))
    answer = answered(scripted, call(1), CapabilityAnswer, registry=registry)
    assert "8388608 is the limit" in sdk_pb2.CapabilityResponse.FromString(answer.response).error


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (call(1, key=SigningKey.generate()), "it sent a call that is not signed by the key that it attested"),
        (call(1, payload=b"\xff\xff"), "it sent a call that is not signed by the key that it attested"),
        (call(1, reference_id="2"), "it signed another call than the one that it sent"),
        (call(1, capability_id="other@1.0.0"), "it signed another call than the one that it sent"),
        (call(1, execution_id="00" * 32), "it signed another call than the one that it sent"),
    ],
    ids=["another key", "no request", "another reference", "another capability", "another execution"],
)
def test_a_call_must_be_the_one_that_was_signed_for_this_execution(scripted, asked, why):
    scripted.say(asked)
    assert refusal(scripted)[1] == BROKEN + why


def test_a_runner_calls_nothing_before_it_has_attested(scripted):
    scripted.say(call(1))
    assert refusal(scripted, released=False)[1].endswith("not signed by the key that it attested")
