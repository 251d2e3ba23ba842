"""A call that the system failed is sent again as the workflow's policy says, always under the same key."""

import json
import threading
from types import SimpleNamespace

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.recorded import recorded
from strongroom.errors import CapabilityError, PluginFault, Unavailable
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.scripted_guest import ACTION, METHOD, WAIT_S, adapted, call, text_of, until
from tests.fakes.workflow_host import OWNER, value

AWAY = CapabilityError("Public", "System", "Unavailable", "away")


def policy(**members):
    return json.dumps({"retry": {"backoff_ms": 1, **members}}).encode()


def scripted(host, *answers):
    """A capability that gives ``answers`` one after the other, and the last one from then on."""
    left = list(answers)
    capability = ScriptedCapability({METHOD: lambda request: left.pop(0) if len(left) > 1 else left[0]})
    host.capabilities.found[ACTION] = capability
    return capability


def run(host, attributes=b"", on_trigger=None):
    host.module.on_trigger = on_trigger or (lambda request, helper: value(text_of(helper.call_capability(call(1)))))
    host.register(attributes=attributes)
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    header, outcome = host.engine.wait(header.run_id, WAIT_S)
    return header, outcome


def attempts(host, header):
    return recorded(host.host.journals.read(header)).steps["1"].completed.attempts


@pytest.mark.parametrize("away", [AWAY, Unavailable("SR-TEST-002", "the plugin is away")], ids=["plugin", "host"])
def test_a_call_is_sent_again_until_it_is_answered_under_one_key(host, away):
    capability = scripted(host, away, away, adapted("here"))
    header, outcome = run(host, policy())
    assert outcome.result == value("here")
    assert attempts(host, header) == 3
    references = {(r.metadata.workflow_execution_id, r.metadata.reference_id) for r in capability.called(METHOD)}
    assert references == {(header.execution_id, "1")}


def test_attempts_have_an_end_and_the_last_failure_is_the_answer(host):
    capability = scripted(host, AWAY)
    header, outcome = run(host, policy(attempts_max=4))
    assert outcome.result == value("Public:System:Unavailable:away")
    assert len(capability.calls) == attempts(host, header) == 4


@pytest.mark.parametrize(
    "answer",
    [
        CapabilityError("Public", "User", "Unavailable", "the user's server is away"),
        CapabilityError("Public", "System", "Internal", "boom"),
        PluginFault("SR-TEST-003", "garbage", plugin="x"),
        adapted("fine"),
    ],
    ids=["the user's fault", "a code not in the policy", "a broken plugin", "an answer"],
)
def test_what_the_policy_does_not_name_is_not_sent_again(host, answer):
    capability = scripted(host, answer)
    header, _ = run(host, policy())
    assert len(capability.calls) == attempts(host, header) == 1


def test_a_policy_names_its_codes(host):
    capability = scripted(host, CapabilityError("Public", "System", "Internal", "boom"), adapted("fine"))
    _, outcome = run(host, policy(codes=["Internal"]))
    assert outcome.result == value("fine")
    assert len(capability.calls) == 2


@pytest.mark.parametrize("name", ["Unavailable", "DeadlineExceeded", "Unknown", "Canceled"])
def test_what_may_be_called_once_only_is_called_once_and_its_outcome_may_be_unknown(host, name):
    host.capabilities.once.add(ACTION)
    capability = scripted(host, CapabilityError("Public", "System", name, "lost"), adapted("twice"))
    _, outcome = run(host, policy(codes=[name]))
    assert outcome.result.value.string_value.startswith("Public:System:Aborted:OUTCOME_UNKNOWN")
    assert len(capability.calls) == 1


def test_garbage_from_what_may_be_called_once_only_leaves_its_outcome_open(host):
    host.capabilities.once.add(ACTION)
    scripted(host, PluginFault("SR-TEST-003", "garbage", plugin="x"))
    _, outcome = run(host, policy())
    assert outcome.result.value.string_value.startswith("Public:System:Aborted:OUTCOME_UNKNOWN")


