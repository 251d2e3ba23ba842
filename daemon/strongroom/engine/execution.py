"""What a guest asks of its host during one execution, answered by the engine.

Each capability call and each secrets fetch is a step: its request and its answer are in the journal, and the answer is
on disk before the guest sees it. Times are journalled too, and randomness and the guest's own clocks are derived from
what is drawn at admission, so a run that was cut off is run again to where it was from its journal alone.
"""

import secrets as entropy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.asked import asked_for, is_large, recorded_call, recorded_fetch
from strongroom.engine.calls import GuestDropped, Later
from strongroom.engine.guest_log import GuestLog
from strongroom.engine.metric_lines import line_of
from strongroom.engine.own_calls import OwnCalls
from strongroom.engine.retrying import OUTCOME_UNKNOWN, Caller, failed_call, is_retried
from strongroom.engine.run_capability import is_own
from strongroom.engine.secrets import SecretReader
from strongroom.engine.steps import Send, Steps
from strongroom.errors import Forbidden, NotFound, StrongroomError, Unavailable
from strongroom.guest.cancellation import Stop
from strongroom.modules.attributes import SecretName
from strongroom.modules.quotas import SecretBytes
from strongroom.modules.vault_reads import NOT_FOUND, not_listed, unlisted
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.plugin.error_text import error_of

__all__ = ["RunHelper", "SubscribeHelper", "draw_entropy", "draw_seed"]

NO_CALLS: Final = "capability calls cannot be made during this execution"
CANNOT_GO_ON: Final = "the run cannot go on"
MODE_DON: Final = 1


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
    timeout_setting: str = "limits.subscribe_timeout_ms"
    named_secrets: tuple[SecretName, ...] = ()
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
        answers = self.reader.fetch(self.metadata, request.requests, self.named_secrets)
        for error in (answer.error for answer in answers.responses if answer.HasField("error")):
            self.warnings.append(_warning(error))
        return answers

    def log(self, mode: int, line: str) -> None:
        """Dropped: a subscribe request has no run whose journal could take it."""

    def metric(self, untrusted_metric: bytes) -> None:
        """Dropped, as log lines are."""

    def now_ns(self, mode: int) -> int | None:
        """The clock of this host."""
        del mode
        return time.time_ns()

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """Unknown."""
        del kind, callback_id
        return 0

    def on_cancel(self, stop: Stop) -> None:
        """A subscribe request ends by its time limit only."""


