"""What a guest asks of its host during one execution, answered by the engine.

Each capability call is a step: its request and its answer are in the journal, and the answer is on disk before the
guest sees it. A run that was cut off finds its answers there; a step without one is sent again under the same
reference.
"""

import secrets as entropy
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.event_types import STEP_COMPLETED, STEP_CREATED
from strongroom.engine.policy import refuse_system_only
from strongroom.engine.run_journal import RunJournal
from strongroom.engine.secrets import NOT_FOUND, SecretReader
from strongroom.errors import CapabilityError, GuestFault, NotFound, StrongroomError
from strongroom.modules.attributes import SecretName
from strongroom.modules.capabilities import Capabilities
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.plugin.error_text import format_error

__all__ = ["CancelSignal", "RunHelper", "SubscribeHelper", "draw_seed"]

OUTCOME_UNKNOWN: Final = "OUTCOME_UNKNOWN: the call was sent before a restart and is marked at_most_once"
NO_CALLS: Final = "capability calls cannot be made during this execution"


class CancelSignal:
    """Carries a wish to stop from whoever has it to whoever executes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: list[Callable[[str], None]] = []
        self.reason: str | None = None

    def set(self, reason: str) -> None:
        """Ask once; later reasons are ignored."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            stops, self._stops = self._stops, []
        for stop in stops:
            stop(reason)

    def on_set(self, stop: Callable[[str], None]) -> None:
        """Call ``stop`` with the reason, at once when there is one already."""
        with self._lock:
            if self.reason is None:
                self._stops.append(stop)
                return
        stop(self.reason)


def draw_seed() -> int:
    """A signed 64-bit seed for node mode, drawn once per run."""
    return int.from_bytes(entropy.token_bytes(8), "big", signed=True)


def draw_entropy() -> bytes:
    """32 bytes for the guest's ``random_get``, drawn once per run."""
    return entropy.token_bytes(32)


@dataclass(kw_only=True, eq=False)
class SubscribeHelper:
    """The host of a subscribe request: time, logs and secrets work, capability calls do not."""

    metadata: capabilities_pb2.RequestMetadata
    reader: SecretReader
    timeout_ms: int
    warnings: list[str] = field(default_factory=list)
    execution_id: str = ""
    node_seed: int = field(default_factory=draw_seed)
    entropy: bytes = field(default_factory=draw_entropy)
    clock_unix_ns: int = field(default_factory=time.time_ns)
    sleeps_done: int = 0
    suspend_after_ms: int = 0

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """Refused: nothing may depend on the world before a trigger fires."""
        del request
        return sdk_pb2.CapabilityResponse(error=NO_CALLS)

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """The secrets; a missing one is an error to the guest and a warning to whoever registers."""
        answers = self.reader.fetch(self.metadata, request.requests)
        self.warnings += [
            missing_secret(a.error.namespace, a.error.id) for a in answers.responses if a.HasField("error")
        ]
        return answers

    def log(self, mode: int, line: str) -> None:
        """Dropped: a subscribe request has no run whose journal could take it."""

    def metric(self, untrusted_metric: bytes) -> None:
        """Dropped: metrics are off."""

    def now_ns(self, mode: int) -> int | None:
        """The clock of this host."""
        del mode
        return time.time_ns()

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """Unknown."""
        del kind, callback_id
        return 0

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """A subscribe request ends by its time limit only."""


