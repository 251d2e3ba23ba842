"""A host that is told to stop is gone soon, whoever waits for what, and what it had accepted goes on afterwards."""

import threading

import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.guests.build import guest

LONG_S = 600
"""Far beyond what a test waits for the end of its host."""
HOUR_NS = b"3600000000000"


@pytest.fixture
def daemon(small):
    small.options += ("--set", "limits.run_timeout_ms=7200000")
    return small.start()


def asleep(api):
    """The one run of the host, once it sleeps."""
    while True:
        runs = api.runs.List(run_pb2.RunServiceListRequest(statuses=[run_pb2.RUN_STATUS_WAITING]), timeout=10).runs
        if runs:
            return runs[0].run_id


def test_a_client_that_waits_for_a_run_that_sleeps_keeps_no_host_from_ending(daemon):
    with daemon.channel() as api:
        api.register(guest("sleep-long"), "sleeps", config=HOUR_NS)
        ends = []

        def execute():
            answer = api.execute("sleeps", timeout=LONG_S)
            ends.append((answer.run.run_id, answer.run.status, answer.error))

        waiting = threading.Thread(target=execute)
        waiting.start()
        run_id = asleep(api)
        assert daemon.stop() == 0
        waiting.join(30)
        assert ends == [(run_id, run_pb2.RUN_STATUS_WAITING, "")], "it is told how far the run is, and that is no error"
    assert any("strongroom.app: stopped" in line for line in daemon.log), "everything was closed, and nothing cut off"
    daemon.start()
    with daemon.channel() as api:
        found = api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id), timeout=10).run
        assert found.status == run_pb2.RUN_STATUS_WAITING, "it goes on"
