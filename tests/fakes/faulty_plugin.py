"""A small good plugin, and one fault at a time that the conformance suite has to find."""

import itertools
import logging
import threading
import time
from dataclasses import dataclass, field

from google.protobuf import wrappers_pb2

from strongroom.plugin import (
    Call,
    Capability,
    CapabilityError,
    Events,
    Host,
    MountProvider,
    Registration,
    TriggerMethod,
    hookimpl,
)

GOOD_ID = "faulty@1.0.0"


@dataclass(slots=True, kw_only=True, eq=False)
class FaultyPlugin:
    fault: str = ""
    host: Host | None = field(default=None, init=False)
    count: itertools.count = field(default_factory=itertools.count, init=False)
    live: dict[str, Events] = field(default_factory=dict, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @hookimpl
    def start(self, host: Host) -> None:
        self.host = host
        if self.fault == "does not start" or (self.fault == "starts once" and host.store.get("started")):
            raise RuntimeError("no database")
        host.store.put("started", b"yes")

    @hookimpl
    def capabilities(self) -> list[Capability]:
        if self.fault == "offers nothing":
            return []
        return [
            Capability(
                id="faulty-with-a-new-name@1.0.0" if self.fault == "another id" else GOOD_ID,
                description="" if self.fault == "no description" else "echoes",
                kind="combined",
                methods={"Echo": self.echo, **({"Hidden": self.echo} if self.fault == "hidden method" else {})},
                triggers={"Ticks": TriggerMethod(register=self.register, ack=self.ack)},
            )
        ]

    @hookimpl
    def stop(self) -> None:
        if self.fault == "stop raises":
            raise RuntimeError("cannot stop")
        if self.fault == "events after the end":
            for events in self.live.values():
                events.send("late", wrappers_pb2.StringValue())

    def echo(self, call: Call) -> wrappers_pb2.StringValue:
        number = next(self.count)
        if self.fault == "takes anything":
            return wrappers_pb2.StringValue(value="fine")
        if self.fault == "wrong class" and not call.payload.type_url.endswith("StringValue"):
            raise CapabilityError("Public", "System", "Internal", "what is that")
        text = call.unpack(wrappers_pb2.StringValue).value
        if self.fault == "logs payloads":
            logging.getLogger("strongroom.plugins.faulty").debug("asked", extra={"asked": text})
        if self.fault == "raises" or (self.fault == "raises for odd texts" and not text.isprintable()):
            raise RuntimeError("not meant")
        if self.fault == "one at a time":
            if not self.lock.acquire(blocking=False):
                raise RuntimeError("busy")
            time.sleep(0.01)
            self.lock.release()
        if self.fault == "answers otherwise":
            text += str(number)
        return wrappers_pb2.StringValue(value=text)

    def register(self, registration: Registration, events: Events):
        if self.fault == "takes any config":
            return lambda: None
        registration.unpack(wrappers_pb2.StringValue)
        if self.fault == "registers once" and next(self.count):
            raise CapabilityError("Public", "System", "Internal", "registered already")
        self.live[registration.trigger_id] = events
        for number in range(0 if self.fault == "sends nothing" else 2):
            event_id = {"same ids": "tick", "empty ids": ""}.get(self.fault, f"tick-{number}")
            events.send(event_id, wrappers_pb2.StringValue(value="tick"))

        def stop() -> None:
            if self.fault == "does not unregister":
                raise CapabilityError("Public", "System", "Internal", "it goes on")

        return stop

    def ack(self, trigger_id: str, event_id: str) -> None:
        if self.fault == "takes no acks":
            raise CapabilityError("Public", "System", "Internal", "no")


@dataclass(slots=True, kw_only=True, eq=False)
class FaultyMounts(FaultyPlugin):
    """The same with a mount: a class of its own, since a plugin process with that hook is refused."""

    @hookimpl
    def mounts(self) -> list[MountProvider]:
        if self.host is None or (self.fault == "mounts once" and self.host.store.get("mounted")):
            return []
        self.host.store.put("mounted", b"yes")
        description = "" if self.fault == "undescribed mount" else "notes of a project"
        return [MountProvider(name="notes", open=lambda context: context.open_workspace(None), description=description)]


if __name__ == "__main__":
    from strongroom.plugin.serve import serve

    serve(FaultyPlugin)
