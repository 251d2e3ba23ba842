"""What must be on disk before something happens is there: the disk is slow here, and is asked when it happens."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.scripted_guest import ACTION, WAIT_S, adapted, call, text_of, types
from tests.fakes.workflow_host import OWNER, subscriptions, value

LONG_ENOUGH_S = 0.5
"""Whoever does not wait for the disk is long done by then."""


class SlowDisk:
    """Takes nothing from ``hold`` until something happened that should not have, or ``LONG_ENOUGH_S`` is over."""

    def __init__(self, host):
        self.host, self.released, self.found = host, threading.Event(), []

    def hold(self):
        """Let what is handed to the database from now on wait."""
        begun = threading.Event()
        self.host.database.write(lambda _connection: begun.set() or self.released.wait(WAIT_S))
        assert begun.wait(WAIT_S)
        timer = threading.Timer(LONG_ENOUGH_S, self.released.set)
        timer.daemon = True
        timer.start()

    def look(self, run_id):
        """It happens now: what does the disk have?"""
        self.found.append(types(self.host, run_id))
        self.released.set()


@pytest.fixture
def disk(host):
    made = SlowDisk(host)
    yield made
    made.released.set()


def run_id_of(host):
    (run_id,) = host.engine.dispatcher._handles
    return run_id


def start(host):
    host.register()
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def test_a_call_that_may_be_sent_once_is_on_disk_before_it_is_sent(host, disk):
    class Capability:
        def execute(self, request, *, timeout_s):
            disk.look(run_id_of(host))
            return adapted("done")

    def trigger(request, helper):
        disk.hold()
        return value(text_of(helper.call_capability(call(1))))

    host.capabilities.found[ACTION] = Capability()
    host.capabilities.once = {ACTION}
    host.module.on_trigger = trigger
    run_id = start(host)
    assert host.engine.wait(run_id, WAIT_S)[1].result == value("done")
    assert disk.found == [["run_created", "run_started", "step_created"]]


def test_the_restrictions_of_a_pre_hook_are_on_disk_before_its_trigger_runs(host, disk):
    def pre_hook(request, helper):
        disk.hold()
        return sdk_pb2.ExecutionResult(restrictions=sdk_pb2.Restrictions())

    def trigger(request, helper):
        disk.look(run_id_of(host))
        return value("done")

    answer = subscriptions("a@1.0.0")
    answer.trigger_subscriptions.subscriptions[0].pre_hook = True
    host.module.on_subscribe = lambda request, helper: answer
    host.module.on_pre_hook, host.module.on_trigger = pre_hook, trigger
    run_id = start(host)
    assert host.engine.wait(run_id, WAIT_S)[1].result == value("done")
    assert disk.found == [["run_created", "run_started", "restrictions_set"]]
