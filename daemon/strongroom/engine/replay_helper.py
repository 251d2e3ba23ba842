"""The host of a guest that is executed again: every answer is the recorded one, and nothing leaves this process."""

import threading
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.cancel_signal import CancelSignal
from strongroom.engine.metric_lines import line_of
from strongroom.engine.recorded import entropy_of
from strongroom.engine.replay_script import Script
from strongroom.errors import Unavailable
from strongroom.guest.cancellation import Stop
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["ReplayHelper"]

MODE_DON: Final = 1
ALL_SLEEPS: Final = 2**32 - 1
"""Nothing is slept again."""
STUCK_MS: Final = 2_000
"""Every recorded answer is at hand, so a guest that waits this long waits for one that the journal does not have."""


@dataclass(kw_only=True, eq=False)
class ReplayHelper:
    """Answers from ``script`` in one phase. ``over`` is set when the replay has ended, so that no thread waits on.

    ``gone`` comes when nobody wants to hear of the replay any more.
    """

    script: Script
    phase: str
    execution_id: str
    timeout_ms: int
    over: threading.Event
    gone: CancelSignal
    node_seed: int = 0
    entropy: bytes = b""
    clock_unix_ns: int = 0
    response_bytes_max: int = 0
    log_lines_max: int = 0
    log_line_bytes_max: int = 0
    sleeps_done: int = ALL_SLEEPS
    suspend_after_ms: int = STUCK_MS
    _stops: list[Stop] = field(default_factory=list)

    def __post_init__(self) -> None:
        """What was drawn when the run was accepted."""
        created = self.script.recorded.created
        self.node_seed = created.node_seed
        # A journal without entropy is not replayed, so the id that stands in for it does not matter.
        self.entropy = entropy_of(created, "", self.phase)
        self.clock_unix_ns = created.accepted_unix_ns
        self.response_bytes_max = created.response_bytes_max
        self.log_lines_max, self.log_line_bytes_max = created.log_lines_max, created.log_line_bytes_max

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """The recorded answer. One that is not there never comes."""
        asked = request.SerializeToString(deterministic=True)
        return sdk_pb2.CapabilityResponse.FromString(self._answer(f"{request.callback_id}", asked).response)

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """The recorded answer, or the recorded failure of the fetch."""
        completed = self._answer(f"s{request.callback_id}", request.SerializeToString(deterministic=True))
        if completed.secrets_error:
            raise Unavailable("SR-SECRET-010", completed.secrets_error)
        return sdk_pb2.SecretResponses.FromString(completed.secrets_response)

    def refuse_call(self, request: sdk_pb2.CapabilityRequest, refusal: str) -> sdk_pb2.CapabilityResponse:
        """The recorded answer of a call that the gate does not let through: a step like any other."""
        del refusal
        return self.call_capability(request)

    def refuse_fetch(self, request: sdk_pb2.GetSecretsRequest, refusal: str) -> sdk_pb2.SecretResponses:
        """The same for a fetch."""
        del refusal
        return self.get_secrets(request)

    def log(self, mode: int, line: str) -> None:
        """Compared, and written nowhere."""
        self.script.line(mode, line)
        self._stop_if_different()

    def metric(self, untrusted_metric: bytes) -> None:
        """A line of the run's log."""
        if line := line_of(untrusted_metric):
            self.log(MODE_DON, line)

    def now_ns(self, mode: int) -> int | None:
        """The next recorded reading; ``None`` where the guest was refused one, or has come further than before."""
        del mode
        return self.script.time()

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """When the answer came, which is what the guest's clock moves on to."""
        name = f"{self.phase}{'s' if kind == 'secrets' else ''}{callback_id}"
        step = self.script.recorded.steps.get(name)
        return step.completed.answered_unix_ns if step is not None and step.completed is not None else 0

    def on_cancel(self, stop: Stop) -> None:
        """Used at the first difference, and when nobody waits for the replay any more."""
        self._stops.append(stop)
        self.gone.on_set(stop)

    def _answer(self, name: str, asked: bytes) -> journal_pb2.StepCompleted:
        completed = self.script.step(f"{self.phase}{name}", asked)
        self._stop_if_different()
        if completed is None:
            # The guest stands here, and is ended for it; this thread must not outlive it.
            self.over.wait(self.timeout_ms / 1000)
            raise Unavailable("SR-RUN-047", "the journal holds no answer to this step")
        return completed

    def _stop_if_different(self) -> None:
        if self.script.difference is not None:
            for stop in self._stops:
                stop("the guest did otherwise than its journal says", grace_ms=0)