@pytest.mark.parametrize(("entry", "noted"), [(f"{ACTION[:-1]}7", f"{ACTION[:-1]}7"), (ACTION, "")])
def test_the_journal_names_a_version_that_answered_for_another_one(host, entry, noted):
    capability = scripted(host, adapted("fine"))
    capability.entry = SimpleNamespace(id=entry)
    header, _ = run(host, policy())
    assert recorded(host.host.journals.read(header)).steps["1"].completed.answered_by == noted


def test_what_may_be_called_once_only_and_was_refused_for_good_says_why(host):
    host.capabilities.once.add(ACTION)
    scripted(host, CapabilityError("Public", "User", "InvalidArgument", "bad"))
    _, outcome = run(host, policy())
    assert outcome.result == value("Public:User:InvalidArgument:bad")


def test_a_wait_that_is_longer_than_the_call_may_take_is_not_begun(host):
    capability = scripted(host, AWAY)
    header, outcome = run(host, policy(backoff_ms=3_000_000, backoff_ms_max=3_000_000))
    assert outcome.result == value("Public:System:Unavailable:away")
    assert len(capability.calls) == attempts(host, header) == 1


def test_a_cancelled_run_does_not_wait_for_its_next_attempt(host):
    capability = scripted(host, AWAY)
    host.module.on_trigger = lambda request, helper: value(text_of(helper.call_capability(call(1))))
    host.register(attributes=policy(backoff_ms=60_000))
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    until(lambda: len(capability.calls) == 1)
    assert host.engine.cancel(header.run_id, "not needed", WAIT_S).status == "cancelled"
    assert len(capability.calls) == 1


def test_a_confidential_run_whose_plugin_is_killed_is_executed_again_under_the_same_execution_id(host):
    tries = []

    def on_trigger(request, helper):
        tries.append(helper.execution_id)
        if len(tries) < 3:
            raise Unavailable("SR-CWF-004", "the enclave is away")
        return value("from the enclave")

    attributes = json.dumps({"confidential": True, "retry": {"backoff_ms": 1}}).encode()
    header, outcome = run(host, attributes, on_trigger)
    assert outcome.result == value("from the enclave")
    assert tries == [header.execution_id] * 3


def test_an_enclave_that_may_be_asked_once_only_is_not_asked_again(host):
    host.capabilities.once.add("confidential-workflows@1.0.0-alpha")
    tries = []

    def on_trigger(request, helper):
        tries.append(1)
        raise Unavailable("SR-CWF-004", "the enclave is away")

    header, _ = run(host, json.dumps({"confidential": True, "retry": {"backoff_ms": 1}}).encode(), on_trigger)
    assert (header.status, len(tries)) == ("failed", 1)


@pytest.mark.parametrize("error", [PluginFault("SR-CWF-005", "no", plugin="x"), AWAY], ids=["for good", "for now"])
def test_a_confidential_run_that_failed_for_good_is_not_executed_again(host, error):
    tries = []

    def on_trigger(request, helper):
        tries.append(helper.execution_id)
        raise PluginFault("SR-CWF-005", "execution failed", plugin="x") from error

    attributes = json.dumps({"confidential": True, "retry": {"backoff_ms": 1, "attempts_max": 2}}).encode()
    header, _ = run(host, attributes, on_trigger)
    assert (header.status, header.error_code) == ("failed", "SR-CWF-005")
    assert len(tries) == (2 if error is AWAY else 1)


def test_a_local_run_is_not_executed_again_because_a_module_was_away(host):
    tries = []

    def on_trigger(request, helper):
        tries.append(1)
        raise Unavailable("SR-TEST-002", "no runner")

    header, _ = run(host, policy(), on_trigger)
    assert (header.status, len(tries)) == ("failed", 1)


def test_calls_of_one_run_are_tried_again_side_by_side(host):
    left = {"1": 2, "2": 2}

    def answer(request):
        name = request.metadata.reference_id
        left[name] -= 1
        return AWAY if left[name] >= 0 else adapted(name)

    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: answer})

    def on_trigger(request, helper):
        answers = {}

        def ask(number):
            answers[number] = text_of(helper.call_capability(call(number)))

        threads = [threading.Thread(target=ask, args=(number,)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return value(repr(sorted(answers.items())))

    _, outcome = run(host, policy(), on_trigger)
    assert outcome.result == value("[(1, '1'), (2, '2')]")
