"""A trigger that a test fires by hand, in a real registry, and an engine that accepts its events."""

import threading
import time
from dataclasses import replace

from google.protobuf import any_pb2, wrappers_pb2

from strongroom.engine.catalog import Catalog
from strongroom.engine.limits import EngineLimits
from strongroom.engine.subscriptions import TriggerDesk
from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Offer
from tests.fakes.workflow_host import WorkflowHost, subscriptions

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
        self.waiting = None
        self.asked = threading.Semaphore(0)

    def accept(self, spec, trigger_index, event_id, payload):
        if self.faults:
            raise self.faults.pop(0)
        return self._engine.accept(spec, trigger_index, event_id, payload)

    def unstarted(self, workflow_id):
        self.asked.release()
        return self._engine.unstarted(workflow_id) if self.waiting is None else self.waiting


LIMITS = EngineLimits(events_queued_per_workflow_max=2, payload_bytes_max=1000, trigger_registrations_timeout_ms=5000)


class DeskHost:
    """A desk with one trigger that is fired by hand, and a workflow that subscribes to it."""

    def __init__(self, database, **limits):
        self.host = WorkflowHost(database, limits=replace(LIMITS, **limits))
        self.trigger, self.registry = FiredTrigger(), Registry()
        offer_trigger(self.registry, TRIGGER, self.trigger)
        self.runs = AcceptingRuns(self.host.engine)
        self.desk = TriggerDesk(self.host.host, self.runs, self.registry, retry_min_s=0.01)
        self.catalog = Catalog(self.host.host, self.desk)

    def enrol(self, *ids, **wish):
        self.host.module.on_subscribe = lambda request, helper: subscriptions(*(ids or (TRIGGER,)))
        spec = self.host.register(**wish).spec
        self.desk.enrol(spec)
        return spec, [f"trigger_reg_{spec.workflow_id}_{index}" for index in range(len(spec.subscriptions))]

    def report(self, spec, index=0):
        return self.desk.report(spec.workflow_id)[index]

    def runs_of(self, spec):
        found = self.host.database.read(lambda c: c.exec_driver_sql("SELECT event_id FROM runs").all())
        return sorted(row[0] for row in found)

    def after_restart(self):
        """Another life of the host on the same database, with the same trigger."""
        self.close()
        return DeskHost(self.host.database)

    def wait_for_state(self, spec, state, index=0):
        end = time.monotonic() + WAIT_S
        while not (reports := self.desk.report(spec.workflow_id)) or reports[index].state != state:
            assert time.monotonic() < end, reports
            time.sleep(0.005)
        return reports[index]

    def close(self):
        self.desk.close()
        self.host.close()
