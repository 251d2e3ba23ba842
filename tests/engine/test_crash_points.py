"""A run that is cut off after any event of its journal comes to the same end, and each of its steps has one key."""

from dataclasses import replace

import pytest

from strongroom.crypto.srn1 import tag_of
from strongroom.engine.admission import Start
from strongroom.engine.recorded import recorded
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.storage import journal, runs
from tests.engine.test_execution import vault
from tests.fakes.scripted_guest import ACTION, WAIT_S, Guest, Holding, adapted, call, until
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

DON = 1
EVENTS = [
    "run_created",
    "run_started",
    "time_read",
    "log_written",
    "step_created",
    "step_completed",
    "step_created",
    "step_completed",
    "step_created",
    "step_created",
    "run_suspended",
    "step_completed",
    "step_completed",
    "run_started",
    "run_suspended",
    "run_started",
    "time_read",
    "log_written",
    "run_completed",
]


class Everything:
    """Reads times, logs, fetches a secret, makes three steps, waits for two of them together, and sleeps."""

    def __init__(self, capability):
        self.capability = capability
        self.seen = []

    def __call__(self, request, helper):
        guest = Guest(helper)
        told = [helper.now_ns(DON)]
        helper.log(DON, "begun")
        patient = Guest(helper, patience_s=WAIT_S)
        told.append(patient.step(1))
        asked = sdk_pb2.GetSecretsRequest(requests=[sdk_pb2.SecretRequest(id="A")], callback_id=9)
        told.append(helper.get_secrets(asked).responses[0].secret.value)
        guest.call(call(2))
        until(lambda: helper.answered_unix_ns("capability", 2) or "2" in self.capability.references)
        guest.call(call(3))
        told += guest.answer(2, 3)
        guest.sleep(0.01)
        told.append(helper.now_ns(DON))
        helper.log(DON, "slept")
        told += [helper.entropy.hex(), str(helper.node_seed), str(helper.clock_unix_ns)]
        self.seen.append(told)
        return value(repr(told[1:5]))


class Selective(Holding):
    """Answers step 1 at once, and the others when they are released."""

    def execute(self, request, *, timeout_s):
        if request.metadata.reference_id == "1":
            self.keys.add((request.metadata.workflow_execution_id, "1"))
            self.references.append("1")
            return adapted("answer 1")
        return super().execute(request, timeout_s=timeout_s)


def equip(host, capability):
    host.capabilities.found |= {ACTION: capability, "vault@1.0.0": vault({("main", "A"): b"secret"})}
    host.module.on_trigger = Everything(capability)
    return host.module.on_trigger


@pytest.fixture
def whole(host):
    """A run that was executed without a crash: its header, events and what its guest saw."""
    capability = Selective()
    guest = equip(host, capability)
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    until(lambda: host.engine.get(header.run_id).status == "waiting")
    capability.released.set()
    header, outcome = host.engine.wait(header.run_id, WAIT_S)
    events = host.host.journals.read(header)
    assert [each.row.event_type for each in events] == EVENTS
    return header, events, guest.seen[-1], outcome.result, capability.keys


def cut(host, header, events, kept):
    """Take the journal back to its first ``kept`` events, as a disk has it that knows no more."""
    statuses = {"run_created": "pending", "run_started": "running", "run_suspended": "waiting"}
    status = next(statuses[e.row.event_type] for e in reversed(events[:kept]) if e.row.event_type in statuses)
    last = events[kept - 1].row
    wake_at = None
    if status == "waiting":
        suspended = recorded(events[:kept]).suspended
        wake_at = suspended.wake_unix_ns // 1_000_000 or None
    before = host.host.journals.authenticated(
        replace(
            header,
            status=status,
            head_index=last.index,
            head_tag=tag_of(last.sealed),
            finished_at=0,
            output_bytes=0,
            error_code="",
            wake_at=wake_at,
        )
    )

    def job(connection):
        journal.delete(connection, header.run_id)
        for each in events[:kept]:
            journal.append(connection, each.row)
        runs.replace(connection, before)

    host.database.write(job).result()


@pytest.mark.parametrize("kept", range(1, len(EVENTS)), ids=[f"{n}-{kind}" for n, kind in enumerate(EVENTS[:-1])])
def test_a_run_that_is_cut_off_after_any_event_comes_to_the_same_end(host, whole, kept):
    header, events, seen, result, keys = whole
    cut(host, header, events, kept)
    after = WorkflowHost(host.database)
    capability = Selective()
    capability.released.set()
    guest = equip(after, capability)
    assert after.engine.resume() == 1
    finished, outcome = after.engine.wait(header.run_id, WAIT_S)
    assert (finished.status, outcome.result) == ("completed", result)
    assert capability.keys <= keys, "a step that is sent again has the key that it had"
    assert len(capability.references) == len(set(capability.references)), "and is sent once by a host"
    known = recorded(events[:kept])
    answered = {name for name, step in known.steps.items() if step.completed}
    assert not answered & set(capability.references), "a step with an answer is not sent again"
    assert guest.seen[-1][1:5] + guest.seen[-1][6:] == seen[1:5] + seen[6:]
    assert guest.seen[-1][0] == seen[0] if known.times else guest.seen[-1][0] > 0
    again = recorded(after.host.journals.read(finished))
    assert again.log_lines == {"": {DON: 2}}, "no line is lost or written twice"
    assert len(again.times[""]) == 2
    after.close()
