"""A pre-hook is asked once before its run, and only restrictions let the run happen."""

import threading
import time

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.errors import Cancelled, Forbidden, GuestSuspended, TimedOut, Unavailable
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import ScriptedCapability, packed
from tests.fakes.workflow_host import OWNER, WorkflowHost, subscriptions, value

WAIT_S = 60
ACTION = "basic-test-action@1.0.0"
NOTHING_ALLOWED = sdk_pb2.Restrictions(capabilities=sdk_pb2.CapabilityRestrictions())
CALL = sdk_pb2.CapabilityRequest(id=ACTION, method="PerformAction", callback_id=1, payload=packed(sdk_pb2.Trigger()))


def restrictions(message=NOTHING_ALLOWED):
    return sdk_pb2.ExecutionResult(restrictions=message)


def with_pre_hook(host, on_pre_hook, **registration):
    answer = subscriptions("http-trigger@1.0.0-alpha")
    answer.trigger_subscriptions.subscriptions[0].pre_hook = True
    host.module.on_subscribe = lambda request, helper: answer
    host.module.on_pre_hook = on_pre_hook
    return host.register(**registration)


def run(host):
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b'"x"'))
    return host.engine.wait(header.run_id, WAIT_S)


def test_the_pre_hook_gets_the_config_and_the_very_trigger_and_seconds_of_time(host):
    seen = []

    def pre_hook(request, helper):
        seen.append((request, helper.timeout_ms, helper.suspend_after_ms))
        return restrictions()

    def trigger(request, helper):
        seen.append(request)
        return value("ok")

    host.module.on_trigger = trigger
    with_pre_hook(host, pre_hook, config=b"the config")
    assert run(host)[0].status == "completed"
    (asked, timeout_ms, suspend_after_ms), triggered = seen
    assert asked.config == triggered.config == b"the config"
    assert asked.pre_hook == triggered.trigger
    assert (timeout_ms, suspend_after_ms) == (10_000, 0)


def test_its_restrictions_wrap_the_run_and_go_to_the_module(host):
    host.capabilities.found[ACTION] = ScriptedCapability()
    answers = []

    def trigger(request, helper):
        answers.append(helper.call_capability(CALL))
        return value("ok")

    host.module.on_trigger = trigger
    with_pre_hook(host, lambda request, helper: restrictions())
    assert run(host)[0].status == "completed"
    assert answers[0].error == (
        "Public:User:LimitExceeded:call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"
    )
    assert host.capabilities.found[ACTION].calls == []
    assert host.module.terms[-1].restrictions == NOTHING_ALLOWED


def test_without_a_pre_hook_nothing_is_asked_and_nothing_is_restricted(host):
    host.register()
    assert run(host)[0].status == "completed"
    assert host.module.terms[0].restrictions is None


def test_an_error_of_the_pre_hook_is_the_result_of_the_run_and_the_trigger_is_not_run(host):
    with_pre_hook(host, lambda request, helper: sdk_pb2.ExecutionResult(error="not on Sundays"))
    header, outcome = run(host)
    assert (header.status, outcome.failure.error) == ("failed", "not on Sundays")
    assert host.module.executed == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (value("yes"), "it answered with value"),
        (sdk_pb2.ExecutionResult(), "it answered with an empty result"),
        (subscriptions("a@1.0.0"), "it answered with trigger_subscriptions"),
        (
            restrictions(sdk_pb2.Restrictions.FromString(b"\xfa\x01\x01x")),
            "the restrictions hold fields that are not known here",
        ),
        (
            restrictions(
                sdk_pb2.Restrictions(
                    secrets=sdk_pb2.SecretsRestritions(restrictions=[sdk_pb2.SecretRestriction()] * 1001)
                )
            ),
            "the restrictions have 1001 entries, more than 1000",
        ),
    ],
    ids=["value", "empty", "subscriptions", "unknown fields", "too many"],
)
def test_any_other_answer_denies_the_run(host, answer, why):
    with_pre_hook(host, lambda request, helper: answer)
    header, outcome = run(host)
    assert (header.status, header.error_code) == ("failed", "SR-GUEST-040")
    assert outcome.failure.error == f"pre-hook execution failed: {why}"
    assert host.module.executed == []


def fails(error):
    def pre_hook(request, helper):
        raise error

    return pre_hook


def test_a_pre_hook_that_takes_too_long_denies_the_run(host):
    with_pre_hook(host, fails(TimedOut("SR-GUEST-010", "the guest used up its time")))
    header, outcome = run(host)
    assert header.status == "failed"
    assert outcome.failure.error == "pre-hook execution failed: the guest used up its time"
    assert host.module.executed == []


