"""A plugin for the benchmarks: steps that sleep for as long as their method says, and answer what they were given."""

import time
from dataclasses import dataclass
from typing import Final

from strongroom.plugin import Call, Capability, hookimpl
from strongroom.plugin.messages import basic_action_pb2

__all__ = ["Sleeper", "method_of"]

SLEEPS_MS: Final = (0, 10, 200, 500, 1000)


def method_of(sleep_ms: int) -> str:
    """The name of the method that sleeps for so long."""
    return f"Sleep{sleep_ms}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sleeper:
    """``basic-test-action@1.0.0`` with one method for each length of sleep."""

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer the one capability."""
        methods = {method_of(sleep_ms): _Sleep(sleep_ms) for sleep_ms in SLEEPS_MS}
        return [Capability(id="basic-test-action@1.0.0", description="Sleeps, and answers the same", methods=methods)]


@dataclass(frozen=True, slots=True)
class _Sleep:
    sleep_ms: int

    def __call__(self, call: Call) -> basic_action_pb2.Outputs:
        text = call.unpack(basic_action_pb2.Outputs).adapted_thing
        time.sleep(self.sleep_ms / 1000)
        return basic_action_pb2.Outputs(adapted_thing=text)
