"""Many runs that wait, are cancelled and killed at once, also while the disk fails: each ends once, as it is."""

import random
import threading
import time
from collections import Counter

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.engine.recorded import recorded
from strongroom.errors import StorageFault, Unavailable
from strongroom.storage.writer import Writer
from tests.fakes.scripted_guest import ACTION, WAIT_S, Guest, adapted, call, until
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

CLIENTS = 6
RUNS = 12
ENDS = {"run_completed", "run_failed", "run_cancelled", "run_timed_out"}
RESULT = "answer 1 answer 2 answer 3"


class Slow:
    """Answers after a while, and counts what it was sent."""

    def __init__(self, seed):
        self.sent = Counter()
        self.random = random.Random(seed)  # noqa: S311 - chance, no secret
        self.lock = threading.Lock()

    def execute(self, request, *, timeout_s):
        """The reference, a little later."""
        name = request.metadata.reference_id
        with self.lock:
            self.sent[request.metadata.workflow_execution_id, name] += 1
            pause_s = self.random.random() * 0.05
        time.sleep(pause_s)
        return adapted(f"answer {name}")


def on_trigger(request, helper):
    guest = Guest(helper, patience_s=0.01)
    helper.now_ns(1)
    helper.log(1, "begun")
    guest.call(call(1))
    guest.call(call(2))
    first = guest.answer(1)
    guest.sleep(0.005)
    guest.call(call(3))
    others = guest.answer(2, 3)
    guest.sleep(0.005)
    helper.now_ns(1)
    return value(" ".join(first + others))


def stop(host, run_id, chance):
    """Cancel or kill some runs; what the disk does not take is not acknowledged."""
    time.sleep(chance.random() * 0.04)
    try:
        if chance.random() < 0.5:
            host.engine.cancel(run_id, "not needed", chance.choice([0, 0.05]))
        else:
            host.engine.kill(run_id, "now")
    except (StorageFault, Unavailable):
        return


def storm(host, seed):
    """Ids of the runs that were accepted."""
    accepted = []

    def client(number):
        chance = random.Random(seed * 100 + number)  # noqa: S311 - chance, no secret
        for _ in range(RUNS):
            try:
                header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
            except (StorageFault, Unavailable):
                continue
            accepted.append(header.run_id)
            if chance.random() < 0.3:
                stop(host, header.run_id, chance)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return accepted


def failing_writer(monkeypatch, seed):
    """Every thirtieth write or so is refused, or lost after it was handed over. Returns how to end that."""
    submit, chance, ended = Writer.submit, random.Random(seed), threading.Event()  # noqa: S311 - chance, no secret

    def fault(connection):
        raise StorageFault("SR-STORE-001", "the disk is full")

    def failing(self, job, *, may_wait=False):
        at = 1.0 if ended.is_set() else chance.random()
        if at < 0.01:
            raise Unavailable("SR-STORE-002", "the database cannot be reached")
        return submit(self, fault if at < 0.03 else job, may_wait=may_wait)

    monkeypatch.setattr("strongroom.engine.running.RETRY_S", 0.02)
    monkeypatch.setattr(Writer, "submit", failing)
    return ended.set


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("disk", ["a sound disk", "a failing disk"])
def test_runs_end_once_whatever_comes_over_them(database, monkeypatch, open_journals, disk, seed):
    host = WorkflowHost(database, limits=EngineLimits(cancel_grace_ms=50))
    capability = host.capabilities.found[ACTION] = Slow(seed)
    host.module.on_trigger = on_trigger
    host.register()
    heal = failing_writer(monkeypatch, seed) if disk == "a failing disk" else lambda: None
    accepted = storm(host, seed)
    for run_id in accepted:
        host.engine.wait(run_id, WAIT_S)
    heal()
    for run_id in accepted:
        check(host, run_id)
    if disk == "a sound disk":
        assert set(capability.sent.values()) == {1}, "nothing is sent twice unless its answer was lost"
    until(lambda: len(host.engine.dispatcher) == 0)
    dispatcher = host.engine.dispatcher
    assert dispatcher.waiting == 0
    assert not any(dispatcher.room.backlog.values())
    assert not dispatcher.room.unstarted
    assert open_journals == [], "a run has one open journal at a time"
    host.close()


def check(host, run_id):
    """The journal of a run says that it ended once, and all that its guest saw."""
    header, outcome = host.engine.wait(run_id, WAIT_S)
    events = host.host.journals.read(header)
    assert header.status in {"completed", "cancelled"}, header.error_code
    assert [e.row.event_type in ENDS for e in events] == [False] * header.head_index + [True]
    steps = [(e.row.event_type, e.row.correlation_id) for e in events if e.row.event_type.startswith("step")]
    assert len(steps) == len(set(steps)), "a step is begun and answered once"
    if header.status == "completed":
        said = recorded(events)
        assert outcome.result == value(RESULT)
        assert len(said.times[""]) == 2
        assert said.log_lines == {"": {1: 1}}