@pytest.mark.parametrize(
    "error",
    [
        Forbidden("SR-ATTEST-021", "execution failed", why="found a, wanted b", fix="compare them"),
        Unavailable("SR-ATTEST-035", "execution failed", why="the vault is away", fix="bring it back"),
    ],
    ids=["refused", "away"],
)
def test_an_enclave_that_is_refused_or_away_denies_the_run_under_its_own_code(host, error):
    with_pre_hook(host, fails(error), attributes=b'{"confidential": true, "retry": {"attempts_max": 1}}')
    header, outcome = run(host)
    assert (header.status, header.error_code) == ("failed", error.code)
    assert outcome.failure.error == f"pre-hook execution failed: {error}"
    assert outcome.failure.help == error.fix
    assert host.module.executed == []


def test_a_run_that_is_cancelled_in_its_pre_hook_is_cancelled(host):
    with_pre_hook(host, fails(Cancelled("SR-RUN-018", "not needed any more")))
    assert run(host)[0].status == "cancelled"
    assert host.module.executed == []


def test_its_answer_is_on_disk_before_the_trigger_runs_and_is_not_asked_for_again(host):
    asked, entered, hold = [], threading.Event(), threading.Event()

    def pre_hook(request, helper):
        asked.append(request)
        return restrictions()

    def trigger(request, helper):
        entered.set()
        hold.wait(WAIT_S)
        raise RuntimeError

    host.module.on_trigger = trigger
    with_pre_hook(host, pre_hook)
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b'"x"'))
    assert entered.wait(WAIT_S)
    host.cut_off()
    after = WorkflowHost(host.database)
    after.module.on_pre_hook = pre_hook
    answers = []

    def resumed(request, helper):
        answers.append(helper.call_capability(CALL))
        return value("ok")

    after.module.on_trigger = resumed
    after.engine.resume()
    assert after.engine.wait(header.run_id, WAIT_S)[0].status == "completed"
    assert len(asked) == 1
    assert "denied by user pre-hook restrictions" in answers[0].error
    after.close()
    hold.set()


def test_what_the_pre_hook_calls_does_not_count_against_the_run(database):
    host = WorkflowHost(database, limits=EngineLimits(consensus_calls_max=1))
    answers = []

    def ask(request, helper):
        call = sdk_pb2.CapabilityRequest(id="consensus@1.0.0-alpha", method="Simple", callback_id=len(answers))
        answers.append(helper.call_capability(call).error)
        return restrictions(sdk_pb2.Restrictions()) if request.HasField("pre_hook") else value("ok")

    host.module.on_trigger = ask
    with_pre_hook(host, ask)
    assert run(host)[0].status == "completed"
    assert ["consensus" in answer and "is more than" in answer for answer in answers] == [False, False]
    host.close()


def test_a_run_that_was_suspended_is_restricted_as_before_and_its_pre_hook_is_not_asked_again(host):
    host.capabilities.found[ACTION] = ScriptedCapability(
        {"PerformAction": capabilities_pb2.CapabilityResponse(payload=packed(sdk_pb2.Trigger()))}
    )
    one_call = sdk_pb2.CapabilityRestrictions(max_total_calls=1, type=sdk_pb2.CAPABILITY_RESTRICTION_TYPE_OPEN)
    asked, seen = [], []

    def pre_hook(request, helper):
        asked.append(request)
        return restrictions(sdk_pb2.Restrictions(capabilities=one_call))

    def trigger(request, helper):
        answers = []
        for number in (1, 2):
            call = sdk_pb2.CapabilityRequest()
            call.CopyFrom(CALL)
            call.callback_id = number
            answers.append(helper.call_capability(call))
        seen.append(answers)
        if helper.sleeps_done == 0:
            raise GuestSuspended(sleep_until_unix_ns=time.time_ns())
        return value("ok")

    host.module.on_trigger = trigger
    with_pre_hook(host, pre_hook)
    assert run(host)[0].status == "completed"
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert [bool(answer.error) for answer in seen[0]] == [False, True]
    assert len(asked) == 1
    assert len(host.capabilities.found[ACTION].calls) == 1


def test_the_same_call_of_pre_hook_and_trigger_are_two_steps(host):
    host.capabilities.found[ACTION] = capability = ScriptedCapability(
        {"PerformAction": capabilities_pb2.CapabilityResponse(payload=packed(sdk_pb2.Trigger()))}
    )

    def ask(request, helper):
        assert helper.call_capability(CALL).error == ""
        return restrictions(sdk_pb2.Restrictions()) if request.HasField("pre_hook") else value("ok")

    host.module.on_trigger = ask
    with_pre_hook(host, ask)
    assert run(host)[0].status == "completed"
    assert [call.metadata.reference_id for call, _ in capability.calls] == ["p:1", "1"]
