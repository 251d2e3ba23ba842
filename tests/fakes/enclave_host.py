"""A host around the confidential-workflows plugin: artifacts, a registry with a vault, and a caller."""

import hashlib
import threading

from google.protobuf import any_pb2, empty_pb2

from strongroom.guest.ids import owner_checksum
from strongroom.plugin import Call, CapabilityError, NotFound
from strongroom.plugin.messages import (
    backend_pb2,
    capabilities_pb2,
    confidential_workflow_pb2,
    http_pb2,
    sdk_pb2,
)
from strongroom_confidential_workflows.plugin import ConfidentialWorkflowsPlugin
from tests.fakes.plugin_host import memory_host
from tests.fakes.vault_owner import ALICE

WORKFLOW = "00" + "ab" * 31
EXECUTION = "b028eb767ee9460f7ceca41c8c612ec9d47b7812be0baf001c77c78be2c713d4"


def packed(message):
    """``message`` in an Any."""
    payload = any_pb2.Any()
    payload.Pack(message)
    return payload


class MemoryArtifacts:
    """Registered binaries. ``lies`` are handed out instead, as a host would that swaps a binary."""

    def __init__(self):
        self.binaries = {}
        self.lies = {}

    def add(self, data):
        digest = hashlib.sha256(data).hexdigest()
        self.binaries[digest] = data
        return digest

    def fetch(self, sha256_hex):
        if sha256_hex in self.lies:
            return self.lies[sha256_hex]
        if sha256_hex not in self.binaries:
            raise NotFound("SR-FAKE-001", "no such binary")
        return self.binaries[sha256_hex]


class RecordingRegistry:
    """Capabilities as functions by id, and every request and answer that passed."""

    def __init__(self):
        self.capabilities = {}
        self.calls = []
        self.seen = bytearray()
        self._lock = threading.Lock()

    def add(self, capability_id, execute):
        self.capabilities[capability_id] = execute

    def get_executable(self, capability_id):
        if capability_id not in self.capabilities:
            raise NotFound("SR-FAKE-002", f"no compatible capability found for id {capability_id}")
        return _Recorded(self, self.capabilities[capability_id])

    def record(self, *messages):
        with self._lock:
            for message in messages:
                self.seen += message.SerializeToString()
                if isinstance(message, capabilities_pb2.CapabilityRequest):
                    self.calls.append(message)


class _Recorded:
    def __init__(self, registry, execute):
        self._registry = registry
        self._execute = execute

    def execute(self, request, *, timeout_s):
        self._registry.record(request)
        answer = capabilities_pb2.CapabilityResponse()
        call = Call(metadata=request.metadata, payload=request.payload, method=request.method, timeout_s=timeout_s)
        answer.payload.Pack(self._execute(call))
        self._registry.record(answer)
        return answer


class EnclaveHost:
    """A started plugin, configured from the files of ``vault``, which is registered unless ``vault_is_up`` is false."""

    def __init__(self, *, vault, vault_is_up=True, **config):
        self.vault = vault
        self.artifacts = MemoryArtifacts()
        self.registry = RecordingRegistry()
        if vault_is_up:
            self.registry.add("vault@1.0.0", vault.call)
        self.plugin = ConfidentialWorkflowsPlugin(**({"spare_runners": 0} | vault.config() | config))
        self.plugin.start(memory_host(registry=self.registry, artifacts=self.artifacts, name="confidential-workflows"))
        (self.capability,) = self.plugin.capabilities()

    def close(self):
        self.plugin.stop()

    def call(self, method, request, *, timeout_s=30, **metadata):
        _ = self.vault.measurement
        stamped = capabilities_pb2.RequestMetadata(**({"workflow_owner": ALICE, "workflow_id": WORKFLOW} | metadata))
        return self.capability.methods[method](
            Call(metadata=stamped, payload=packed(request), method=method, timeout_s=timeout_s)
        )

    def receipt(self, execution_id=EXECUTION):
        """The receipt of the last attempt, encoded."""
        return self.call("Receipt", backend_pb2.ReceiptRequest(execution_id=execution_id)).receipt

    def refusal(self, request, **arguments):
        """The error of an execution that must fail."""
        try:
            self.call("Execute", request, **arguments)
        except CapabilityError as error:
            return error
        raise AssertionError("the execution succeeded")

    def refusal_in_the_middle(self, request):
        """The error of an execution that goes on until its deadline. On a machine so slow that a deadline passes before
        there is a runner, the next one is longer."""
        for timeout_s in (1.5, 6, 24):
            error = self.refusal(request, timeout_s=timeout_s)
            if "did not start" not in error.message and self.receipt():
                break
        return error

    def run(self, request, **arguments):
        """The result of an execution that must succeed; both fields of the answer agree."""
        answer = self.call("Execute", request, **arguments)
        result = sdk_pb2.ExecutionResult.FromString(answer.execution_result)
        assert result == answer.sdk_execution_result
        return result


def triggered(payload=None, *, config=b""):
    """An ExecuteRequest for a trigger of the HTTP kind."""
    event = payload if payload is not None else http_pb2.Payload(input=b'{"who": "x"}')
    return sdk_pb2.ExecuteRequest(config=config, trigger=sdk_pb2.Trigger(id=0, payload=packed(event)))


def subscribing(*, config=b""):
    """An ExecuteRequest for subscribe."""
    return sdk_pb2.ExecuteRequest(config=config, subscribe=empty_pb2.Empty())


def request_for(binary_sha256, execute_request, /, *, secrets=(), dialect="both", **execution):
    """A request as our host makes it. ``secrets`` are keys, or (key, namespace)."""
    fields = {
        "workflow_id": WORKFLOW,
        "binary_url": f"artifact:sha256/{binary_sha256}",
        "binary_hash": bytes.fromhex(binary_sha256),
        "owner": owner_checksum(ALICE),
        "execution_id": "" if execute_request.HasField("subscribe") else EXECUTION,
    }
    if dialect in {"both", "seed"}:
        fields["execute_request"] = execute_request.SerializeToString()
    if dialect in {"both", "later"}:
        fields["sdk_execute_request"] = execute_request
    request = confidential_workflow_pb2.ConfidentialWorkflowRequest()
    request.execution.CopyFrom(confidential_workflow_pb2.WorkflowExecution(**(fields | execution)))
    for secret in secrets:
        key, namespace = (secret, None) if isinstance(secret, str) else secret
        request.vault_don_secrets.add(key=key, namespace=namespace)
    return request


def missing_vault(call):
    """A vault that answers every request as foreign ones do when they fail."""
    raise CapabilityError("Public", "System", "Unavailable", "the vault is being restarted")
