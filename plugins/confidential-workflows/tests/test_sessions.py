"""A session with a runner that is played by the test: what is believed of it, and how it ends when it lies."""

import socket
import threading
import time
from dataclasses import replace

import pytest

from strongroom.crypto.signing import SigningKey
from strongroom.guest.frames import Frames
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import basic_action_pb2, capabilities_pb2, sdk_pb2, strongroom_vault_pb2
from strongroom_confidential_workflows import session
from strongroom_confidential_workflows.cancellation import Cancellation
from strongroom_confidential_workflows.limits import CHUNK_BYTES
from strongroom_confidential_workflows.messages import (
    BinaryChunk,
    CapabilityAnswer,
    CapabilityCall,
    ChallengeAnswer,
    ChallengeCall,
    Finished,
    Ready,
    ReleaseAnswer,
    ReleaseCall,
    Start,
    decode_to_enclave,
    encode,
)
from strongroom_confidential_workflows.relay import Relay
from strongroom_confidential_workflows.request import ConfidentialExecution
from strongroom_confidential_workflows.session import Session
from strongroom_confidential_workflows.signed_call import GuestCall, sign_call
from strongroom_confidential_workflows.vault_relay import VaultCaller, VaultRelay
from tests.fakes.enclave_host import EXECUTION, WORKFLOW, RecordingRegistry, request_for, subscribing, triggered
from tests.fakes.golden_release import runtime_data
from tests.fakes.vault_owner import ALICE

ACTION = "basic-test-action@1.0.0"
KEY = SigningKey.generate()
BROKEN = "the enclave runner broke its contract: "
DONE = Finished(outcome="result")


