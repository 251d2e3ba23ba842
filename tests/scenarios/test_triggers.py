"""Schedules on a real host that is killed, restarted, paused and drained: every second is one run, none is lost.

Every scene has a host of its own. They are played side by side, since all of them wait for seconds to pass.
"""

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from tests.fakes.ticking import EVERY_SECOND, KINDS, events, ticking_daemon, wait_for_events, without_gaps
from tests.guests.build import guest
from tests.scenarios.conftest import short_directory


@pytest.fixture(scope="module")
def scenes():
    """How each scene ends, by itself and the kind of its plugin."""
    with ThreadPoolExecutor(len(SCENES)) as pool:
        yield {each: pool.submit(played, *each) for each in SCENES}


def played(scene, kind):
    """Play it on a daemon whose schedules may fire every second."""
    state = short_directory()
    daemon = ticking_daemon(state, kind).start()
    try:
        scene(daemon)
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
        shutil.rmtree(state, ignore_errors=True)


def subscription(api, name="ticks"):
    request = workflow_pb2.WorkflowServiceGetRequest(workflow=name)
    return api.workflows.Get(request, timeout=20).workflow.subscriptions[0]


def wait_for_state(api, state):
    end = time.monotonic() + 60
    while (found := subscription(api)).state != state:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def let_the_clock_go_on(api):
    """The last of some seconds that were runs of another workflow: what fires every second would have, too."""
    clock = api.register(guest("scheduled"), "clock", config=EVERY_SECOND).workflow_id
    return wait_for_events(api, 3, clock)[-1]


def killed_and_restarted(ticking):
    with ticking.channel() as api:
        registered = api.register(guest("scheduled"), "ticks", config=EVERY_SECOND)
        assert registered.subscriptions[0].state == "registered"
    for cycle in range(1, 4):
        with ticking.channel() as api:
            wait_for_events(api, 2 * cycle)
        ticking.kill()
        ticking.start()
    with ticking.channel() as api:
        found = wait_for_events(api, 9)
        assert without_gaps(found), found
        shown = wait_for_state(api, "registered")
        assert shown.events_accepted > 0
        assert shown.events_refused == 0
    assert ticking.stop() == 0


def killed_plugin(ticking):
    with ticking.channel() as api:
        api.register(guest("scheduled"), "ticks", config=EVERY_SECOND)
        wait_for_events(api, 2)
        before = api.plugin("cron-trigger")
        os.kill(before.pid, signal.SIGKILL)
        found = wait_for_events(api, 6)
        assert api.plugin("cron-trigger").restarts > before.restarts
        assert without_gaps(found), found
        assert subscription(api).state == "registered"


def paused_and_activated(ticking):
    with ticking.channel() as api:
        ticks = api.register(guest("scheduled"), "ticks", config=EVERY_SECOND).workflow_id
        wait_for_events(api, 2)
        api.workflows.Pause(workflow_pb2.PauseRequest(workflow="ticks"), timeout=20)
        assert subscription(api).state == "paused"
    assert ticking.stop() == 0
    ticking.start()
    with ticking.channel() as api:
        wait_for_state(api, "paused")
        paused = events(api)
        let_the_clock_go_on(api)
        assert events(api, ticks) == paused
        api.workflows.Activate(workflow_pb2.ActivateRequest(workflow="ticks"), timeout=20)
        found = wait_for_events(api, len(paused) + 5, ticks)
        assert without_gaps(found), found


def deleted(ticking):
    with ticking.channel() as api:
        ticks = api.register(guest("scheduled"), "ticks", config=EVERY_SECOND).workflow_id
        wait_for_events(api, 1)
        request = workflow_pb2.WorkflowServiceDeleteRequest(workflow="ticks", drain=True)
        api.workflows.Delete(request, timeout=20)
        gone = events(api)
        now = let_the_clock_go_on(api)
        assert events(api, ticks) == gone
        # Registered anew it is the same workflow to its trigger, which has forgotten it: nothing is caught up.
        api.register(guest("scheduled"), "ticks", config=EVERY_SECOND)
        found = wait_for_events(api, len(gone) + 1, ticks)
        assert found[len(gone)] > now > gone[-1]


def wrong_schedule(ticking):
    with ticking.channel() as api:
        done = api.register(guest("scheduled"), "ticks", config=EVERY_SECOND + b"\n61 * * * *")
        first, second = done.subscriptions
        assert (first.state, second.state) == ("degraded", "degraded")
        assert first.reason == "trigger 1 was not registered, so none was"
        assert "invalid cron schedule: minute '61': '61' is not one of 0 to 59" in second.reason
        assert "not tried again" in second.reason
        assert not second.available
        assert (
            "trigger 1 (cron-trigger@1.0.0) never starts a run: invalid cron schedule: minute '61'" in done.warnings[1]
        )
        assert "InvalidArgument" not in "".join(done.warnings)
        let_the_clock_go_on(api)
        assert events(api, done.workflow_id) == []


def payload(ticking):
    with ticking.channel() as api:
        api.register(guest("scheduled"), "ticks", config=EVERY_SECOND)
        wait_for_events(api, 1)
        run = api.runs.List(run_pb2.RunServiceListRequest(page_size=1), timeout=20).runs[0]
        assert run.event_id == datetime.fromisoformat(run.event_id).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert run.trigger_index == 0


SCENES = [
    *((killed_and_restarted, kind) for kind in KINDS),
    (killed_plugin, "process"),
    *((scene, "in process") for scene in (paused_and_activated, deleted, wrong_schedule, payload)),
]


@pytest.mark.parametrize("kind", KINDS)
def test_after_kill_9_and_restarts_every_second_is_one_run(scenes, kind):
    scenes[killed_and_restarted, kind].result()


@pytest.mark.parametrize("kind", ["process"])
def test_after_kill_9_of_the_plugin_every_second_is_one_run(scenes, kind):
    scenes[killed_plugin, kind].result()


def test_a_pause_stops_events_and_activation_brings_what_was_missed(scenes):
    scenes[paused_and_activated, "in process"].result()


def test_a_deletion_that_drains_ends_the_events_and_is_forgotten(scenes):
    scenes[deleted, "in process"].result()


def test_a_schedule_that_is_wrong_shows_as_degraded_and_the_others_wait_with_it(scenes):
    scenes[wrong_schedule, "in process"].result()


def test_a_payload_is_the_scheduled_second(scenes):
    scenes[payload, "in process"].result()
