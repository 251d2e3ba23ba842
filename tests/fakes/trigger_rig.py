"""The HTTP trigger's service over a store in memory, with a host that acknowledges when the test says so."""

import json
import logging
import threading
import time

from strongroom.plugin import EventBook, Redelivery, Registration
from strongroom.plugin.messages import capabilities_pb2, http_pb2
from strongroom_http_trigger.rates import Rate
from strongroom_http_trigger.registrations import Registrations
from strongroom_http_trigger.requests import Requests
from strongroom_http_trigger.service import Service
from tests.fakes.http_caller import body_for
from tests.fakes.plugin_host import MemoryStore

WORKFLOW = "00" + "ab" * 31
OWNER = "cc" * 20
LOG = logging.getLogger("http-trigger")


def registration(*addresses, workflow=WORKFLOW, index=0, owner=OWNER, name="greet", tag="v1", keys=None):
    config = http_pb2.Config(authorized_keys=keys or [])
    for address in addresses:
        config.authorized_keys.add(type=http_pb2.KEY_TYPE_ECDSA_EVM, public_key=address)
    request = capabilities_pb2.TriggerRegistrationRequest(
        triggerId=f"trigger_reg_{workflow}_{index}",
        metadata={
            "workflow_id": workflow,
            "workflow_owner": owner,
            "decoded_workflow_name": name,
            "workflow_tag": tag,
            "reference_id": f"trigger_{index}",
        },
    )
    request.payload.Pack(config)
    return Registration(
        trigger_id=request.triggerId, metadata=request.metadata, payload=request.payload, method="Trigger"
    )


class HostEvents:
    """What the host does with events: notes each, and acknowledges it unless ``deaf``."""

    def __init__(self, rig, trigger_id):
        self.rig, self.trigger_id = rig, trigger_id

    def send(self, event_id, payload):
        event = http_pb2.Payload()
        payload.Unpack(event)
        self.rig.told(self.trigger_id, event_id, event)

    def fail(self, error):
        raise AssertionError(error)

    def close(self):
        raise AssertionError("closed")


class Rig:
    """One life of the plugin over ``store``."""

    def __init__(self, store=None, *, deaf=False, wait_s=20.0, **settings):
        self.store = store if store is not None else MemoryStore()
        self.deaf = deaf
        self.events = []
        self.changed = threading.Condition()
        self.registrations = Registrations(self.store)
        rules = Redelivery(events_max=settings.get("events_max", 1000))
        self.book = EventBook(self.store, log=LOG, redelivery=rules)
        self.requests = Requests(self.store, keep_s=3600.0, now_s=settings.get("now_s", time.time))
        self.service = Service(
            self.registrations,
            self.requests,
            self.book,
            Rate(every_s=30, burst=settings.get("burst", 1_000)),
            LOG,
            accept_wait_s=wait_s,
            now_s=settings.get("now_s", time.time),
        )

    def listen(self, *addresses, **changes):
        asked = registration(*addresses, **changes)
        one = self.registrations.add(asked)
        return one, self.book.attach(asked.trigger_id, HostEvents(self, asked.trigger_id))

    def told(self, trigger_id, event_id, payload):
        with self.changed:
            self.events.append((trigger_id, event_id, payload))
            self.changed.notify_all()
        if not self.deaf:
            self.service.acknowledged(trigger_id, event_id)

    def wait(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.events) >= count, 30), self.events

    def ask(self, body, authorization):
        answer = self.service.answer(authorization, body)
        return answer.status, json.loads(answer.body), answer.retry_after_s

    def call(self, caller, body=None, **token):
        body = body_for(WORKFLOW) if body is None else body
        return self.ask(body, caller.bearer(body, **token))

    def error(self, caller, body=None, **token):
        status, said, _ = self.call(caller, body, **token)
        return status, said["error"]["code"], said["error"]["data"]["reason"], said["error"]["message"]
