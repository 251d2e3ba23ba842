"""A run is repeated from its start or from a step, and what is taken over is what its guest had seen by then."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.history import History
from strongroom.engine.recorded import recorded
from strongroom.engine.retry import Retries
from strongroom.engine.runids import new_run_id
from strongroom.errors import Conflict, InvalidInput, NotFound, Refused, WrongState
from tests.engine.test_replay import executed
from tests.fakes.diary_guest import DiaryGuest, offer
from tests.fakes.workflow_host import OWNER, Gate

WAIT_S = 20


@pytest.fixture
def retries(host):
    return Retries(host.host, History(host.host.journals), host.engine.admission)


def sent(host):
    return [request.method for request, _ in host.capability.calls]


def ended(host, header):
    return host.engine.wait(header.run_id, WAIT_S)[0]


def test_a_repeated_run_does_everything_anew_with_the_same_input(host, retries):
    guest = DiaryGuest()
    parent = executed(host, guest, json=b'{"who": "x"}')
    before = list(guest.seen)
    guest.seen.clear()
    done = retries.retry(parent.run_id, "", "")
    child = ended(host, done.header)
    assert (done.created, done.steps_kept) == (True, 0)
    assert (child.status, child.parent_run_id) == ("completed", parent.run_id)
    assert (child.workflow_id, child.trigger_index) == (parent.workflow_id, parent.trigger_index)
    assert child.execution_id != parent.execution_id
    assert sent(host) == ["a", "b", "c"] * 2
    assert before[:6] != guest.seen[:6]
    assert len(set(map(str, before[:6])) & set(map(str, guest.seen[:6]))) == 0, "seed, entropy, time and id are new"


@pytest.mark.parametrize(
    ("step", "kept", "again"), [("1", 0, ["a", "b", "c"]), ("2", 1, ["b", "c"]), ("-1", 2, ["c"])], ids=["1", "2", "-1"]
)
def test_a_run_that_is_repeated_from_a_step_sends_only_what_follows(host, retries, step, kept, again):
    guest = DiaryGuest()
    parent = executed(host, guest)
    before = list(guest.seen)
    guest.seen.clear()
    host.capability.calls.clear()
    done = retries.retry(parent.run_id, step, "")
    child = ended(host, done.header)
    assert done.steps_kept == kept
    assert sent(host) == again
    assert before[: 6 + kept] == guest.seen[: 6 + kept], "seed, entropy, time and the answers before are the same"
    assert child.status == "completed"
    assert {r.metadata.workflow_execution_id for r, _ in host.capability.calls} == {child.execution_id}


def test_what_is_taken_over_is_sealed_anew(host, retries):
    parent = executed(host, DiaryGuest())
    child = ended(host, retries.retry(parent.run_id, "2", "").header)
    journals = host.host.journals
    events = [journals.read(header) for header in (parent, child)]
    assert not {e.row.sealed for e in events[0]} & {e.row.sealed for e in events[1]}
    first, second = (recorded(each) for each in events)
    assert first.steps["1"].completed == second.steps["1"].completed
    assert first.times == second.times
    assert second.created.from_step == "2"


def test_a_repeated_run_can_be_repeated_itself(host, retries):
    guest = DiaryGuest()
    parent = executed(host, guest)
    before = guest.seen[3]
    for _ in range(2):
        guest.seen.clear()
        parent = ended(host, retries.retry(parent.run_id, "2", "").header)
        assert guest.seen[3] == before, "its own randomness comes from the first of them"


def test_the_same_new_id_finds_the_run_that_it_stands_for(host, retries):
    parent = executed(host, DiaryGuest())
    new = new_run_id()
    assert retries.retry(parent.run_id, "2", new).created
    again = retries.retry(parent.run_id, "2", new)
    assert (again.created, again.header.run_id, again.steps_kept) == (False, new, 1)
    with pytest.raises(Conflict):
        retries.retry(parent.run_id, "", new)


def test_steps_without_an_answer_are_made_anew(host, retries):
    gate = Gate()
    host.register()
    host.capability = offer(host)
    answer = host.capability.answers["b"]
    held = threading.Event()
    host.capability.answers["b"] = lambda request: (held.wait(WAIT_S), answer)[1]
    guest = DiaryGuest(steps=((2, "b"),))
    host.module.on_trigger = lambda request, helper, terms=None: guest(request, helper)
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf"))
    while not host.capability.calls:
        gate.entered.wait(0.01)
    parent = host.engine.kill(header.run_id, "enough")
    assert parent.status == "cancelled"
    with pytest.raises(InvalidInput, match="no step '3'"):
        retries.retry(parent.run_id, "3", "")
    guest.steps = ((2, "b"), (3, "a"))
    held.set()
    done = retries.retry(parent.run_id, "2", "")
    assert done.steps_kept == 0
    assert ended(host, done.header).status == "completed"


def test_what_cannot_be_repeated_is_refused_with_the_reason(host, retries):
    parent = executed(host, DiaryGuest())
    for step in ("7", "s1", "x" * 1_000):
        with pytest.raises(InvalidInput, match="has no step"):
            retries.retry(parent.run_id, step, "")
    with pytest.raises(InvalidInput, match="not a valid ULID"):
        retries.retry(parent.run_id, "", "wrun_1")
    with pytest.raises(NotFound, match="there is no run"):
        retries.retry("wrun_nope", "", "")
    spec = host.host.specs.get(parent.workflow_id)
    host.host.specs.set_status(spec, "paused")
    with pytest.raises(WrongState, match="is paused"):
        retries.retry(parent.run_id, "", "")
    host.host.specs.remove(parent.workflow_id, validate_only=False)
    with pytest.raises(NotFound, match="was deleted"):
        retries.retry(parent.run_id, "", "")


def test_a_workflow_that_runs_elsewhere_now_repeats_nothing(host, retries):
    parent = executed(host, DiaryGuest())
    host.host.specs.remove(parent.workflow_id, validate_only=False)
    host.register(attributes=b'{"confidential": true}')
    with pytest.raises(Refused, match="registered otherwise"):
        retries.retry(parent.run_id, "", "")
