"""The basic-test capabilities (capability-wire section 11.8): answers that a test can predict or steer.

Not for production: they do nothing useful, and a config field makes them slow, wrong or big on purpose.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from strongroom.plugin import (
    Call,
    Capability,
    CapabilityError,
    Events,
    LimitExceeded,
    Registration,
    TriggerMethod,
    hookimpl,
)
from strongroom.plugin.messages import action_and_trigger_pb2, basic_action_pb2, basic_trigger_pb2, node_action_pb2

__all__ = ["BasicTest"]

ANSWER_BYTES_MAX: Final = 1_000_000_000
DELAY_MS_MAX: Final = 600_000
EVENTS_MAX: Final = 10_000
BEHIND_S: Final = 0.5


@dataclass(slots=True)
class _Calls:
    """How many calls of basic-test-action there were."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    seen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BasicTest:
    """The plugin and its configuration.

    ``adapted_thing`` is what basic-test-action answers; empty means the word for its input, ``true`` or ``false``.
    ``errors`` are code words: the n-th call fails with Public, System, that code and the message ``<Code> error``.
    ``open_calls`` lets the first calls wait until so many are open. ``answer_bytes`` is the size of a big answer.
    ``trigger_events`` events are sent to each registration, ``trigger_interval_ms`` apart.
    """

    adapted_thing: str = ""
    errors: tuple[str, ...] = ()
    open_calls: int = 0
    delay_ms: int = 0
    answer_bytes: int = 0
    output_thing: int = 555
    cool_output: str = "test value"
    trigger_events: int = 0
    trigger_interval_ms: int = 0
    _calls: _Calls = field(default_factory=_Calls, init=False)
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name, value, limit in (
            ("delay_ms", self.delay_ms, DELAY_MS_MAX),
            ("answer_bytes", self.answer_bytes, ANSWER_BYTES_MAX),
            ("open_calls", self.open_calls, 64),
            ("trigger_events", self.trigger_events, EVENTS_MAX),
            ("trigger_interval_ms", self.trigger_interval_ms, DELAY_MS_MAX),
        ):
            if not 0 <= value <= limit:
                raise ValueError(f"{name} must be in 0..{limit}, it is {value}")
        if not -(2**31) <= self.output_thing < 2**31:
            raise ValueError("output_thing must fit 32 bits")

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer all four."""
        return [
            Capability(
                id="basic-test-action@1.0.0",
                description="Test action: answers a text",
                methods={"PerformAction": self.perform_action},
            ),
            Capability(
                id="basic-test-node-action@1.0.0",
                description="Test action of node mode: answers a number",
                methods={"PerformAction": self.perform_node_action},
            ),
            Capability(
                id="basic-test-trigger@1.0.0",
                description="Test trigger",
                kind="trigger",
                triggers={"Trigger": TriggerMethod(register=self.register)},
            ),
            Capability(
                id="basic-test-action-trigger@1.0.0",
                description="Test capability that is an action and a trigger",
                kind="combined",
                methods={"Action": self.welcome},
                triggers={"Trigger": TriggerMethod(register=self.register_other)},
            ),
        ]

    @hookimpl
    def stop(self) -> None:
        """End every wait."""
        self._stopped.set()
        with self._calls.changed:
            self._calls.changed.notify_all()

    def perform_action(self, call: Call) -> basic_action_pb2.Outputs:
        """Answer, after whatever the config asks for."""
        inputs = call.unpack(basic_action_pb2.Inputs)
        if self.open_calls or self.errors:
            self._meet_and_fail(call.timeout_s)
        if self.delay_ms:
            self._stopped.wait(self.delay_ms / 1000)
        if self.answer_bytes:
            return basic_action_pb2.Outputs(adapted_thing="x" * self.answer_bytes)
        return basic_action_pb2.Outputs(adapted_thing=self.adapted_thing or ("true" if inputs.input_thing else "false"))

    def _meet_and_fail(self, timeout_s: float) -> None:
        """Count this call, wait for the others if the config asks for that, and fail if it is this call's turn."""
        calls = self._calls
        with calls.changed:
            calls.seen += 1
            number = calls.seen
            calls.changed.notify_all()
            if not calls.changed.wait_for(lambda: calls.seen >= self.open_calls or self._stopped.is_set(), timeout_s):
                text = f"only {calls.seen} of {self.open_calls} calls were open at once"
                raise CapabilityError("Public", "System", "DeadlineExceeded", text)
        if number <= len(self.errors):
            code = self.errors[number - 1]
            raise CapabilityError("Public", "System", code, f"{code} error")

    def perform_node_action(self, call: Call) -> node_action_pb2.NodeOutputs:
        """Answer ``output_thing``."""
        call.unpack(node_action_pb2.NodeInputs)
        return node_action_pb2.NodeOutputs(output_thing=self.output_thing)

    def welcome(self, call: Call) -> action_and_trigger_pb2.Output:
        """Greet by name."""
        return action_and_trigger_pb2.Output(welcome=f"Hello, {call.unpack(action_and_trigger_pb2.Input).name}!")

    def register(self, registration: Registration, events: Events) -> Callable[[], None]:
        """Send the configured events; their ids are ``<name>-<n>``."""
        name = registration.unpack(basic_trigger_pb2.Config).name
        output = basic_trigger_pb2.Outputs(cool_output=self.cool_output)
        return self._send(name, lambda event_id: events.send(event_id, output))

    def register_other(self, registration: Registration, events: Events) -> Callable[[], None]:
        """The same with the message type of basic-test-action-trigger."""
        name = registration.unpack(action_and_trigger_pb2.Config).name
        output = action_and_trigger_pb2.TriggerEvent(cool_output=self.cool_output)
        return self._send(name, lambda event_id: events.send(event_id, output))

    @staticmethod
    def _sent(send: Callable[[str], None], event_id: str) -> bool:
        """Whether the host took the event; one that is behind gets it again."""
        try:
            send(event_id)
        except LimitExceeded:
            return False
        return True

    def _send(self, name: str, send: Callable[[str], None]) -> Callable[[], None]:
        stopped = threading.Event()

        def run() -> None:
            for number in range(1, self.trigger_events + 1):
                if stopped.wait(self.trigger_interval_ms / 1000) or self._stopped.is_set():
                    return
                while not self._sent(send, f"{name}-{number}"):
                    if stopped.wait(BEHIND_S) or self._stopped.is_set():
                        return

        if self.trigger_events:
            threading.Thread(target=run, name="basic-test-trigger", daemon=True).start()
        return stopped.set
