"""Runs are charged for the time that a host was up, across restarts, and for no other."""

import time

import pytest

from strongroom.engine import uptime
from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.engine.uptime import Uptime
from strongroom.storage import meta
from tests.fakes.scripted_guest import WAIT_S, sleeper, waits
from tests.fakes.workflow_host import OWNER, Gate, WorkflowHost, value

LIMIT_MS = 300_000
DAY_S = 86_400


class Clock:
    """Milliseconds that pass when a test says so."""

    def __init__(self):
        self.steady_ms = 77
        # Guests reckon the end of a sleep from the clock of this machine.
        self.now = int(time.time() * 1000)

    def __call__(self):
        return self.now

    def steady(self):
        return self.steady_ms

    def passes(self, seconds):
        self.now += seconds * 1000
        self.steady_ms += max(seconds, 0) * 1000

    def jumps(self, seconds):
        self.now += seconds * 1000


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("strongroom.engine.run_journal.now_ms", made)
    return made


def begun(database, clock):
    made = Uptime(database, clock, clock.steady)
    made.begin()
    return made


def host_on(database, clock, on_trigger):
    host = WorkflowHost(database, limits=EngineLimits(run_timeout_ms=LIMIT_MS))
    host.engine.uptime = Uptime(database, clock, clock.steady)
    host.module.on_trigger = on_trigger
    return host


def start(host):
    host.engine.resume()
    host.register()
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def test_time_without_a_host_is_left_out_however_often_it_comes(database, clock):
    first = begun(database, clock)
    since = clock()
    for _ in range(3):
        clock.passes(100)
        first.beat()
        clock.passes(50)
        first = begun(database, clock)
    assert first.up_since_ms(since) == 300_000
    assert first.down_since_ms(since) == 150_000
    clock.passes(7)
    assert first.up_since_ms(since) == 307_000
    assert first.up_since_ms(clock.now - 1000) == 1000
    assert first.up_since_ms(0) == 0, "it has not begun"


def test_what_came_after_the_last_sign_of_life_is_not_charged(database, clock):
    host = begun(database, clock)
    since = clock()
    clock.passes(10)
    host.beat()
    clock.passes(9)
    assert begun(database, clock).up_since_ms(since) == 10_000


def test_a_host_that_has_not_begun_leaves_no_sign_of_life(database, clock):
    begun(database, clock)
    since = clock()
    clock.passes(1000)
    Uptime(database, clock, clock.steady).beat()
    assert begun(database, clock).up_since_ms(since) == 0


def test_of_the_time_before_the_first_sign_of_life_nothing_is_known(database, clock):
    since = clock()
    clock.passes(1000)
    assert begun(database, clock).up_since_ms(since) == 0


def test_many_times_without_a_host_become_few_in_favour_of_runs(database, clock, monkeypatch):
    monkeypatch.setattr(uptime, "GAPS_MAX", 2)
    host = begun(database, clock)
    since = clock()
    for _ in range(5):
        clock.passes(10)
        host.beat()
        clock.passes(1)
        host = begun(database, clock)
    assert len(host._gaps) == 2
    assert 0 < host.up_since_ms(since) <= 50_000


@pytest.mark.parametrize("stored", ["no json", "[1]", '[["a", "b"]]', "{}x"])
def test_what_cannot_be_read_charges_nothing(database, clock, stored):
    since = clock()
    begun(database, clock)
    clock.passes(5)
    database.write(lambda c: (meta.set(c, "down_ms", stored), meta.set(c, "last_alive_ms", "soon"))).result()
    assert begun(database, clock).up_since_ms(since) == 0


def test_a_clock_that_was_set_back_charges_nothing_and_breaks_nothing(database, clock):
    host = begun(database, clock)
    since = clock()
    clock.passes(100)
    host.beat()
    clock.passes(-200)
    assert begun(database, clock).up_since_ms(since) == 0


