"""A plugin for the benchmarks: an action that answers at once and remembers when it was asked.

What it remembers is answered by its second method, as decimal nanoseconds; asking forgets it.
"""

import threading
import time
from dataclasses import dataclass, field

from strongroom.plugin import Call, Capability, hookimpl
from strongroom.plugin.messages import basic_action_pb2

__all__ = ["Stopwatch"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stopwatch:
    """``basic-test-action@1.0.0`` with a watch."""

    _asked_ns: list[int] = field(default_factory=list, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer the one capability."""
        methods = {"PerformAction": self.act, "Times": self.times}
        return [Capability(id="basic-test-action@1.0.0", description="Answers at once", methods=methods)]

    def act(self, call: Call) -> basic_action_pb2.Outputs:
        """Remember the moment, and answer."""
        self._asked_ns.append(time.monotonic_ns())
        call.unpack(basic_action_pb2.Inputs)
        return basic_action_pb2.Outputs(adapted_thing="true")

    def times(self, call: Call) -> basic_action_pb2.Outputs:
        """When it was asked, in order, since this was asked last."""
        del call
        with self._lock:
            asked = " ".join(map(str, self._asked_ns))
            self._asked_ns.clear()
        return basic_action_pb2.Outputs(adapted_thing=asked)
