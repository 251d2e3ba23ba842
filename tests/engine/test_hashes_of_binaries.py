"""What the enclave is told of a binary: in every run the SHA-256 of the bytes that were registered, never of others."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

from strongroom.engine.admission import Start
from strongroom.modules.confidential import CAPABILITY_ID
from strongroom.modules.route import Router
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import ScriptedCapability, confidential_answer
from tests.fakes.workflow_host import OWNER, WASM, subscriptions, value
from tests.faults.figures import record
from tests.faults.scale import much

RUNS = much(200, 10_000)
WORKFLOWS = 10
AT_ONCE = 4
REGISTERED_AGAIN_EVERY = 25
WAIT_S = 30
CONFIDENTIAL = b'{"confidential": true}'


class Enclave(ScriptedCapability):
    """It keeps what each run said of its binary, and answers like a guest with one subscription."""

    def __init__(self):
        super().__init__({"Execute": self.answer})
        self.told = {}

    def answer(self, request):
        inner = messages.ConfidentialWorkflowRequest()
        assert request.payload.Unpack(inner)
        asked = sdk_pb2.ExecuteRequest.FromString(inner.execution.execute_request)
        if asked.WhichOneof("request") == "subscribe":
            return confidential_answer(subscriptions("http-trigger@1.0.0-alpha"))
        self.told[inner.execution.execution_id] = inner.execution.binary_hash
        return confidential_answer(value("done"))


def binary(dice):
    """Another module each time: a custom section with bytes of its own."""
    return WASM + b"\x00\x11\x00" + dice.randbytes(16)


def test_each_run_names_the_hash_of_the_bytes_that_were_registered(host):
    dice, enclave = random.Random("binaries"), Enclave()  # noqa: S311 - the same seed must give the same binaries
    host.capabilities.found[CAPABILITY_ID] = enclave
    host.host.router = Router(None, host.capabilities, lambda workflow: None)
    current, expected = {}, {}

    def register(name):
        current[name] = binary(dice)
        host.register(name, attributes=CONFIDENTIAL, binary=current[name])

    def one(name):
        header, _ = host.engine.start(Start(owner=OWNER, workflow=name, json=b"1"))
        assert host.engine.wait(header.run_id, WAIT_S)[1].result == value("done")
        return header.execution_id

    names = [f"wf-{number}" for number in range(WORKFLOWS)]
    for name in names:
        register(name)
    with ThreadPoolExecutor(AT_ONCE) as clients:
        for _ in range(0, RUNS, REGISTERED_AGAIN_EVERY):
            chosen = dice.choices(names, k=REGISTERED_AGAIN_EVERY)
            digests = [hashlib.sha256(current[name]).digest() for name in chosen]
            expected.update(zip(clients.map(one, chosen), digests, strict=True))
            register(dice.choice(names))
    right = sum(enclave.told[execution_id] == digest for execution_id, digest in expected.items())
    record(
        "I3",
        f"{RUNS} runs of {WORKFLOWS} workflows whose binaries change",
        demanded="all",
        measured=right,
        met=right == RUNS,
    )
    assert len(set(expected.values())) >= WORKFLOWS
    assert (right, len(enclave.told)) == (RUNS, RUNS)
