"""A pre-hook is a phase of its own: its steps, times and lines stand apart, and it is asked once."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.recorded import phase_of, recorded
from strongroom.guest.ids import PRE_HOOK, TRIGGER
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.scripted_guest import ACTION, METHOD, WAIT_S, Guest, adapted, call, until
from tests.fakes.workflow_host import OWNER, WorkflowHost, subscriptions, value

DON = 1
ALLOWED = sdk_pb2.ExecutionResult(restrictions=sdk_pb2.Restrictions())


class Phases:
    """The same in both phases: a time, a line, a step."""

    def __init__(self, *, sleeps=False):
        self.seen = {PRE_HOOK: [], TRIGGER: []}
        self.sleeps = sleeps

    def pre_hook(self, request, helper):
        self.ask(PRE_HOOK, helper)
        return ALLOWED

    def trigger(self, request, helper):
        answer = self.ask(TRIGGER, helper)
        if self.sleeps:
            Guest(helper).sleep(0.01)
        return value(str(answer))

    def ask(self, phase, helper):
        moment = helper.now_ns(DON)
        helper.log(DON, f"a line of {phase or 'the trigger'}")
        error = helper.call_capability(call(1)).error
        answered = helper.answered_unix_ns("capability", 1)
        self.seen[phase].append((moment, helper.entropy, helper.clock_unix_ns, answered, helper.suspend_after_ms))
        return error or "answered"


def hooked(host, phases):
    answer = subscriptions("a@1.0.0")
    answer.trigger_subscriptions.subscriptions[0].pre_hook = True
    host.module.on_subscribe = lambda request, helper: answer
    equip(host, phases)
    host.register()
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def equip(host, phases):
    host.module.on_pre_hook, host.module.on_trigger = phases.pre_hook, phases.trigger
    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: adapted("done")})


@pytest.mark.parametrize("name", ["7", "-1", "s7", "t0", "", "p:7", "p:-1", "p:s1", "p:t0", "p:"])
def test_a_correlation_id_tells_the_phase(name):
    assert phase_of(name) == (PRE_HOOK if name.startswith("p:") else TRIGGER)


def test_both_phases_have_steps_times_and_randomness_of_their_own(host):
    phases = Phases()
    run_id = hooked(host, phases)
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert outcome.result == value("answered")
    said = recorded(host.host.journals.read(header))
    assert sorted(said.steps) == ["1", "p:1"]
    assert {phase: len(moments) for phase, moments in said.times.items()} == {PRE_HOOK: 1, TRIGGER: 1}
    assert said.log_lines == {PRE_HOOK: {DON: 1}, TRIGGER: {DON: 1}}
    references = [r.metadata.reference_id for r in host.capabilities.found[ACTION].called(METHOD)]
    assert references == ["p:1", "1"]
    (of_hook,), (of_trigger,) = phases.seen[PRE_HOOK], phases.seen[TRIGGER]
    assert of_hook[1] != of_trigger[1], "the same bytes in both phases would let one predict the other"
    assert of_hook[4] == 0, "it has seconds in all, so it keeps its runner"
    assert of_trigger[4] > 0


def test_a_pre_hook_is_asked_once_however_often_its_run_waits(host):
    phases = Phases(sleeps=True)
    run_id = hooked(host, phases)
    _, outcome = host.engine.wait(run_id, WAIT_S)
    assert outcome.result == value("answered")
    assert len(phases.seen[PRE_HOOK]) == 1
    first, second = phases.seen[TRIGGER]
    assert first == second


def test_a_pre_hook_that_is_cut_off_is_asked_again_with_the_answers_it_had(host):
    phases = Phases()

    def cut_off(request, helper):
        phases.ask(PRE_HOOK, helper)
        host.engine.dispatcher.close()
        raise SystemExit

    answer = subscriptions("a@1.0.0")
    answer.trigger_subscriptions.subscriptions[0].pre_hook = True
    host.module.on_subscribe = lambda request, helper: answer
    equip(host, phases)
    host.module.on_pre_hook = cut_off
    host.register()
    run_id = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id
    until(lambda: len(host.engine.dispatcher) == 0)
    host.cut_off()
    after = WorkflowHost(host.database)
    equip(after, phases)
    after.engine.resume()
    assert after.engine.wait(run_id, WAIT_S)[0].status == "completed"
    before, again = phases.seen[PRE_HOOK]
    assert before == again
    references = [r.metadata.reference_id for r in after.capabilities.found[ACTION].called(METHOD)]
    assert references == ["1"], "the pre-hook's step had its answer"
    after.close()
