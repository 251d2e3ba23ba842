"""The door of the World contract on a real database, and programs that come to it."""

import threading

from ulid import ULID

from strongroom.engine.history import History
from strongroom.engine.journal import now_ms
from strongroom.engine.world.drafts import Draft
from strongroom.engine.world.world import World
from strongroom.pb.strongroom.world.v1.event_data_pb2 import AttributeChange, EventData
from tests.fakes.workflow_host import OWNER, WorkflowHost

WHOLE = {
    "run_created": {"deployment_id": "dpl_1", "workflow_name": "orders", "input": b"encr-in"},
    "run_started": {},
    "run_completed": {"output": b"encr-out"},
    "run_failed": {"error": b"encr-error", "error_code": "USER_ERROR"},
    "run_cancelled": {"cancel_reason": "not wanted"},
    "attr_set": {"changes": [AttributeChange(key="phase", value="two")], "writer": "workflow"},
    "step_created": {"step_name": "charge", "input": b"encr-step-in"},
    "step_started": {"step_name": "charge"},
    "step_completed": {"result": b"encr-result"},
    "step_failed": {"error": b"encr-step-error"},
    "step_retrying": {"error": b"encr-again"},
    "hook_created": {"token": "token", "metadata": b"encr-meta"},
    "hook_received": {"payload": b"encr-payload"},
    "hook_disposed": {},
    "wait_created": {"resume_at_unix_ms": 1_900_000_000_000},
    "wait_completed": {},
}
"""Data with which each type is taken."""


def draft(event_type, name="", **data):
    """An event with what its type needs, but for ``data``; None leaves something out."""
    fields = {key: value for key, value in {**WHOLE.get(event_type, {}), **data}.items() if value is not None}
    return Draft(event_type, name, EventData(**fields))


class WorldHost(WorkflowHost):
    """A host with the door; ``ahead_ms`` is how far its clock is in front of the real one."""

    def __init__(self, database, **rest):
        super().__init__(database, **rest)
        self.ahead_ms = 0
        self.history = History(self.host.journals)
        self.world = World(self.host, self.history, clock_ms=lambda: now_ms() + self.ahead_ms)
        self.engine.end_of_others = self.world.cancel

    def create(self, run_id, event_type, name="", owner=OWNER, **data):
        return self.world.events.create(run_id, draft(event_type, name, **data), owner=owner)

    def begin(self, *more, **data):
        """A run that others execute, with those events behind its first; its id."""
        run_id = f"wrun_{ULID()}"
        self.create(run_id, "run_created", **data)
        for each in more:
            self.create(run_id, *(each if isinstance(each, tuple) else (each,)))
        return run_id

    def kinds(self, run_id):
        """The types of its events."""
        return [event.kind.value for event in self.world.reader.list(run_id, limit=500).events]


def race(count, function):
    """What each of so many threads that begin together got, or had raised."""
    barrier, results = threading.Barrier(count), [None] * count

    def work(number):
        barrier.wait(10)
        try:
            results[number] = function(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results