@dataclass(kw_only=True, eq=False)
class RunHelper:
    """The host of one phase of one run; ``phase`` is what the correlation ids of its steps begin with."""

    steps: Steps
    caller: Caller
    reader: SecretReader
    named_secrets: tuple[SecretName, ...]
    guest_log: GuestLog
    phase: str
    execution_id: str
    timeout_ms: int
    node_seed: int
    entropy: bytes
    clock_unix_ns: int
    sleeps_done: int
    suspend_after_ms: int
    secret_bytes: SecretBytes
    keep_receipt: Callable[[bytes, str, bytes | None], None]
    own: OwnCalls
    timeout_setting: str = "limits.run_timeout_ms"
    timeout_limit_ms: int = 0
    response_bytes_max: int = 0
    log_lines_max: int = 0
    log_line_bytes_max: int = 0
    _stops: list[Stop] = field(default_factory=list)
    failure: StrongroomError | None = None
    """What must fail the run although the guest may go on: it is looked at when the guest has ended."""

    def granted(self, request: sdk_pb2.CapabilityRequest) -> None:
        """The guest makes a call that the gate lets through. Called in its order."""
        self.own.begin(request, f"{self.phase}{request.callback_id}")

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """The recorded answer of this step, or a fresh one that is on disk when this returns.

        What must end the run (a guest that asks differently than before, a journal that takes nothing) is kept in
        ``failure``; the guest hears of an error and is stopped.
        """
        reference = f"{self.phase}{request.callback_id}"
        once = self.caller.capabilities.at_most_once(request.id)
        asked = asked_for(request)
        is_kept = self.own.keeps(request) if is_own(request.id) else self.caller.reaches(request)
        created = recorded_call(request, asked, is_sent=not is_large(asked) or is_kept)
        return self._step(reference, asked, created, once, lambda lost: self._send(request, reference, lost, once))

    def refuse_call(self, request: sdk_pb2.CapabilityRequest, refusal: str) -> sdk_pb2.CapabilityResponse:
        """A call that the gate does not let through: a step like any other, and nothing leaves."""
        answer = sdk_pb2.CapabilityResponse(error=refusal).SerializeToString(deterministic=True)
        asked, name = asked_for(request), f"{self.phase}{request.callback_id}"
        created = recorded_call(request, asked, is_sent=False)
        return self._step(name, asked, created, False, lambda _lost: journal_pb2.StepCompleted(response=answer))

    def _step(
        self, name: str, asked: bytes, created: journal_pb2.StepCreated, once: bool, send: Send
    ) -> sdk_pb2.CapabilityResponse:
        try:
            self.guest_log.flush()
            completed = self.steps.answer(name, asked, created, once=once, send=send)
        except StrongroomError as error:
            # Also for a step too many: which one that is depends on threads, so no guest may go on knowing it.
            self._stop(error)
            completed = failed_call("Aborted", CANNOT_GO_ON)
        return sdk_pb2.CapabilityResponse.FromString(completed.response)

    def _send(
        self, request: sdk_pb2.CapabilityRequest, reference: str, lost: bool, once: bool
    ) -> journal_pb2.StepCompleted | Later:
        if is_own(request.id):
            return self.own.send(request, reference, was_sent=lost)
        if lost and once:
            return failed_call("Aborted", OUTCOME_UNKNOWN)
        return self.caller.call(request, reference, once=once)

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """The secrets, as they were when the run first asked. A missing one that the attributes name fails the run.

        The answers are in the journal, sealed like everything there, so that a run that goes on sees the same values.
        """
        return self._fetch_step(request, True, lambda _lost: self._fetch(request))

    def refuse_fetch(self, request: sdk_pb2.GetSecretsRequest, refusal: str) -> sdk_pb2.SecretResponses:
        """A fetch that the gate does not let through."""
        return self._fetch_step(request, False, lambda _lost: journal_pb2.StepCompleted(secrets_error=refusal))

    def _fetch_step(self, request: sdk_pb2.GetSecretsRequest, is_sent: bool, send: Send) -> sdk_pb2.SecretResponses:
        name = f"{self.phase}s{request.callback_id}"
        asked = asked_for(request)
        created = recorded_fetch(request, asked, is_sent=is_sent)
        try:
            self.guest_log.flush()
            completed = self.steps.answer(name, asked, created, once=False, send=send)
        except StrongroomError as error:
            self._stop(error)
            raise
        if completed.secrets_error:
            raise Unavailable("SR-SECRET-005", completed.secrets_error)
        answers = sdk_pb2.SecretResponses.FromString(completed.secrets_response)
        self.secret_bytes.keep(name, answers)
        self._check_named(answers)
        return answers

    def _fetch(self, request: sdk_pb2.GetSecretsRequest) -> journal_pb2.StepCompleted:
        policy, attempts = self.caller.policy, 1
        while True:
            try:
                answers = self.reader.fetch(self.caller.metadata, request.requests, self.named_secrets)
            except StrongroomError as error:
                again = attempts < policy.attempts_max and is_retried(error_of(error), policy)
                if not again or self.caller.cancel.wait(policy.wait_ms(attempts) / 1000):
                    return journal_pb2.StepCompleted(secrets_error=str(error), attempts=attempts)
                attempts += 1
            else:
                refusal = self.secret_bytes.refusal(f"{self.phase}s{request.callback_id}", answers)
                if refusal:
                    return journal_pb2.StepCompleted(secrets_error=refusal, attempts=attempts)
                return journal_pb2.StepCompleted(
                    secrets_response=answers.SerializeToString(deterministic=True), attempts=attempts
                )

    def _check_named(self, answers: sdk_pb2.SecretResponses) -> None:
        named = {(s.namespace, s.key) for s in self.named_secrets}
        for answer in answers.responses:
            error = answer.error
            if not answer.HasField("error") or (error.namespace, error.id) not in named:
                continue
            if error.error != NOT_FOUND:
                # It is there, and does not come: its class asks for more than this sandbox, or it is damaged.
                self.failure = Forbidden(
                    "SR-SECRET-006",
                    f"secret {error.namespace}/{error.id} was not given",
                    why=error.error,
                    fix="strongroom secret check shows what it asks for",
                    secret=f"{error.namespace}/{error.id}",
                )
            else:
                self.failure = NotFound(
                    "SR-SECRET-004",
                    f"secret {error.namespace}/{error.id} is not set",
                    why="the workflow's attributes name it",
                    fix=set_secret(error.namespace, error.id),
                    secret=f"{error.namespace}/{error.id}",
                )

    def _stop(self, error: StrongroomError) -> None:
        if self.steps.cancel.reason is None and not isinstance(error, GuestDropped):
            self.failure = self.failure or error
            for stop in self._stops:
                stop(CANNOT_GO_ON, grace_ms=0)

    def log(self, mode: int, line: str) -> None:
        """Into the journal: guest output is payload, and payload is never logged."""
        try:
            self.guest_log.write(mode, line)
        except StrongroomError as error:
            self._stop(error)

    def metric(self, untrusted_metric: bytes) -> None:
        """A line of the run's log."""
        if line := line_of(untrusted_metric):
            self.log(MODE_DON, line)

    def now_ns(self, mode: int) -> int | None:
        """In mode 1 the agreed time, journalled; in mode 2 the clock of this host, which no journalled run asks for."""
        if mode != MODE_DON:
            return time.time_ns()
        try:
            return self.steps.read_time(self.phase)
        except StrongroomError as error:
            self._stop(error)
            return None

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """When that call was answered, Unix nanoseconds; 0 if unknown."""
        return self.steps.answered_unix_ns(f"{self.phase}{'s' if kind == 'secrets' else ''}{callback_id}")

    def on_cancel(self, stop: Stop) -> None:
        """Hand the wish to stop to whoever executes."""
        self._stops.append(stop)
        if self.failure is not None:
            stop(CANNOT_GO_ON, grace_ms=0)
        self.steps.cancel.on_set(stop)


def _warning(error: sdk_pb2.SecretError) -> str:
    """What whoever registers is told of a secret that was not given."""
    if error.error == not_listed(error.namespace, error.id):
        return f"secret {unlisted(error.namespace, error.id)}; runs do not get it"
    if error.error == NOT_FOUND:
        return missing_secret(error.namespace, error.id)
    return f"secret {error.namespace}/{error.id} was not given: {error.error}"


def missing_secret(namespace: str, key: str) -> str:
    """The warning for a secret that is not set yet."""
    return f"secret {namespace}/{key} is not set; runs that need it will fail: {set_secret(namespace, key)}"


def set_secret(namespace: str, key: str) -> str:
    """The command that sets a secret."""
    option = "" if namespace == "main" else f" --namespace {namespace}"
    return f"strongroom secret set {key}{option}"