@dataclass(kw_only=True, eq=False)
class RunHelper:
    """The host of one run. ``answered`` are the steps that the journal already holds, by callback id."""

    journal: RunJournal
    execution_id: str
    metadata: capabilities_pb2.RequestMetadata
    capabilities: Capabilities
    reader: SecretReader
    named_secrets: tuple[SecretName, ...]
    answered: Mapping[int, tuple[bytes, bytes]]
    cancel: CancelSignal
    timeout_ms: int
    call_timeout_ms: int
    node_seed: int
    entropy: bytes = field(default_factory=draw_entropy)
    clock_unix_ns: int = field(default_factory=time.time_ns)
    sleeps_done: int = 0
    suspend_after_ms: int = 0
    log_lines: int = 0
    failure: StrongroomError | None = None
    """What must fail the run although the guest may go on: it is looked at when the guest has ended."""

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """The recorded answer of this step, or a fresh one that is on disk when this returns.

        What must end the run (a guest that asks differently than before, a journal that takes nothing) is kept in
        ``failure``; the guest hears of an error and is stopped.
        """
        try:
            return self._step(request)
        except StrongroomError as error:
            self.failure = self.failure or error
            self.cancel.set("the run cannot go on")
            return _failed("Aborted", "the run cannot go on")

    def _step(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        reference = str(request.callback_id)
        asked = request.SerializeToString(deterministic=True)
        recorded = self.answered.get(request.callback_id)
        if recorded is not None:
            if recorded[0] != asked:
                raise GuestFault(
                    "SR-GUEST-030",
                    f"the guest is not deterministic: step {reference} asked for something else before",
                    fix="a guest may depend on its config, payload, seed, time and answers only",
                    step=reference,
                )
            if recorded[1]:
                return sdk_pb2.CapabilityResponse.FromString(recorded[1])
        once = self.capabilities.at_most_once(request.id)
        if recorded is None:
            created = journal_pb2.StepCreated(request=asked).SerializeToString()
            stored = self.journal.note(STEP_CREATED, reference, created)
            if once:
                # Only what the disk knows to be sent can be kept from being sent again.
                self.journal.settle(stored)
        if recorded is not None and once:
            answer = _failed("Aborted", OUTCOME_UNKNOWN)
        else:
            answer = self._call(request, reference)
        content = journal_pb2.StepCompleted(response=answer.SerializeToString(deterministic=True))
        self.journal.settle(self.journal.note(STEP_COMPLETED, reference, content.SerializeToString()))
        return answer

    def _call(self, request: sdk_pb2.CapabilityRequest, reference: str) -> sdk_pb2.CapabilityResponse:
        try:
            refuse_system_only(request.id, request.method, guest=True)
            capability = self.capabilities.get_executable(request.id)
        except NotFound as error:
            return _failed("NotFound", f"action capability not found: {error}")
        except StrongroomError as error:
            return _failed("PermissionDenied", str(error))
        metadata = capabilities_pb2.RequestMetadata()
        metadata.CopyFrom(self.metadata)
        metadata.reference_id = reference
        call = capabilities_pb2.CapabilityRequest(
            metadata=metadata, payload=request.payload, method=request.method, capabilityId=request.id
        )
        try:
            answer = capability.execute(call, timeout_s=self.call_timeout_ms / 1000)
        except CapabilityError as error:
            return sdk_pb2.CapabilityResponse(error=format_error(error))
        except StrongroomError as error:
            return _failed("Unavailable", str(error))
        return sdk_pb2.CapabilityResponse(payload=answer.payload)

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """The secrets, never journalled. A missing one that the attributes name fails the run."""
        answers = self.reader.fetch(self.metadata, request.requests)
        named = {(s.namespace, s.key) for s in self.named_secrets}
        for answer in answers.responses:
            error = answer.error
            if answer.HasField("error") and error.error == NOT_FOUND and (error.namespace, error.id) in named:
                self.failure = NotFound(
                    "SR-SECRET-004",
                    f"secret {error.namespace}/{error.id} is not set",
                    why="the workflow's attributes name it",
                    fix=set_secret(error.namespace, error.id),
                    secret=f"{error.namespace}/{error.id}",
                )
        return answers

    def log(self, mode: int, line: str) -> None:
        """Counted only: guest output is payload, and payload is never logged."""
        del mode, line
        self.log_lines += 1

    def metric(self, untrusted_metric: bytes) -> None:
        """Dropped: metrics are off."""

    def now_ns(self, mode: int) -> int | None:
        """The clock of this host."""
        del mode
        return time.time_ns()

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """Unknown."""
        del kind, callback_id
        return 0

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """Hand the wish to stop to whoever executes."""
        self.cancel.on_set(stop)


def missing_secret(namespace: str, key: str) -> str:
    """The warning for a secret that is not set yet."""
    return f"secret {namespace}/{key} is not set; runs that need it will fail: {set_secret(namespace, key)}"


def set_secret(namespace: str, key: str) -> str:
    """The command that sets a secret."""
    option = "" if namespace == "main" else f" --namespace {namespace}"
    return f"strongroom secret set {key}{option}"


def _failed(name: str, text: str) -> sdk_pb2.CapabilityResponse:
    return sdk_pb2.CapabilityResponse(error=format_error(CapabilityError("Public", "System", name, text)))
