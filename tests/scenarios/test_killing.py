"""A run is killed while a plugin has a call of it and does not answer: nobody waits for that call, then or later."""

import json

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import LiveDaemon
from tests.guests.build import guest
from tests.scenarios.test_run_streams import start, watched

DELAY_MS = 3_000


def manifest(state):
    """basic-test with calls that take long."""
    path = state / "plugins.yaml"
    entry = {
        "name": "basic-test",
        "factory": "strongroom_basic_test.plugin:BasicTest",
        "config": {"delay_ms": DELAY_MS},
    }
    path.write_text(json.dumps({"version": 1, "plugins": [entry]}))
    return path


def killed_in_a_call(daemon, api):
    """The header of a run that was killed when its call was under way."""
    run_id = start(api, "calls")
    watch = api.runs.Watch(run_pb2.WatchRequest(run_id=run_id), timeout=20)
    while next(watch).event.event_type != "step_created":
        pass
    killed = daemon("run", "kill", run_id, "--yes", "--reason", "stuck", "--json")
    assert (killed.code, killed.json["status"]) == (0, "cancelled")
    return api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id), timeout=10).run


def test_a_run_whose_call_is_not_answered_is_killed_at_once_and_a_late_answer_changes_nothing(state):
    daemon = LiveDaemon(state, ("--plugins-file", str(manifest(state)))).start()
    try:
        with daemon.channel() as api:
            api.register(guest("sequential-calls"), "calls", config=b"1")
            final = killed_in_a_call(daemon, api)
            events, watched_run = watched(api, final.run_id)
            assert watched_run == final
            assert [e.event_type for e in events].count("step_completed") == 0, "the plugin had not answered"
            assert events[-1].event_type == "run_cancelled"
            # The call of a later run takes as long, so when it is answered the first one has been answered too.
            assert api.execute("calls").run.status == run_pb2.RUN_STATUS_COMPLETED
            assert watched(api, final.run_id) == (events, final), "the late answer is nowhere"
        assert daemon.stop() == 0
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
    assert not any(final.run_id in line and '"level": "error"' in line for line in daemon.log)


def test_a_host_stops_while_the_call_of_a_killed_run_is_open(state):
    daemon = LiveDaemon(state, ("--plugins-file", str(manifest(state)))).start()
    try:
        with daemon.channel() as api:
            api.register(guest("sequential-calls"), "calls", config=b"1")
            final = killed_in_a_call(daemon, api)
        assert daemon.stop() == 0
        daemon.start()
        with daemon.channel() as api:
            assert api.runs.Get(run_pb2.RunServiceGetRequest(run_id=final.run_id), timeout=10).run == final
        assert daemon.stop() == 0
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