@pytest.mark.parametrize("days", [400, -400])
def test_a_clock_that_jumps_charges_what_was_before_and_what_comes_after(database, clock, days):
    host = begun(database, clock)
    since = clock()
    clock.passes(100)
    clock.jumps(days * DAY_S)
    host.beat()
    after = clock()
    clock.passes(50)
    host.beat()
    assert host.up_since_ms(since) == (150_000 if days > 0 else 0), "nobody knows by how much it was set back"
    assert host.up_since_ms(after) == 50_000
    assert begun(database, clock).up_since_ms(after) == 50_000, "it outlives a restart"


def test_a_clock_that_was_wrong_for_a_while_charges_what_comes_after(database, clock):
    host = begun(database, clock)
    clock.jumps(400 * DAY_S)
    host.beat()
    clock.jumps(-400 * DAY_S)
    host.beat()
    since = clock()
    clock.passes(50)
    host.beat()
    assert host.up_since_ms(since) == 50_000
    assert begun(database, clock).up_since_ms(since) == 50_000


def test_small_differences_of_clocks_are_no_jump(database, clock):
    host = begun(database, clock)
    since = clock()
    for _ in range(10):
        clock.passes(10)
        clock.jumps(1)
        host.beat()
    assert host.up_since_ms(since) == 110_000
    assert len(host._gaps) == 1


@pytest.mark.parametrize("days", [400, -400])
def test_a_run_survives_a_clock_that_jumped_before_its_host_was_cut_off(database, clock, days):
    host = host_on(database, clock, sleeper(1_000_000))
    run_id = start(host)
    waits(host, run_id)
    clock.passes(10)
    clock.jumps(days * DAY_S)
    host.engine.uptime.beat()
    host.cut_off()
    host = host_on(database, clock, sleeper(1_000_000))
    host.engine.resume()
    asleep = host.engine.dispatcher._asleep.get(run_id)
    if days > 0:
        assert asleep is None or asleep.used_ms == 10_000, "a jump uses up no time of a run"
    else:
        assert asleep.due_s - time.monotonic() <= LIMIT_MS / 1000, "no sleep is longer than the time of a run"
    host.close()


def test_a_sleeping_run_runs_out_of_time_across_restarts_and_not_while_no_host_is_up(database, clock):
    host = host_on(database, clock, sleeper(1_000_000))
    run_id = start(host)
    waits(host, run_id)
    began = host.engine.get(run_id).started_at
    for life in range(1, 3):
        clock.passes(100)
        host.engine.uptime.beat()
        host.cut_off()
        clock.passes(5_000)
        host = host_on(database, clock, sleeper(1_000_000))
        assert host.engine.resume() == 1
        header = host.engine.get(run_id)
        assert header.status == "waiting"
        assert host.engine.wakes_at(header) == began + LIMIT_MS + life * 5_000_000 < header.wake_at
    clock.passes(100)
    host.engine.uptime.beat()
    host.cut_off()
    host = host_on(database, clock, sleeper(1_000_000))
    host.engine.resume()
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert (header.status, header.error_code) == ("timed_out", "SR-RUN-023")
    assert "used up its time of 300000 ms" in outcome.failure.error
    host.close()


def test_a_run_that_was_cut_off_in_the_middle_has_the_time_left_that_it_had_not_used(database, clock):
    gate = Gate()
    host = host_on(database, clock, gate)
    run_id = start(host)
    assert gate.entered.wait(WAIT_S)
    host.database.write(lambda connection: None).result()
    clock.passes(120)
    host.engine.uptime.beat()
    host.engine.dispatcher.get(run_id).held_journal().close()
    host.cut_off()
    clock.passes(3_600)
    left = []
    after = host_on(database, clock, lambda request, helper: left.append(helper.timeout_ms) or value("ok"))
    after.engine.resume()
    after.engine.wait(run_id, WAIT_S)
    assert LIMIT_MS - 120_000 - WAIT_S * 1000 < left[0] <= LIMIT_MS - 120_000
    gate.release.set()
    after.close()
