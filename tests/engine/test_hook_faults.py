"""A payload whose write failed, or seemed to: it is there once, or its caller hears that it is not."""

import pytest

from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.run_journal import RunJournal
from strongroom.errors import StorageFault
from tests.fakes.hook_guest import waiting_with
from tests.fakes.scripted_guest import WAIT_S, types


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
