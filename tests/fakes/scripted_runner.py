"""A session of the plugin with a runner that the test plays, and what a sound runner says."""

import socket
import threading
import time
from dataclasses import replace

import pytest

from strongroom.crypto.signing import SigningKey
from strongroom.guest.frames import Frames
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import capabilities_pb2, sdk_pb2
from strongroom_confidential_workflows.cancellation import Cancellation
from strongroom_confidential_workflows.messages import (
    CapabilityCall,
    ChallengeCall,
    Finished,
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
from tests.fakes.enclave_host import EXECUTION, WORKFLOW, RecordingRegistry, request_for, triggered
from tests.fakes.golden_release import runtime_data
from tests.fakes.vault_owner import ALICE

ACTION = "basic-test-action@1.0.0"
KEY = SigningKey.generate()
BROKEN = "the enclave runner broke its contract: "
DONE = Finished(outcome="result")


class ScriptedRunner:
    """The other end of a session, played by the test."""

    is_lost = False

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


def release(data, **changes):
    call = {"evidence_kind": "insecure-software", "media_type": "m", "evidence": b"e", "pop_sig": bytes(64)}
    return ReleaseCall(runtime_data=data.encode(), **(call | changes))
