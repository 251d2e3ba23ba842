"""The host of a guest that is executed again: every answer is the recorded one, and nothing leaves this process."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.replay_script import Script
from strongroom.errors import Unavailable
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["ReplayHelper"]

ALL_SLEEPS: Final = 2**32 - 1
"""Nothing is slept again."""
STUCK_MS: Final = 2_000
"""Every recorded answer is at hand, so a guest that waits this long waits for one that the journal does not have."""


@dataclass(kw_only=True, eq=False)
class ReplayHelper:
    """Answers from ``script``. ``over`` is set when the replay has ended, so that no thread waits on."""

    script: Script
    execution_id: str
    timeout_ms: int
    node_seed: int = 0
    entropy: bytes = b""
    clock_unix_ns: int = 0
    sleeps_done: int = ALL_SLEEPS
    suspend_after_ms: int = STUCK_MS
    over: threading.Event = field(default_factory=threading.Event)
    _times: int = 0
    _stops: list[Callable[[str], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """What was drawn when the run was accepted."""
        created = self.script.created
        self.node_seed, self.entropy = created.node_seed, created.entropy
        self.clock_unix_ns = created.accepted_unix_ns

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """The recorded answer. One that is not there never comes."""
        return sdk_pb2.CapabilityResponse.FromString(self._answer(str(request.callback_id)).response)

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """The recorded answer, or the recorded failure of the fetch."""
        completed = self._answer(f"s{request.callback_id}")
        if completed.secrets_error:
            raise Unavailable("SR-SECRET-010", completed.secrets_error)
        return sdk_pb2.SecretResponses.FromString(completed.secrets_response)

    def log(self, mode: int, line: str) -> None:
        """Compared already, and written nowhere."""
        del mode, line
        self._go_on()

    def metric(self, untrusted_metric: bytes) -> None:
        """Dropped: it was counted when the run was executed."""

    def now_ns(self, mode: int) -> int | None:
        """The next recorded reading; ``None`` where the guest was refused one, or has come further than before."""
        del mode
        self._go_on()
        if self._times == len(self.script.times):
            return None
        self._times += 1
        return self.script.times[self._times - 1]

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """When the answer came, which is what the guest's clock moves on to."""
        step = self.script.steps.get(f"s{callback_id}" if kind == "secrets" else str(callback_id))
        return step.completed.answered_unix_ns if step is not None and step.completed is not None else 0

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """Used at the first difference only."""
        self._stops.append(stop)

    def _answer(self, name: str) -> journal_pb2.StepCompleted:
        self._go_on()
        step = self.script.steps.get(name)
        if step is None or step.completed is None or self.script.difference is not None:
            # The guest stands here, and is ended for it; this thread must not outlive it.
            self.over.wait(self.timeout_ms / 1000)
            raise Unavailable("SR-RUN-047", "the journal holds no answer to this step")
        return step.completed

    def _go_on(self) -> None:
        if self.script.difference is not None:
            for stop in self._stops:
                stop("the guest did otherwise than its journal says")
