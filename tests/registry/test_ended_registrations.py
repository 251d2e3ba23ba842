"""A registration has ended: what its plugin sent before it knew arrives later, and reaches nobody."""

import tempfile
import threading
from pathlib import Path

import pytest
from google.protobuf import wrappers_pb2

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin import Capability
from strongroom.plugin.capability import TriggerMethod
from strongroom.plugin.serve.client import RemoteTrigger
from strongroom.registry.gate import Gate
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Offer
from tests.fakes.memory_host import WAIT_S, Eventually
from tests.plugin.test_capability_server import serving

ID = "a@1.0.0"
REQUEST = capabilities_pb2.TriggerRegistrationRequest(triggerId="w-0")


class LateTrigger:
    """Whatever it is told, it sends one event more to everybody who ever registered."""

    def __init__(self):
        self.sinks = []

    def register(self, request, sink, *, timeout_s):
        self.sinks.append(sink)

    def pause(self, request):
        for sink in self.sinks:
            sink.event(event("late"))

    unregister = pause

    def ack(self, trigger_id, event_id, method):
        """Nobody asks."""


def event(event_id):
    return capabilities_pb2.TriggerEvent(triggerType=ID, id=event_id)


def offered(backend, registry=None, offer_id=ID):
    registry = registry or Registry()
    registry.add(Offer(id=offer_id, kind="trigger", description="", plugin="p", trigger=backend))
    return registry.get_trigger(ID)


@pytest.fixture
def late():
    return LateTrigger()


@pytest.mark.parametrize("end", ["pause", "unregister"])
def test_what_comes_after_the_end_was_asked_for_reaches_nobody(late, end):
    trigger, told = offered(late), Eventually()
    trigger.register(REQUEST, told, timeout_s=WAIT_S)
    late.sinks[0].event(event("before"))
    getattr(trigger, end)(REQUEST)
    late.sinks[0].event(event("after"))
    late.sinks[0].failed(CapabilityError("Public", "System", "Internal", "after"))
    assert ([each.id for each in told.events], told.failures) == (["before"], [])


def test_what_comes_for_a_registration_that_was_replaced_reaches_nobody(late):
    trigger, first, second = offered(late), Eventually(), Eventually()
    for told in (first, second):
        trigger.register(REQUEST, told, timeout_s=WAIT_S)
    for sink in late.sinks:
        sink.event(event("e1"))
    assert (len(first.events), len(second.events)) == (0, 1)


def test_a_registration_that_went_to_another_plugin_ends_for_the_first_one_too(late):
    registry, told = Registry(), Eventually()
    trigger = offered(late, registry)
    trigger.register(REQUEST, told, timeout_s=WAIT_S)
    registry.suspend(ID)
    offered(late, registry)
    told.wait(lambda t: "restored" in t.notes)
    trigger.unregister(REQUEST)
    for sink in late.sinks:
        sink.event(event("after"))
    assert told.events == []


def test_a_registration_that_a_later_version_took_over_ends_for_the_first_one_too(late):
    registry, told = Registry(), Eventually()
    offered(late, registry).register(REQUEST, told, timeout_s=WAIT_S)
    registry.remove(ID)
    offered(late, registry, "a@1.1.0")
    told.wait(lambda t: "restored" in t.notes)
    registry.get_trigger(ID).unregister(REQUEST)
    for sink in late.sinks:
        sink.event(event("after"))
    assert (len(late.sinks), told.events) == (2, [])


@pytest.mark.parametrize("end", ["pause", "unregister"])
def test_the_end_waits_for_an_event_that_is_being_taken(late, end):
    trigger, order = offered(late), []
    taking, go_on = threading.Event(), threading.Event()

    class Slow(Eventually):
        def event(self, event):
            super().event(event)
            if event.id == "slow":
                taking.set()
                go_on.wait(WAIT_S)
                order.append("taken")

    def ends():
        getattr(trigger, end)(REQUEST)
        order.append("ended")

    told = Slow()
    trigger.register(REQUEST, told, timeout_s=WAIT_S)
    threads = [threading.Thread(target=late.sinks[0].event, args=(event("slow"),)), threading.Thread(target=ends)]
    threads[0].start()
    assert taking.wait(WAIT_S)
    threads[1].start()
    # As long as events pass, the end has not begun.
    count = -1
    while count != len(told.events):
        count = len(told.events)
        late.sinks[0].event(event("another"))
    go_on.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert order == ["taken", "ended"]


def test_a_subscriber_may_end_its_registration_while_it_is_told_of_an_event(late, caplog):
    trigger = offered(late)

    class Once(Eventually):
        def event(self, event):
            super().event(event)
            trigger.unregister(REQUEST)

    told = Once()
    trigger.register(REQUEST, told, timeout_s=WAIT_S)
    late.sinks[0].event(event("e1"))
    late.sinks[0].event(event("e2"))
    assert [each.id for each in told.events] == ["e1"]
    assert caplog.messages == [], "nobody waited for itself until that was given up"


def test_a_subscriber_that_hangs_does_not_keep_the_end_for_ever():
    gate, inside, go_on = Gate(), threading.Event(), threading.Event()

    def hang(_event):
        inside.set()
        go_on.wait(WAIT_S)

    thread = threading.Thread(target=gate.let_through, args=(hang, "e1"))
    thread.start()
    assert inside.wait(WAIT_S)
    assert not gate.shut(wait_s=0)
    go_on.set()
    thread.join(WAIT_S)
    assert gate.shut(wait_s=0)


class SlowReader(RemoteTrigger):
    """A thread of it has read the second event from the socket, and the host does not have it yet."""

    holds, go_on, handed_on = threading.Event(), threading.Event(), threading.Event()

    def register(self, request, sink, *, timeout_s):
        hand_on = sink.event

        def slowly(event):
            if event.id == "e2":
                self.holds.set()
                self.go_on.wait(WAIT_S)
            hand_on(event)
            if event.id == "e2":
                self.handed_on.set()

        sink.event = slowly
        super().register(request, sink, timeout_s=timeout_s)


def test_an_event_that_was_read_from_a_process_when_it_answered_the_end_reaches_nobody():
    def register(_registration, events):
        for event_id in ("e1", "e2"):
            events.send(event_id, wrappers_pb2.StringValue(value="x"))
        return lambda: None

    sends = Capability(id=ID, kind="trigger", triggers={"": TriggerMethod(register=register)})
    told = Eventually()
    with tempfile.TemporaryDirectory(prefix="sr-") as directory, serving(Path(directory), sends) as channel:
        reader = SlowReader(channel, ())
        trigger = offered(reader)
        trigger.register(REQUEST, told, timeout_s=WAIT_S)
        assert reader.holds.wait(WAIT_S)
        trigger.unregister(REQUEST)
        reader.go_on.set()
        assert reader.handed_on.wait(WAIT_S)
    assert [each.id for each in told.events] == ["e1"]
