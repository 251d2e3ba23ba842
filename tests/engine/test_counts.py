"""What a run has used up stays used up, however often its guest is suspended, cut off or executed again."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.errors import GuestSuspended, StrongroomError
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.engine.test_gate import LISTED, RealVault, fetch
from tests.engine.test_pre_hook import restrictions, with_pre_hook
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.scripted_guest import ACTION, METHOD, WAIT_S, adapted, call
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

ROUNDS = 4
HTTP = "http-actions@1.0.0-alpha"
ONE_CALL = sdk_pb2.Restrictions(
    capabilities=sdk_pb2.CapabilityRestrictions(max_total_calls=1, type=sdk_pb2.CAPABILITY_RESTRICTION_TYPE_OPEN)
)


def broken_out(ask, seen):
    """A runner that repeats what it wants under a new id in each execution, and says that its guest waits."""

    def on_trigger(request, helper):
        number = len(seen)
        try:
            seen.append(ask(helper, number))
        except StrongroomError as error:
            seen.append(str(error))
        if number < ROUNDS:
            raise GuestSuspended(sleep_until_unix_ns=1, sleeps_done=number)
        return value("ok")

    return on_trigger


def run(host, on_trigger, allowed=None, attributes=b""):
    host.module.on_trigger = on_trigger
    if allowed is None:
        host.register(attributes=attributes)
    else:
        with_pre_hook(host, lambda request, helper: restrictions(allowed))
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return host.engine.wait(header.run_id, WAIT_S)[0]


def test_a_suspension_does_not_refill_what_the_pre_hook_allowed(host):
    capability = host.capabilities.found[ACTION] = ScriptedCapability({METHOD: adapted("done")})
    seen = []
    asked = broken_out(lambda helper, number: helper.call_capability(call(number)).error, seen)
    assert run(host, asked, ONE_CALL).status == "completed"
    assert [bool(error) for error in seen] == [False] + [True] * ROUNDS
    assert len(capability.calls) == 1


def test_nor_a_quota(database):
    host = WorkflowHost(database, limits=EngineLimits(http_action_calls_max=2))
    capability = host.capabilities.found[HTTP] = ScriptedCapability({METHOD: adapted("done")})
    seen = []
    asked = broken_out(lambda helper, number: helper.call_capability(call(number, capability=HTTP)).error, seen)
    assert run(host, asked).status == "completed"
    assert [bool(error) for error in seen] == [False, False, True, True, True]
    assert len(capability.calls) == 2
    host.close()


@pytest.mark.parametrize("limit", [{"secrets_fetches_max": 1}, {"secrets_bytes_max": 5}], ids=["fetches", "bytes"])
def test_nor_the_secrets_that_a_run_may_have(database, tmp_path, limit):
    host = WorkflowHost(database, limits=EngineLimits(**limit))
    host.capabilities.found["vault@1.0.0"] = RealVault(tmp_path, A="aaa")
    seen = []
    asked = broken_out(lambda helper, number: helper.get_secrets(fetch(number, "A")).responses[0].secret.value, seen)
    run(host, asked, attributes=LISTED)
    assert seen[0] == "aaa"
    assert all("in one run: 2 is more" in text or "secrets of one run: 6 bytes" in text for text in seen[1:])
    host.close()


def test_nor_does_a_restart_of_the_host(database):
    first = WorkflowHost(database)
    first.capabilities.found[ACTION] = capability = ScriptedCapability({METHOD: adapted("done")})
    seen = []

    def on_trigger(request, helper):
        seen.append(helper.call_capability(call(len(seen))).error)
        if len(seen) == 1:
            first.cut_off()
            raise GuestSuspended(sleep_until_unix_ns=1, sleeps_done=0)
        return value("ok")

    first.module.on_trigger = on_trigger
    with_pre_hook(first, lambda request, helper: restrictions(ONE_CALL))
    header, _ = first.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    first.engine.dispatcher.drain(WAIT_S)
    after = WorkflowHost(database)
    after.capabilities.found[ACTION] = capability
    after.module.on_trigger = on_trigger
    after.engine.resume()
    assert after.engine.wait(header.run_id, WAIT_S)[0].status == "completed"
    assert [bool(error) for error in seen] == [False, True]
    assert len(capability.calls) == 1
    after.close()


def test_a_sound_guest_gets_its_decisions_again_and_nothing_is_charged_twice(host):
    capability = host.capabilities.found[ACTION] = ScriptedCapability({METHOD: adapted("done")})
    seen = []

    def on_trigger(request, helper):
        answers = [bool(helper.call_capability(call(number)).error) for number in (1, 2)]
        if len(seen) == 1:
            answers.append(bool(helper.call_capability(call(3)).error))
        seen.append(answers)
        if len(seen) == 1:
            raise GuestSuspended(sleep_until_unix_ns=1, sleeps_done=0)
        return value("ok")

    two = sdk_pb2.Restrictions(
        capabilities=sdk_pb2.CapabilityRestrictions(max_total_calls=3, type=sdk_pb2.CAPABILITY_RESTRICTION_TYPE_OPEN)
    )
    run(host, on_trigger, two)
    assert seen == [[False, False], [False, False, False]]
    assert len(capability.calls) == 3