class ScriptedRunner:
    """The other end of a session, played by the test."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        self.frames = Frames(ours)
        self.enclave = Frames(theirs)

    def say(self, message):
        self.enclave.send(encode(message))

    def hear(self, kind):
        """The next message of that kind; what comes before it is dropped."""
        while not isinstance(message := decode_to_enclave(self.enclave.receive(20)), kind):
            pass
        return message

    def cancel(self, reason):
        pytest.fail("nobody cancelled")

    def end(self):
        return "exited with code 0"


@pytest.fixture
def scripted():
    runner = ScriptedRunner()
    yield runner
    runner.frames.close()
    runner.enclave.close()


def run(runner, *, registry=None, seconds=20.0, asked=None, binary=b"", released=True):
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=ALICE)
    request = request_for("ab" * 32, asked or triggered(), owner="", secrets=["A"])
    execution = ConfidentialExecution.from_wire(request, metadata=metadata, tees=())
    registry = registry or RecordingRegistry()
    vault = VaultRelay(VaultCaller(registry, metadata), execution)
    if released:
        vault.sig_pub = KEY.public
    under_test = Session(
        runner, Relay(registry, metadata, execution), vault, Cancellation(""), deadline=time.monotonic() + seconds
    )
    return under_test.run(Start(request=b"", owner=ALICE, timeout_ms=1, binary_bytes=len(binary)), binary)


def refusal(runner, **arguments):
    with pytest.raises(CapabilityError) as caught:
        run(runner, **arguments)
    return caught.value.name, caught.value.message


def call(number, of=ACTION, *, key=KEY, method="PerformAction", **changes):
    """A call of the guest as a sound runner sends it, but for ``changes`` of what is signed."""
    request = sdk_pb2.CapabilityRequest(id=of, method=method, callback_id=number)
    signed = {
        "execution_id": EXECUTION,
        "reference_id": str(number),
        "capability_id": of,
        "payload": request.SerializeToString(),
    }
    body, signature = sign_call(GuestCall(**(signed | changes)), key)
    return CapabilityCall(call_id=number, body=body, signature=signature)


def beside(talk):
    """``talk`` on a thread of its own."""
    thread = threading.Thread(target=talk)
    thread.start()
    return thread


def answered(scripted, said, kind, **arguments):
    """What the runner hears when it says ``said``."""
    heard = []

    def talk():
        scripted.say(said)
        heard.append(scripted.hear(kind))
        scripted.say(DONE)

    talking = beside(talk)
    assert run(scripted, **arguments) == DONE
    talking.join(20)
    return heard[0]


def test_a_runner_that_says_garbage_is_refused(scripted):
    scripted.enclave.send(b"\xff\xff\xff")
    assert refusal(scripted) == ("Internal", f"{BROKEN}it sent a frame that is not a message")


def test_a_message_that_has_no_place_is_refused(scripted):
    scripted.say(Ready(pid=1, evidence_kind="nitro", measurement=bytes(32)))
    assert refusal(scripted)[1] == f"{BROKEN}it sent a message that has no place in an execution"


def test_a_message_of_the_plugin_is_refused_from_a_runner(scripted):
    scripted.enclave.send(encode(BinaryChunk(data=b"x")))
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


def attesting(*, secrets=(("main", "A"),), **changes):
    """Runtime data as a sound runner makes them for this execution, but for ``changes``."""
    ours = {
        "execution_id": EXECUTION,
        "workflow_id": WORKFLOW,
        "owner": f"0x{ALICE}",
        "binary_sha256": bytes.fromhex("ab" * 32),
    }
    data = runtime_data()
    return replace(data, execution=replace(data.execution, **(ours | changes)), secrets=secrets)


def challenge(**changes):
    return ChallengeCall(**({"execution_id": EXECUTION, "workflow_id": WORKFLOW, "owner": f"0x{ALICE}"} | changes))


@pytest.mark.parametrize(
    "changes",
    [{"execution_id": "00" * 32}, {"workflow_id": "00" * 32}, {"owner": ALICE}],
    ids=lambda value: next(iter(value)),
)
def test_a_runner_that_attests_another_execution_is_refused(scripted, changes):
    scripted.say(challenge(**changes))
    assert refusal(scripted)[1] == f"{BROKEN}it attests another execution"


def test_a_runner_has_three_challenges(scripted):
    for _ in range(4):
        scripted.say(challenge())
    assert refusal(scripted)[1] == f"{BROKEN}it asked for more than 3 challenges"


def release(data, **changes):
    call = {"evidence_kind": "insecure-software", "media_type": "m", "evidence": b"e", "pop_sig": bytes(64)}
    return ReleaseCall(runtime_data=data.encode(), **(call | changes))


def test_a_runner_has_two_releases(scripted):
    for _ in range(3):
        scripted.say(release(attesting()))
    assert refusal(scripted)[1] == f"{BROKEN}it asked for more than 2 releases"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (attesting(execution_id="00" * 32), "it attests another execution"),
        (attesting(binary_sha256=bytes(32)), "it attests another binary"),
        (attesting(secrets=(("main", "B"),)), "it asks for a secret that is not this execution's to have"),
    ],
    ids=["execution", "binary", "secret"],
)
def test_runtime_data_of_something_else_go_to_no_vault(scripted, data, why):
    scripted.say(release(data))
    assert refusal(scripted)[1] == BROKEN + why


def test_runtime_data_that_are_none_go_to_no_vault(scripted):
    scripted.say(ReleaseCall(runtime_data=b"\xff", evidence_kind="k", media_type="m", evidence=b"", pop_sig=b""))
    assert refusal(scripted)[1].startswith(f"{BROKEN}its runtime data are none: ")


def vault(answer):
    registry = RecordingRegistry()
    registry.add("vault@1.0.0", answer)
    return registry


def fails(name, text):
    def call(_):
        raise CapabilityError("Public", "User", name, text)

    return call


def test_the_vaults_refusal_is_passed_on_as_it_is(scripted):
    registry = vault(fails("PermissionDenied", "SR-ATTEST-021 evidence refused at measurement"))
    answer = answered(scripted, challenge(), ChallengeAnswer, registry=registry)
    assert (answer.error_origin, answer.error_name) == ("User", "PermissionDenied")
    assert answer.error == "SR-ATTEST-021 evidence refused at measurement"


@pytest.mark.parametrize(
    "registry",
    [RecordingRegistry(), vault(fails("Unavailable", "restarting")), vault(fails("DeadlineExceeded", "slow"))],
    ids=["no vault", "away", "slow"],
)
def test_a_vault_that_is_away_is_said_to_be_away(scripted, registry):
    answer = answered(scripted, release(attesting()), ReleaseAnswer, registry=registry)
    assert (answer.error_origin, answer.error_name) == ("System", "Unavailable")
    assert answer.error.startswith("SR-ATTEST-035 the confidential backend is away (CONFIDENTIAL_BACKEND_UNAVAILABLE)")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (strongroom_vault_pb2.ChallengeResponse(body=bytes(2000)), "the vault's answer is none"),
        (strongroom_vault_pb2.ReleaseResponse(), "the vault answered vault.release.challenge with another message"),
    ],
    ids=["too large", "another message"],
)
def test_an_answer_that_is_none_is_an_error_and_no_broken_link(scripted, reply, why):
    answer = answered(scripted, challenge(), ChallengeAnswer, registry=vault(lambda call: reply))
    assert answer.error_name == "Internal"
    assert answer.error.startswith(why)
