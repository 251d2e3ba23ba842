"""A run keeps the limits that its guest can see from its acceptance on, whatever an operator sets meanwhile."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.history import History
from strongroom.engine.limits import EngineLimits
from strongroom.engine.recorded import recorded
from strongroom.engine.retry import Retries
from strongroom.engine.steps import Steps
from strongroom.guest.limits import GuestLimits
from tests.fakes.scripted_guest import WAIT_S, Guest, until
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

FIRST = EngineLimits(
    response_bytes_max=90_001, time_reads_max=5, guest=GuestLimits(log_lines_max=91, log_line_bytes_max=92)
)
OTHER = EngineLimits(
    response_bytes_max=70_001, time_reads_max=3, guest=GuestLimits(log_lines_max=71, log_line_bytes_max=72)
)
HOUR_S = 3600
SEEN = (90_001, 91, 92)


def seen_by(request, helper):
    assert request.max_response_size == helper.response_bytes_max
    return helper.response_bytes_max, helper.log_lines_max, helper.log_line_bytes_max


@pytest.fixture
def moved(database):
    """Begin a run under some limits and finish it under others: what its guest saw each time."""
    hosts = []

    def move(first, then, reads):
        seen = []

        def on_trigger(request, helper):
            seen.append((seen_by(request, helper), tuple(helper.now_ns(1) for _ in range(reads))))
            Guest(helper).sleep(HOUR_S)
            return value("done")

        before = WorkflowHost(database, limits=first)
        before.module.on_trigger = on_trigger
        before.register()
        run_id = before.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id
        until(lambda: run_id in before.engine.dispatcher._asleep)
        before.cut_off()
        after = WorkflowHost(database, limits=then)
        hosts.append(after)
        after.module.on_trigger = on_trigger
        after.engine.resume()
        after.engine.dispatcher.wake(run_id)  # as the alarm of its sleep would
        assert after.engine.wait(run_id, WAIT_S)[0].status == "completed"
        return after, run_id, seen

    yield move
    for host in hosts:
        host.close()


def test_a_run_that_goes_on_after_limits_were_changed_sees_those_of_its_acceptance(moved):
    _, _, seen = moved(FIRST, OTHER, 5)
    assert seen[0] == seen[1]
    assert seen[0][0] == SEEN
    assert all(seen[0][1])


@pytest.mark.parametrize(("first", "then"), [(OTHER, FIRST), (FIRST, OTHER)], ids=["raised", "lowered"])
def test_a_time_that_was_refused_once_is_refused_again_and_one_that_was_told_is_told_again(moved, first, then):
    _, _, seen = moved(first, then, 7)
    assert seen[0] == seen[1]
    assert sum(moment is not None for moment in seen[0][1]) == first.time_reads_max


def test_a_recorded_time_is_given_also_to_a_run_from_before_whose_limit_is_that_of_the_day(moved, monkeypatch):
    monkeypatch.setattr("strongroom.engine.executor.Steps", without_own_limit)
    _, _, seen = moved(FIRST, OTHER, 5)
    assert seen[0] == seen[1]


def without_own_limit(**fields):
    fields["time_reads_max"] = 3 if fields["recorded"].times else 5
    return Steps(**fields)


def test_a_run_that_is_repeated_whole_has_the_limits_of_the_day(moved):
    host, run_id, _ = moved(FIRST, OTHER, 1)
    seen = []
    host.module.on_trigger = lambda request, helper: seen.append(seen_by(request, helper)) or value("done")
    again = Retries(host.host, History(host.host.journals), host.engine.admission).retry(run_id, "", "")
    host.engine.wait(again.header.run_id, WAIT_S)
    assert seen == [(70_001, 71, 72)]


def test_a_journal_from_before_leaves_the_limits_of_the_day(database):
    host = WorkflowHost(database, limits=OTHER)
    admission = host.engine.admission
    drawn = admission._created

    def created(index, payload):
        from_before = drawn(index, payload)
        for name in ("response_bytes_max", "log_lines_max", "log_line_bytes_max", "time_reads_max"):
            from_before.ClearField(name)
        return from_before

    admission._created = created
    seen = []

    def on_trigger(request, helper):
        seen.append((request.max_response_size, helper.response_bytes_max, helper.log_lines_max))
        return value(str([helper.now_ns(1) is not None for _ in range(4)]))

    host.module.on_trigger = on_trigger
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    _, outcome = host.engine.wait(header.run_id, WAIT_S)
    assert seen == [(70_001, 0, 0)]
    assert outcome.result.value.string_value == "[True, True, True, False]"
    assert recorded(host.host.journals.read(host.engine.get(header.run_id))).created.response_bytes_max == 0
    host.close()
