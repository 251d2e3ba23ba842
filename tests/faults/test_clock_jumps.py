"""Clocks that jump by 400 days or an hour: schedules keep their policy, and what waits is neither hurried nor lost."""

import json
import mmap
import random
import struct
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.cron_machine import DAY, HOUR, NOON, Machine
from tests.fakes.live_daemon import LiveDaemon
from tests.faults.figures import record
from tests.faults.preloaded import preloaded
from tests.faults.scale import much
from tests.guests.build import guest

HISTORIES = much(60, 3000)
JUMPS_S = (400 * DAY, -400 * DAY, -HOUR, HOUR)
SOURCE = Path(__file__).with_name("bad_clock.c")
AHEAD = struct.Struct("<q")
MANIFEST = {"name": "cron-trigger", "factory": "strongroom_cron_trigger.plugin:CronTrigger"}
CONFIG = {"fastest_interval_s": 1, "catch_up": "last"}
TIMEOUT_MS = 20_000
"""What the host allows a run: a jump of the wall clock must not use it up."""
SLEEPS_NS = b"400000000"
SUSPEND_MS = 5_000
"""Its guest sleeps in its runner: the clock of a runner, whose environment is its own, is not one that is set here."""
WAIT_S = 30


def history(seed):
    """A schedule of every minute through jumps, stops and restarts; the clock is right in the end. What it missed or
    fired twice: with ``all`` that is nothing that is as old as the policy reaches back."""
    chance = random.Random(seed)  # noqa: S311 - it chooses what happens, and protects nothing
    machine, ahead_s = Machine(catch_up="all", events_max=100), 0
    for _ in range(12):
        machine.run(chance.randint(1, 300))
        if chance.random() < 0.3:
            machine.start()
        if chance.random() < 0.3:
            machine.confirm()
        if chance.random() < 0.5:
            jump_s = -ahead_s if ahead_s else chance.choice(JUMPS_S)
            machine.set_clock(jump_s)
            ahead_s += jump_s
    machine.set_clock(-ahead_s)
    machine.run(2 * HOUR)
    end = int(machine.now) // 60 * 60
    wanted = range(NOON + 60, end + 1, 60)
    # A second that is fired again has the id that it had, by which the host knows it: no second run.
    missed = set(wanted) - set(machine.fired)
    return len(missed)


def test_schedules_miss_nothing_however_the_clock_jumps():
    missed = {seed: count for seed in range(HISTORIES) if (count := history(seed))}
    what = f"{HISTORIES} histories of a schedule with jumps of 400 days and an hour"
    record("O5", what, demanded="0 missed beyond the policy", measured=f"{sum(missed.values())} missed", met=not missed)
    assert missed == {}


class BadClock:
    """The wall clock of one daemon."""

    def __init__(self, directory):
        self._file = directory / "bad-clock-control"
        self._file.write_bytes(AHEAD.pack(0))
        with self._file.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), AHEAD.size)
        self.variables = {"LD_PRELOAD": str(preloaded(SOURCE)), "BAD_CLOCK_CONTROL": str(self._file)}

    def set_ahead(self, seconds):
        self._mapped[:] = AHEAD.pack(seconds)


@pytest.fixture
def host():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        state = Path(directory)
        clock = BadClock(state)
        manifest = state / "plugins.yaml"
        manifest.write_text(json.dumps({"version": 1, "plugins": [{**MANIFEST, "config": CONFIG}]}))
        options = ("--plugins-file", str(manifest), "--set", f"limits.run_timeout_ms={TIMEOUT_MS}")
        options += ("--set", f"limits.suspend_after_ms={SUSPEND_MS}")
        daemon = LiveDaemon(state, options, variables=clock.variables).start()
        yield daemon, clock
        assert daemon.stop() == 0


def scheduled(api):
    """The event ids of all runs of the schedule, and how each ended."""
    found, token = [], ""
    while True:
        page = api.runs.List(run_pb2.RunServiceListRequest(page_size=500, page_token=token), timeout=WAIT_S)
        found += [run for run in page.runs if run.workflow_name == "ticks"]
        token = page.next_page_token
        if not token:
            return found


def wait_for_more(api, before, count):
    end_s = time.monotonic() + WAIT_S
    while len(found := scheduled(api)) < len(before) + count:
        assert time.monotonic() < end_s, f"no run of the schedule came: {len(found)}"
        time.sleep(0.05)
    return found


def test_a_daemon_whose_wall_clock_jumps_hurries_and_loses_nothing(host):
    daemon, clock = host
    ended = Counter()
    with daemon.channel() as api:
        api.register(guest("scheduled"), "ticks", config=b"* * * * * *")
        api.register(guest("sleep-long"), "sleeps", config=SLEEPS_NS)
        seen = wait_for_more(api, [], 1)
        for ahead_s in (400 * DAY, 0, -400 * DAY, 0, -HOUR, 0):
            # It waits for its time to be over while the clock jumps.
            start = run_pb2.StartRequest(workflow="sleeps", json=b"{}")
            running = api.runs.Start(start, timeout=WAIT_S).run.run_id
            clock.set_ahead(ahead_s)
            again = run_pb2.StartRequest(workflow="sleeps", run_id=running, json=b"{}")
            answer = api.runs.Execute(run_pb2.ExecuteRequest(start=again), timeout=WAIT_S)
            ended[run_pb2.RunStatus.Name(answer.run.status)] += 1
            if ahead_s >= 0:
                seen = wait_for_more(api, seen, 1)
        told = [run.event_id for run in scheduled(api)]
    repeated = [event_id for event_id, count in Counter(told).items() if count > 1]
    record(
        "O5",
        "a daemon whose wall clock jumps 6 times under runs and a schedule of every second",
        demanded="no run hurried or lost, no second fired twice",
        measured=f"{ended['RUN_STATUS_COMPLETED']} of 6 runs completed, {len(repeated)} of {len(told)} fired twice",
        met=ended == {"RUN_STATUS_COMPLETED": 6} and not repeated,
    )
    assert ended == {"RUN_STATUS_COMPLETED": 6}
    assert repeated == []
