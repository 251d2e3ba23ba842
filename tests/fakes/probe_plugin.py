"""A plugin that does what a test tells it, in process or as a process: it tries its host, breaks, hangs and floods.

Run as a program it serves itself; the behaviour is in its config.
"""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

from google.protobuf import wrappers_pb2

from strongroom.plugin import Call, Capability, CapabilityError, Events, Host, Registration, TriggerMethod, hookimpl
from strongroom.plugin.messages import basic_action_pb2, capabilities_pb2

METHODS = (
    "echo",
    "whoami",
    "put",
    "get",
    "delete",
    "list",
    "fetch",
    "call_other",
    "fail",
    "fail_publicly",
    "sleep",
    "wrong",
    "big",
    "die",
    "freeze",
    "flood",
    "environment",
    "send",
    "fail_event",
    "close_events",
    "acked",
    "forgotten",
)


def text(value: str) -> wrappers_pb2.StringValue:
    return wrappers_pb2.StringValue(value=value)


@dataclass(slots=True, kw_only=True, eq=False)
class Probe:
    capability_id: str = "probe@1.0.0"
    other_id: str = ""
    refuse_start: str = ""
    die_after_ms: int = 0
    names: tuple[str, ...] = ()
    host: Host | None = field(default=None, init=False)
    live: dict[str, Events] = field(default_factory=dict, init=False)
    acks: list[str] = field(default_factory=list, init=False)
    farewells: list[str] = field(default_factory=list, init=False)

    @hookimpl
    def start(self, host: Host) -> None:
        self.host = host
        if self.refuse_start:
            raise RuntimeError(self.refuse_start)
        if self.die_after_ms:
            threading.Timer(self.die_after_ms / 1000, os._exit, [7]).start()

    @hookimpl
    def capabilities(self) -> list[Capability]:
        methods = {name: getattr(self, name) for name in METHODS}
        found = [
            Capability(
                id=self.capability_id,
                description="what a test needs",
                kind="combined",
                methods=methods,
                triggers={"Trigger": TriggerMethod(register=self.register, ack=self.ack, forget=self.farewells.append)},
            )
        ]
        if self.other_id:
            found.append(Capability(id=self.other_id, methods={"echo": self.echo}))
        return found

    @hookimpl
    def stop(self) -> None:
        self.live.clear()

    def _host(self) -> Host:
        assert self.host is not None
        return self.host

    def echo(self, call: Call) -> wrappers_pb2.BytesValue:
        return call.unpack(wrappers_pb2.BytesValue)

    def whoami(self, call: Call) -> wrappers_pb2.StringValue:
        return text(f"{self._host().name} {self._host().mode} {call.metadata.workflow_owner} {call.timeout_s > 0}")

    def put(self, call: Call) -> wrappers_pb2.StringValue:
        key, _, value = call.unpack(wrappers_pb2.StringValue).value.partition("=")
        self._host().store.put(key, value.encode(), owner=call.metadata.workflow_owner)
        return text("stored")

    def get(self, call: Call) -> wrappers_pb2.StringValue:
        value = self._host().store.get(call.unpack(wrappers_pb2.StringValue).value, owner=call.metadata.workflow_owner)
        return text("nothing" if value is None else value.decode())

    def delete(self, call: Call) -> wrappers_pb2.StringValue:
        self._host().store.delete(call.unpack(wrappers_pb2.StringValue).value, owner=call.metadata.workflow_owner)
        return text("deleted")

    def list(self, call: Call) -> wrappers_pb2.StringValue:
        prefix = call.unpack(wrappers_pb2.StringValue).value
        return text(",".join(self._host().store.list(prefix, owner=call.metadata.workflow_owner)))

    def fetch(self, call: Call) -> wrappers_pb2.Int64Value:
        return wrappers_pb2.Int64Value(
            value=len(self._host().artifacts.fetch(call.unpack(wrappers_pb2.StringValue).value))
        )

    def call_other(self, call: Call) -> wrappers_pb2.StringValue:
        other = self._host().registry.get_executable(call.unpack(wrappers_pb2.StringValue).value)
        request = capabilities_pb2.CapabilityRequest(method="PerformAction")
        request.payload.Pack(basic_action_pb2.Inputs(input_thing=True))
        outputs = basic_action_pb2.Outputs()
        other.execute(request, timeout_s=call.timeout_s).payload.Unpack(outputs)
        return text(outputs.adapted_thing)

    def fail(self, call: Call) -> wrappers_pb2.StringValue:
        raise RuntimeError("not meant")

    def fail_publicly(self, call: Call) -> wrappers_pb2.StringValue:
        raise CapabilityError("Public", "User", "OutOfRange", "a: b\nc")

    def sleep(self, call: Call) -> wrappers_pb2.StringValue:
        time.sleep(call.unpack(wrappers_pb2.Int64Value).value / 1000)
        return text("awake")

    def wrong(self, call: Call) -> wrappers_pb2.StringValue:
        return "not a message"  # type: ignore[return-value]  # that is the point

    def big(self, call: Call) -> wrappers_pb2.BytesValue:
        return wrappers_pb2.BytesValue(value=bytes(call.unpack(wrappers_pb2.Int64Value).value))

    def die(self, call: Call) -> wrappers_pb2.StringValue:
        os._exit(9)

    def freeze(self, call: Call) -> wrappers_pb2.StringValue:
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(600)
        return text("thawed")

    def flood(self, call: Call) -> wrappers_pb2.StringValue:
        lines = call.unpack(wrappers_pb2.Int64Value).value
        os.write(1, b"stdout flood\n" * lines)
        os.write(2, b"[INFO] stderr flood\n" * lines)
        return text("flooded")

    def environment(self, call: Call) -> wrappers_pb2.StringValue:
        return text("\n".join(f"{name}={value}" for name, value in sorted(os.environ.items())))

    def register(self, registration: Registration, events: Events):
        if registration.metadata.workflow_name == "refused":
            raise CapabilityError("Public", "User", "InvalidArgument", "this one is refused")
        self.live[registration.trigger_id] = events
        return lambda: self.live.pop(registration.trigger_id, None)

    def send(self, call: Call) -> wrappers_pb2.StringValue:
        trigger_id, _, event_id = call.unpack(wrappers_pb2.StringValue).value.partition("=")
        if trigger_id not in self.live:
            return text("not registered")
        self.live[trigger_id].send(event_id, text("payload"))
        return text("sent")

    def fail_event(self, call: Call) -> wrappers_pb2.StringValue:
        events = self.live[call.unpack(wrappers_pb2.StringValue).value]
        events.fail(CapabilityError("Public", "System", "DataLoss", "lost one"))
        return text("failed")

    def close_events(self, call: Call) -> wrappers_pb2.StringValue:
        self.live[call.unpack(wrappers_pb2.StringValue).value].close()
        return text("closed")

    def ack(self, trigger_id: str, event_id: str) -> None:
        self.acks.append(f"{trigger_id}={event_id}")

    def acked(self, call: Call) -> wrappers_pb2.StringValue:
        return text(",".join(self.acks))

    def forgotten(self, call: Call) -> wrappers_pb2.StringValue:
        return text(",".join(self.farewells))


if __name__ == "__main__":
    from strongroom.plugin.serve import serve

    if "foreign" in sys.argv:  # as a plugin of another house would: it knows nothing of tokens
        os.environ.pop("STRONGROOM_PLUGIN_TOKEN", None)
    serve(Probe)
