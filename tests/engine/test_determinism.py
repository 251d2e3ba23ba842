"""Everything that a guest sees comes from its journal, or goes into it before anything can depend on it."""

import threading
import time
from types import SimpleNamespace

import pytest
from sqlalchemy import event

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.engine.recorded import recorded
from strongroom.errors import GuestSuspended
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage import writer
from tests.engine.test_execution import vault
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.scripted_guest import ACTION, METHOD, WAIT_S, Guest, adapted, call
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

DON, NODE = 1, 2


def run(host, on_trigger, *, attributes=b"", **wish):
    host.module.on_trigger = on_trigger
    host.register(attributes=attributes)
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1", **wish))
    return host.engine.wait(header.run_id, WAIT_S)


def said(host, header):
    return recorded(host.host.journals.read(host.engine.get(header.run_id)))


def again(seconds=0.01):
    """Suspends the first execution where it stands, so that the guest is run again to there."""

    def suspend(helper):
        if helper.sleeps_done == 0:
            raise GuestSuspended(sleep_until_unix_ns=time.time_ns() + int(seconds * 1e9))

    return suspend


def test_randomness_and_clocks_begin_the_same_in_every_execution_of_a_run(host):
    seen = []

    def on_trigger(request, helper):
        seen.append((helper.node_seed, helper.entropy, helper.clock_unix_ns, helper.execution_id))
        again()(helper)
        return value("done")

    before_ns = time.time_ns()
    header, _ = run(host, on_trigger)
    first, second = seen
    assert first == second
    assert len(first[1]) == 32
    assert before_ns <= first[2] <= time.time_ns()
    created = said(host, header).created
    assert (created.entropy, created.accepted_unix_ns) == (first[1], first[2])


def test_two_runs_share_no_randomness(host):
    seen = []
    for _ in range(2):
        run(host, lambda request, helper: seen.append((helper.node_seed, helper.entropy)) or value("done"))
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] != seen[1][1]


def test_a_run_from_before_entropy_was_journalled_gets_what_never_changes_for_it(host):
    seen = []

    def on_trigger(request, helper):
        seen.append((helper.entropy, helper.clock_unix_ns))
        again()(helper)
        return value("done")

    host.engine.admission._created = lambda index, payload: journal_pb2.RunCreated(
        trigger=sdk_pb2.Trigger(id=index, payload=payload).SerializeToString(), node_seed=5
    )
    header, _ = run(host, on_trigger)
    assert seen[0] == seen[1]
    assert len(seen[0][0]) == 32
    assert seen[0][1] == header.created_at * 1_000_000


def test_the_nth_question_for_the_time_gets_the_nth_answer_again(host):
    seen = []

    def on_trigger(request, helper):
        moments = [helper.now_ns(DON) for _ in range(3)]
        seen.append(moments)
        again()(helper)
        seen[-1].append(helper.now_ns(DON))
        return value("done")

    header, _ = run(host, on_trigger)
    first, second = seen
    assert second[:3] == first
    assert second == sorted(second)
    assert said(host, header).times == {"": second}
    names = [e.row.correlation_id for e in host.host.journals.read(header) if e.row.event_type == "time_read"]
    assert names == ["t0", "t1", "t2", "t3"]


def test_time_never_goes_back_within_a_run(host, monkeypatch):
    clock = [5_000, 4_000, 3_000, 9_000]

    def on_trigger(request, helper):
        accepted = helper.clock_unix_ns
        jumping = SimpleNamespace(time_ns=lambda: accepted + clock.pop(0))
        with monkeypatch.context() as patched:
            patched.setattr("strongroom.engine.steps.time", jumping)
            moments = [helper.now_ns(DON) - accepted for _ in range(4)]
        return value(str(moments))

    _, outcome = run(host, on_trigger)
    assert outcome.result == value("[5000, 5000, 5000, 9000]")


def test_questions_for_the_time_have_a_limit(database):
    host = WorkflowHost(database, limits=EngineLimits(time_reads_max=2))
    _, outcome = run(host, lambda request, helper: value(str([helper.now_ns(DON) is None for _ in range(3)])))
    assert outcome.result == value("[False, False, True]")
    host.close()


def test_a_time_is_on_disk_before_a_step_leaves_that_may_depend_on_it(host, monkeypatch):
    monkeypatch.setattr(writer, "JOIN_S", 60)
    stored = []

    def answer(request):
        stored.append([e.row.event_type for e in host.host.journals.read(host.engine.get(run_id[0]))])
        return adapted("done")

    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: answer})
    run_id = []

    def on_trigger(request, helper):
        run_id.append(helper.inner.steps.journal.header.run_id)
        helper.now_ns(DON)
        helper.call_capability(call(1))
        return value("done")

    header, _ = run(host, on_trigger)
    assert stored == [["run_created", "run_started", "time_read", "step_created"]]
    assert header.status == "completed"


def test_a_run_that_only_reads_the_time_and_logs_costs_no_commit_more(host, monkeypatch):
    monkeypatch.setattr(writer, "JOIN_S", 60)
    host.register()
    commits = []
    event.listen(host.database._writing, "commit", commits.append)

    def on_trigger(request, helper):
        for number in range(100):
            helper.now_ns(DON)
            helper.log(NODE, f"line {number}")
        return value("done")

    host.module.on_trigger = on_trigger
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf"))
    host.engine.wait(header.run_id, WAIT_S)
    assert len(commits) == 2, "one before it is accepted, one before its end is told"
    assert len(said(host, header).times[""]) == 100


