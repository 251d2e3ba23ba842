"""A trigger that a test fires by hand, in a real registry, and an engine that accepts its events."""

import threading

from google.protobuf import any_pb2, wrappers_pb2

from strongroom.engine.admission import Start
from strongroom.errors import CapabilityError, WrongState
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.registry import Offer, Registry

TRIGGER = "http-trigger@1.0.0-alpha"
WAIT_S = 20


class FiredTrigger:
    """The backend of a trigger capability; it notes what it is told. ``refuse`` answers the next registrations."""

    def __init__(self):
        self.sinks, self.requests = {}, {}
        self.refuse = []
        self.acks, self.paused, self.forgotten = [], [], []
        self.ack_fails = 0
        self._changed = threading.Condition()

    def register(self, request, sink, *, timeout_s):
        with self._changed:
            if self.refuse:
                raise self.refuse.pop(0)
            self.sinks[request.triggerId], self.requests[request.triggerId] = sink, request
            self._changed.notify_all()

    def pause(self, request):
        self._gone(request, self.paused)

    def unregister(self, request):
        self._gone(request, self.forgotten)

    def _gone(self, request, told):
        with self._changed:
            self.sinks.pop(request.triggerId, None)
            told.append(request.triggerId)
            self._changed.notify_all()

    def ack(self, trigger_id, event_id, method):
        with self._changed:
            if self.ack_fails:
                self.ack_fails -= 1
                raise CapabilityError("Public", "System", "Unavailable", "the stream broke")
            self.acks.append((trigger_id, event_id, method))
            self._changed.notify_all()

    def fire(self, trigger_id, event_id="e1", text="x"):
        self.sinks[trigger_id].event(event(event_id, text))

    def wait(self, condition):
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S), (self.sinks.keys(), self.acks)


def event(event_id, text="x"):
    payload = any_pb2.Any()
    payload.Pack(wrappers_pb2.StringValue(value=text))
    return capabilities_pb2.TriggerEvent(triggerType=TRIGGER, id=event_id, payload=payload)


def offer_trigger(registry, capability_id, backend):
    registry.add(Offer(id=capability_id, kind="trigger", description="", plugin="fired", trigger=backend))


class AcceptingRuns:
    """Accepts events into a real engine; ``faults`` are raised first, ``waiting`` is how many runs have not begun."""

    def __init__(self, engine):
        self._engine = engine
        self.faults = []
        self.waiting = 0
        self.asked = threading.Semaphore(0)

    def accept(self, spec, trigger_index, event_id, payload):
        if self.faults:
            raise self.faults.pop(0)
        if spec.row.status != "active":
            raise WrongState("SR-WF-002", "it is paused")
        wish = Start(
            owner=spec.row.workflow_owner,
            workflow=spec.workflow_id,
            trigger_index=trigger_index,
            event_id=event_id,
            message=payload,
        )
        return self._engine.start(wish)

    def unstarted(self, workflow_id):
        self.asked.release()
        return self.waiting
