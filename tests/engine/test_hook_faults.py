"""Payloads and runs that await them where a write seems to fail, or a host ends: nothing is lost, or left twice."""

import pytest

from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.run_journal import RunJournal
from strongroom.errors import StorageFault
from tests.fakes.hook_guest import HookGuest, started, waiting_with
from tests.fakes.scripted_guest import ACTION, WAIT_S, Holding, call, types, waits
from tests.fakes.workflow_host import WorkflowHost, value


@pytest.fixture
def desk(host):
    return HookDesk(host.host, host.engine)


def test_a_payload_that_reached_the_disk_although_its_write_seemed_to_fail_is_left_once(host, desk, monkeypatch):
    run_id = waiting_with(host, "t")
    settle, faults = RunJournal.settle, [StorageFault("SR-STORE-001", "the disk did not answer")]

    def loses(future):
        settle(future)
        if faults:
            raise faults.pop()

    monkeypatch.setattr(RunJournal, "settle", staticmethod(loses))
    left = desk.resume(b"x", token="t")
    assert not faults, "its first write seemed to fail"
    assert (left.number, left.created) == (1, True)
    assert host.engine.wait(run_id, WAIT_S)[1].result.value.string_value == "x"
    assert types(host, run_id).count("hook_received") == 1


def test_a_run_that_also_waits_for_a_call_is_executed_by_a_restart_since_that_call_went_with_the_host(host):
    first, second = Holding(), Holding()
    host.capabilities.found[ACTION] = first

    def both(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token="t")
        guest.call(call(2))
        guest.begin_wait(3, hook_id)
        guest.answer(2, 3)
        return value(guest.payload(3).decode())

    run_id = started(host, both)
    waits(host, run_id)
    assert first.entered.acquire(timeout=WAIT_S)
    host.cut_off()
    after = WorkflowHost(host.database)
    after.module.on_trigger, after.capabilities.found[ACTION] = both, second
    assert after.engine.resume() == 1
    assert second.entered.acquire(timeout=WAIT_S), "it is sent again, without anybody leaving a payload"
    second.released.set()
    HookDesk(after.host, after.engine).resume(b"x", token="t")
    assert after.engine.wait(run_id, WAIT_S)[1].result.value.string_value == "x"
    after.close()
    first.released.set()