def test_lines_of_the_guest_are_journalled_once_however_often_it_is_run_again(host):
    def on_trigger(request, helper):
        for number in range(150):
            helper.log(DON if number % 3 else NODE, f"line {number}")
        again()(helper)
        helper.log(DON, "after")
        return value("done")

    header, _ = run(host, on_trigger)
    events = [e for e in host.host.journals.read(header) if e.row.event_type == "log_written"]
    lines = [line.line for e in events for line in journal_pb2.LogWritten.FromString(e.content).lines]
    assert lines == [f"line {number}" for number in range(150)] + ["after"]
    assert len(events) < 10


def test_secrets_are_what_they_were_when_the_run_first_asked(host):
    values = {("main", "A"): b"first"}
    host.capabilities.found["vault@1.0.0"] = vault(values)
    got = []

    def on_trigger(request, helper):
        asked = sdk_pb2.GetSecretsRequest(requests=[sdk_pb2.SecretRequest(id="A")], callback_id=3)
        got.append(helper.get_secrets(asked).responses[0].secret.value)
        values["main", "A"] = b"second"
        again()(helper)
        return value("done")

    header, _ = run(host, on_trigger, attributes=b'{"vault_don_secrets": [{"key": "A"}]}')
    assert got == ["first", "first"]
    names = [(e.row.event_type, e.row.correlation_id) for e in host.host.journals.read(header)]
    assert ("step_completed", "s3") in names
    assert len(host.capabilities.found["vault@1.0.0"].called("vault.secrets.get")) == 1


def test_a_fetch_that_failed_as_a_whole_fails_with_the_same_words_again(host):
    texts = []

    def on_trigger(request, helper):
        asked = sdk_pb2.GetSecretsRequest(requests=[sdk_pb2.SecretRequest(id="A")], callback_id=1)
        with pytest.raises(Exception, match="vault is not available") as caught:
            helper.get_secrets(asked)
        texts.append(str(caught.value))
        again()(helper)
        return value("done")

    host.register(attributes=b'{"retry": {"attempts_max": 1}}')
    host.module.on_trigger = on_trigger
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf"))
    assert host.engine.wait(header.run_id, WAIT_S)[0].status == "completed"
    assert texts[0] == texts[1]


def test_the_moment_of_an_answer_is_the_same_again(host):
    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: adapted("done")})
    seen = []

    def on_trigger(request, helper):
        helper.call_capability(call(-1))
        seen.append(helper.answered_unix_ns("capability", -1))
        again()(helper)
        assert helper.answered_unix_ns("capability", 99) == 0
        assert helper.answered_unix_ns("secrets", -1) == 0
        return value("done")

    run(host, on_trigger)
    assert seen[0] == seen[1] > 0


@pytest.mark.parametrize("kind", ["step", "secrets"])
def test_a_replay_that_asks_otherwise_stops_naming_the_step(host, kind):
    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: adapted("done")})
    host.capabilities.found["vault@1.0.0"] = vault({("main", "0"): b"x"})
    stopped = threading.Event()

    def on_trigger(request, helper):
        helper.on_cancel(lambda reason, grace_ms=-1: stopped.set())
        times = len(host.module.executed)
        if kind == "step":
            helper.call_capability(call(4, thing=times == 1))
        else:
            asked = sdk_pb2.SecretRequest(id="0" if times == 1 else "1")
            helper.get_secrets(sdk_pb2.GetSecretsRequest(requests=[asked], callback_id=4))
        again()(helper)
        return value("done")

    header, outcome = run(host, on_trigger)
    assert (header.status, header.error_code) == ("failed", "SR-GUEST-030")
    assert f"step {'4' if kind == 'step' else 's4'} asked for something else" in outcome.failure.error


def test_a_callback_id_is_good_for_one_step(host):
    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: adapted("done")})

    def twice(request, helper):
        helper.call_capability(call(1))
        helper.call_capability(call(1))
        return value("done")

    header, outcome = run(host, twice)
    assert header.error_code == "SR-GUEST-046"
    assert "duplicate callback id not allowed" in outcome.failure.error
    assert len(host.capabilities.found[ACTION].calls) == 1


@pytest.mark.parametrize("together", [False, True])
def test_a_run_that_makes_a_step_too_many_fails_whichever_step_that_is(database, together):
    host = WorkflowHost(database, limits=EngineLimits(steps_max=2))
    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: adapted("done")})

    def three(request, helper):
        guest = Guest(helper, patience_s=WAIT_S)
        if together:
            for number in range(3):
                guest.call(call(number))
            return value(str(guest.answer(0, 1, 2)))
        return value(str([guest.step(number) for number in range(3)]))

    header, outcome = run(host, three)
    assert (header.status, header.error_code) == ("failed", "SR-RUN-026"), "no guest may go on knowing which it was"
    assert "the run has made 2 steps" in outcome.failure.error
    assert len(host.capabilities.found[ACTION].calls) == 2
    host.close()
