"""A plugin with triggers, or a process, is replaced: registrations move, and what does not come up is tried again."""

import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from google.protobuf import wrappers_pb2

from strongroom.errors import CapabilityError, PluginAway
from strongroom.plugin import Call, Capability, EventBook, Events, Host, Registration, TriggerMethod, hookimpl
from strongroom.settings.manifest import PluginEntry
from tests.fakes.memory_host import QUICK, WAIT_S, Eventually, MemoryHost, answer, request
from tests.fakes.scripted_guest import until
from tests.registry.conformance import registration, text

PROBE = Path(__file__).resolve().parent.parent / "fakes" / "probe_plugin.py"
DRAIN_S = 30.0


def take(host, *entries):
    return host.plugins.take(host.plugins.plan(entries), drain_s=DRAIN_S)


KINDS = {
    "in-process": {"factory": "tests.fakes.probe_plugin:Probe"},
    "process": {"command": (sys.executable, str(PROBE))},
}


@pytest.mark.parametrize("kind", KINDS)
def test_registrations_move_to_the_new_one_and_its_events_arrive(tmp_path, kind):
    def probe(**config):
        return PluginEntry(name="probe", config=config, **KINDS[kind])

    with MemoryHost(tmp_path, probe()) as host:
        heard = Eventually()
        host.registry.get_trigger("probe@1.0.0").register(registration("t1"), heard, timeout_s=WAIT_S)
        before = host.plugins.states()[0].pid
        (done,) = take(host, probe(names=["changed"]))
        assert done.state.state == "ready"
        assert kind == "in-process" or done.state.pid not in {0, before}
        until(lambda: "restored" in heard.notes)
        assert answer(host.call("probe@1.0.0", "send", text("t1=e1")), text("")).value == "sent"
        until(lambda: [event.id for event in heard.events] == ["e1"])


def test_a_required_process_that_does_not_come_up_is_tried_again(tmp_path):
    def probe(script, **changes):
        command = (sys.executable, str(script))
        return PluginEntry(name="probe", command=command, config={}, required=True, **changes)

    late = tmp_path / "late.py"
    late.symlink_to(PROBE)
    with MemoryHost(tmp_path, probe(late), supervision=replace(QUICK, given_up_s=0.2)) as host:
        late.unlink()
        done = host.plugins.reload("probe", probe(late), drain_s=WAIT_S)
        assert done.state.state == "failed"
        late.symlink_to(PROBE)
        until(lambda: host.plugins.states()[0].state == "ready")
        assert answer(host.call("probe@1.0.0", "whoami", text("")), text("")).value.startswith("probe dev")


@dataclass(slots=True, kw_only=True, eq=False)
class Emits:
    """A trigger that keeps its events until they are confirmed; a call makes one."""

    note: str = ""
    version: str = "1.0.0"
    _book: EventBook | None = field(default=None, init=False)

    @hookimpl
    def start(self, host: Host) -> None:
        self._book = EventBook(host.store, log=host.log)

    @hookimpl
    def capabilities(self) -> list[Capability]:
        trigger = TriggerMethod(register=self.register, ack=self._book.ack, forget=self._book.forget)
        named, methods = f"emits@{self.version}", {"emit": self.emit}
        return [Capability(id=named, kind="combined", methods=methods, triggers={"Trigger": trigger})]

    def register(self, registration: Registration, events: Events):
        return self._book.attach(registration.trigger_id, events)

    def emit(self, call: Call) -> wrappers_pb2.StringValue:
        event_id = call.unpack(wrappers_pb2.StringValue)
        self._book.add("t1", event_id.value, text("payload"))
        return event_id


AHEAD_MAX = 300
"""Events that are made and not heard yet."""


class Confirming(Eventually):
    """Takes each event, and confirms it where that can be done."""

    def __init__(self, trigger):
        super().__init__()
        self._trigger = trigger
        self.unconfirmed = 0

    def event(self, event):
        super().event(event)
        try:
            self._trigger.ack("t1", event.id, "Trigger")
        except CapabilityError:
            self.unconfirmed += 1


def test_no_event_is_lost_that_is_made_or_under_way_while_its_plugin_is_replaced(tmp_path):
    def emits(note=""):
        return PluginEntry(name="emits", factory=f"{__name__}:Emits", config={"note": note})

    made = []
    over = threading.Event()

    def source(host, heard):
        while not over.is_set():
            # A book holds a thousand events that nobody confirmed yet: on a slow machine it would be full.
            if len(made) > len(heard.events) + AHEAD_MAX:
                over.wait(0.01)
                continue
            event_id = f"e{len(made)}"
            handle = host.registry.get_executable("emits@1.0.0")
            handle.execute(request("emit", text(event_id)), timeout_s=WAIT_S)
            made.append(event_id)

    with MemoryHost(tmp_path, emits()) as host:
        trigger = host.registry.get_trigger("emits@1.0.0")
        heard = Confirming(trigger)
        trigger.register(registration("t1"), heard, timeout_s=WAIT_S)
        thread = threading.Thread(target=source, args=(host, heard))
        thread.start()
        for turn in range(10):
            before = len(made)
            until(lambda before=before: len(made) > before + 5)
            (done,) = take(host, emits(f"turn {turn}"))
            assert done.state.state == "ready"
        over.set()
        thread.join(WAIT_S)
        assert not thread.is_alive(), "its calls wait for the new one, and end"
        until(lambda: {event.id for event in list(heard.events)} == set(made))


def test_a_later_version_answers_those_who_know_the_one_before_and_has_their_registrations(tmp_path):
    def emits(version):
        return PluginEntry(name="emits", factory=f"{__name__}:Emits", config={"version": version})

    with MemoryHost(tmp_path, emits("1.0.0")) as host:
        handle = host.registry.get_executable("emits@1.0.0")
        heard = Confirming(host.registry.get_trigger("emits@1.0.0"))
        host.registry.get_trigger("emits@1.0.0").register(registration("t1"), heard, timeout_s=WAIT_S)
        for number, version in enumerate(["1.1.0", "1.0.0", "1.2.0"], 1):
            take(host, emits(version))
            until(lambda number=number: heard.notes.count("restored") == number)
            handle.execute(request("emit", text(version)), timeout_s=WAIT_S)
            until(lambda version=version: version in [event.id for event in heard.events])
            assert host.registry.get("emits@1.0.0").id == f"emits@{version}"
        take(host, emits("2.0.0"))
        with pytest.raises(PluginAway):
            handle.execute(request("emit", text("x")), timeout_s=WAIT_S)
        take(host, emits("1.0.0"))
        until(lambda: heard.notes.count("restored") == 4)
