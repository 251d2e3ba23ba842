"""A daemon whose schedules may fire every second, and what became of them."""

import json
import sys
import time
from datetime import datetime

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import LiveDaemon

CONFIG = {"fastest_interval_s": 1, "catch_up": "all", "catch_up_events_max": 1000}
KINDS = {
    "in process": {"factory": "strongroom_cron_trigger.plugin:CronTrigger"},
    "process": {"command": [sys.executable, "-m", "strongroom_cron_trigger"]},
}
EVERY_SECOND = b"* * * * * *"


def ticking_daemon(state, kind="in process"):
    """Not started yet; with the cron trigger as its only plugin."""
    entry = {"name": "cron-trigger", "config": CONFIG, **KINDS[kind]}
    path = state / "plugins.yaml"
    path.write_text(json.dumps({"version": 1, "plugins": [entry]}))
    return LiveDaemon(state, ("--plugins-file", str(path)))


def events(api, workflow_id=""):
    """The times of all runs that have completed, in order; of one workflow if it is named."""
    found, token = [], ""
    while True:
        request = run_pb2.RunServiceListRequest(page_size=500, page_token=token, workflow_id=workflow_id)
        page = api.runs.List(request, timeout=20)
        found += [run for run in page.runs if run.status == run_pb2.RUN_STATUS_COMPLETED]
        token = page.next_page_token
        if not token:
            return sorted(int(datetime.fromisoformat(run.event_id).timestamp()) for run in found)


def wait_for_events(api, count, workflow_id=""):
    end = time.monotonic() + 60
    while len(found := events(api, workflow_id)) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} events became runs"
        time.sleep(0.05)
    return found


def without_gaps(found):
    return found == list(range(found[0], found[0] + len(found)))
