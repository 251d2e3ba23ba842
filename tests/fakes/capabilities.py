"""Capabilities that a test scripts: they record every call and answer what they were told."""

from contextlib import contextmanager
from dataclasses import dataclass, field

from google.protobuf import any_pb2

from strongroom.errors import CapabilityError, NotFound
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2


def packed(message):
    payload = any_pb2.Any()
    payload.Pack(message)
    return payload


@dataclass
class ScriptedCapability:
    """Answers by method; an exception among the answers is raised."""

    answers: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    is_cut_off: bool = False
    holder: object = None

    def execute(self, request, *, timeout_s):
        kept = capabilities_pb2.CapabilityRequest()
        kept.CopyFrom(request)
        self.calls.append((kept, timeout_s))
        answer = self.answers.get(request.method, CapabilityError("Public", "System", "Unimplemented", request.method))
        answer = answer(request) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    @contextmanager
    def held(self):
        """Its ``holder`` gets the calls, where it has one."""
        yield self.holder or self

    def begin(self, request, *, timeout_s):
        return self.execute(request, timeout_s=timeout_s)

    def called(self, method):
        return [request for request, _ in self.calls if request.method == method]


@dataclass
class ScriptedCapabilities:
    """A registry of scripted capabilities."""

    found: dict = field(default_factory=dict)
    dialects: dict = field(default_factory=dict)
    once: set = field(default_factory=set)

    def get_executable(self, capability_id):
        if capability_id not in self.found:
            raise NotFound("SR-TEST-001", f"no compatible capability found for id {capability_id}")
        return self.found[capability_id]

    def at_most_once(self, capability_id):
        return capability_id in self.once

    def dialect(self, capability_id):
        return self.dialects.get(capability_id)


def confidential_answer(result, *, typed=True, serialized=True):
    """The capability's response around an ExecutionResult, in either or both forms."""
    response = messages.ConfidentialWorkflowResponse()
    if serialized:
        response.execution_result = result.SerializeToString()
    if typed:
        response.sdk_execution_result.CopyFrom(result)
    return capabilities_pb2.CapabilityResponse(payload=packed(response))
