"""What ends because its host stops has not ended: nothing of it is journalled, and the next host goes on with it."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.errors import Cancelled, GuestFault, TimedOut, Unavailable
from strongroom.storage.writer import Writer
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.scripted_guest import ACTION, METHOD, WAIT_S, Holding, adapted, call, one_step, text_of, types, until
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

LONG_RETRY = b'{"retry": {"backoff_ms": 30000}}'


def start(host, on_trigger, attributes=b""):
    host.module.on_trigger = on_trigger
    host.register(attributes=attributes)
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def stop(host, taken=lambda: None):
    """As the daemon does: first nothing is journalled any more, then what runs depend on is ``taken``."""
    host.host.journals.stop()
    host.engine.dispatcher.close()
    taken()
    assert host.engine.dispatcher.drain(WAIT_S), "threads were still at work"
    host.database.write(lambda connection: None).result()


def next_host(host, on_trigger):
    after = WorkflowHost(host.database)
    after.module.on_trigger = on_trigger
    return after


@pytest.mark.parametrize(
    "end",
    [
        value("ended"),
        Unavailable("SR-GUEST-022", "the runner pool is closed"),
        GuestFault("SR-GUEST-020", "the runner died"),
        TimedOut("SR-GUEST-014", "its time is up"),
        Cancelled("SR-GUEST-015", "stopped"),
        RuntimeError("something that is gone"),
    ],
    ids=lambda end: type(end).__name__,
)
def test_however_a_guest_ends_once_its_host_stops_it_is_executed_again(host, end):
    entered, taken = threading.Event(), threading.Event()

    def trigger(request, helper):
        entered.set()
        assert taken.wait(WAIT_S)
        if isinstance(end, Exception):
            raise end
        return end

    run_id = start(host, trigger)
    assert entered.wait(WAIT_S)
    stop(host, taken.set)
    assert host.engine.get(run_id).status in {"pending", "running"}
    assert set(types(host, run_id)) <= {"run_created", "run_started"}
    after = next_host(host, lambda request, helper: value("done"))
    assert after.engine.resume() == 1
    assert after.engine.wait(run_id, WAIT_S)[1].result == value("done")
    after.close()


def test_an_answer_that_comes_because_the_host_stops_is_none_and_the_step_is_sent_again_under_its_key(host):
    class Stopping(Holding):
        def execute(self, request, *, timeout_s):
            super().execute(request, timeout_s=timeout_s)
            raise Unavailable("SR-PLUG-001", "the plugin is stopping")

    held, again = Stopping(), Holding()
    host.capabilities.found[ACTION] = held
    run_id = start(host, lambda request, helper: value(text_of(helper.call_capability(call(1)))))
    assert held.entered.acquire(timeout=WAIT_S)
    stop(host, held.released.set)
    assert types(host, run_id) == ["run_created", "run_started", "step_created"]
    after = next_host(host, one_step)
    again.released.set()
    after.capabilities.found[ACTION] = again
    after.engine.resume()
    assert after.engine.wait(run_id, WAIT_S)[1].result == value("answer 1")
    assert again.keys == held.keys
    after.close()


@pytest.mark.parametrize("once", [False, True], ids=["honours its key", "at most once"])
def test_an_answer_that_the_disk_never_took_goes_with_its_host_and_its_step_is_sent_again_under_its_key(
    host, monkeypatch, once
):
    def full(self, job, *, may_wait=False):
        raise Unavailable("SR-STORE-007", "the disk takes nothing")

    held, again = Holding(), Holding()
    host.capabilities.found[ACTION] = held
    run_id = start(host, one_step)
    assert held.entered.acquire(timeout=WAIT_S)
    handle = host.engine.dispatcher.get(run_id)
    until(lambda: "step_created" in types(host, run_id))
    with monkeypatch.context() as broken:
        broken.setattr(Writer, "submit", full)
        held.released.set()
        until(handle.calls.kept)
        host.host.journals.stop()
        host.engine.dispatcher.close()
        host.engine.dispatcher.drain(WAIT_S)
    assert "step_completed" not in types(host, run_id)
    after = next_host(host, one_step)
    again.released.set()
    after.capabilities.found[ACTION] = again
    after.capabilities.once = {ACTION} if once else set()
    after.engine.resume()
    text = after.engine.wait(run_id, WAIT_S)[1].result.value.string_value
    if once:
        assert "OUTCOME_UNKNOWN" in text
        assert again.keys == set(), "what must not be sent twice is not sent again"
    else:
        assert text == "answer 1"
        assert again.keys == held.keys, "a capability that honours the key acts once"
    after.close()


def test_nothing_is_sent_any_more_once_the_host_stops(host):
    entered, taken = threading.Event(), threading.Event()
    capability = ScriptedCapability({METHOD: adapted("sent")})
    host.capabilities.found[ACTION] = capability

    def trigger(request, helper):
        entered.set()
        assert taken.wait(WAIT_S)
        return value(text_of(helper.call_capability(call(1))))

    start(host, trigger)
    assert entered.wait(WAIT_S)
    stop(host, taken.set)
    assert capability.calls == []


def test_a_call_that_waits_to_be_sent_again_keeps_no_host_from_stopping(host):
    asked = threading.Event()

    class Away:
        def execute(self, request, *, timeout_s):
            asked.set()
            raise Unavailable("SR-PLUG-001", "away")

    host.capabilities.found[ACTION] = Away()
    run_id = start(host, lambda request, helper: value(text_of(helper.call_capability(call(1)))), LONG_RETRY)
    assert asked.wait(WAIT_S)
    stop(host)
    assert "step_completed" not in types(host, run_id)
