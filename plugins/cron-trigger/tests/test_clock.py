"""A schedule on a clock that stands, jumps and goes back: nothing is missed or repeated beyond the declared policy."""

import random
from datetime import UTC, datetime

import pytest

from strongroom.plugin import CapabilityError, Unavailable
from tests.fakes.cron_machine import DAY, HOUR, NOON, Machine


def test_a_schedule_fires_at_its_times_and_the_event_id_is_the_second():
    machine = Machine()
    machine.run(200)
    assert machine.minutes() == [1, 2, 3]
    assert machine.store.list("event/")[0] == "event/t/2026-06-01T12:01:00Z"


def test_a_registration_that_comes_back_at_once_fires_nothing_twice():
    machine = Machine()
    machine.run(150)
    machine.start()
    machine.run(60)
    assert machine.minutes() == [1, 2, 3]


DOWN = {"none": [1, 65], "last": [1, 64, 65], "all": list(range(1, 66))}


@pytest.mark.parametrize("catch_up", DOWN)
def test_after_an_hour_of_downtime_the_policy_says_what_comes(catch_up):
    machine = Machine(catch_up=catch_up)
    machine.run(70)
    machine.now = NOON + 64 * 60 + 30.0
    machine.start()
    machine.run(60)
    assert machine.minutes() == DOWN[catch_up]


def test_a_restart_of_seconds_is_no_downtime_whatever_the_policy():
    machine = Machine(catch_up="none")
    machine.run(58)
    machine.now += 7
    machine.start()
    machine.run(1)
    assert machine.minutes() == [1]


def test_the_window_bounds_how_old_a_missed_time_may_be():
    machine = Machine(catch_up="all", window_s=600)
    machine.now += HOUR + 30
    machine.start()
    machine.run(1)
    assert machine.minutes() == list(range(51, 61))


def test_a_missed_time_outside_the_window_is_left_out_also_by_last():
    machine = Machine("0 0 * * *", catch_up="last", window_s=HOUR)
    machine.now += 20 * HOUR
    machine.start()
    machine.run(60)
    assert machine.fired == []


def test_all_means_at_most_so_many_and_the_latest():
    machine = Machine(catch_up="all", events_max=5)
    machine.now += DAY + 30
    machine.start()
    machine.run(1)
    assert machine.minutes() == [1436, 1437, 1438, 1439, 1440]


def test_a_rare_schedule_is_caught_up_after_a_long_downtime():
    machine = Machine("0 0 * * 0", catch_up="last")
    machine.now += 6 * DAY + 5 * HOUR
    machine.start()
    machine.run(1)
    assert machine.fired == [int(datetime(2026, 6, 7, tzinfo=UTC).timestamp())]


def test_a_clock_that_goes_back_an_hour_repeats_nothing_and_misses_nothing():
    machine = Machine(catch_up="all")
    machine.run(5 * 60 + 30)
    machine.set_clock(-HOUR)
    machine.run(HOUR + 3 * 60)
    assert machine.minutes() == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("catch_up", ["none", "last", "all"])
def test_a_clock_that_jumps_400_days_ahead_and_is_corrected_misses_nothing_beyond_the_policy(catch_up):
    machine = Machine(catch_up=catch_up, events_max=3)
    machine.run(2 * 60 + 30)
    machine.set_clock(400 * DAY)
    machine.run(2 * 60)
    wrong = [at for at in machine.fired if at > NOON + DAY]
    assert len(wrong) == {"none": 2, "last": 3, "all": 5}[catch_up]
    machine.set_clock(-400 * DAY)
    machine.run(3 * 60)
    right = [minute for minute in machine.minutes() if minute < 1000]
    assert right == {"none": [1, 2, 5, 6, 7], "last": [1, 2, 4, 5, 6, 7], "all": [1, 2, 3, 4, 5, 6, 7]}[catch_up]


def test_a_host_that_began_with_a_clock_in_the_future_goes_on_when_it_is_corrected():
    machine = Machine()
    machine.run(90)
    machine.set_clock(-400 * DAY)
    machine.run(120)
    assert machine.minutes(NOON - 400 * DAY)[-2:] == [2, 3]


@pytest.mark.parametrize("catch_up", ["last", "all"])
def test_a_clock_that_was_400_days_behind_for_a_while_fires_no_new_second_twice(catch_up):
    machine = Machine(catch_up=catch_up, events_max=10)
    machine.run(150)
    machine.confirm()
    machine.set_clock(-400 * DAY)
    machine.run(120)
    machine.set_clock(400 * DAY)
    machine.run(60)
    after = [minute for minute in machine.minutes() if minute > 0]
    # A second that is fired again has the id that it had, by which the host knows it.
    assert sorted(set(after)) == {"last": [1, 2, 4, 5], "all": [1, 2, 3, 4, 5]}[catch_up]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (datetime(2026, 3, 29, 0, 0, tzinfo=UTC), ["2026-03-29T01:00:00Z"]),
        (datetime(2026, 10, 25, 0, 0, tzinfo=UTC), ["2026-10-25T00:30:00Z"]),
    ],
    ids=["spring", "autumn"],
)
def test_on_the_days_on_which_the_clock_of_a_zone_changes_a_daily_schedule_fires_once(start, expected):
    machine = Machine("CRON_TZ=Europe/Berlin 30 2 * * *")
    machine.jobs.forget("t")
    machine.now = start.timestamp() - HOUR
    machine.start()
    machine.run(6 * HOUR)
    assert [key.rpartition("/")[2] for key in machine.store.list("event/t")] == expected


def test_skip_leaves_out_what_is_due_while_the_last_run_goes_on():
    machine = Machine(overlap="skip")
    machine.run(70)
    machine.confirm()
    machine.registration.running = 1
    machine.run(120)
    machine.registration.running = 0
    machine.run(60)
    assert machine.minutes() == [1, 4]


def test_an_event_that_is_not_confirmed_counts_as_going_on():
    machine = Machine(overlap="skip")
    machine.run(130)
    assert machine.minutes() == [1]


QUEUED = {"none": [1, 4, 5], "last": [1, 3, 4, 5], "all": [1, 2, 3, 4, 5]}


@pytest.mark.parametrize("catch_up", QUEUED)
def test_queue_waits_for_the_last_run_and_then_catches_up_as_the_policy_says(catch_up):
    machine = Machine(overlap="queue", catch_up=catch_up)
    machine.run(70)
    machine.confirm()
    machine.registration.running = 1
    machine.run(120)
    machine.registration.running = 0
    for _ in range(140):
        machine.run(1)
        machine.confirm()
    assert machine.minutes() == QUEUED[catch_up]


def test_what_could_not_be_stored_fires_as_soon_as_it_can():
    machine = Machine()
    put, machine.store.put = machine.store.put, lambda *_, **__: (_ for _ in ()).throw(Unavailable("SR-TEST-1", "full"))
    machine.run(62)
    assert machine.fired == []
    machine.store.put = put
    machine.run(2)
    assert machine.minutes() == [1]


def test_jitter_delays_the_delivery_and_not_the_time_that_is_named():
    machine = Machine(jitter_s=20)
    machine.run(75)
    assert machine.fired == []
    machine.run(10)
    assert machine.minutes() == [1]


def test_a_trigger_id_that_is_registered_is_refused_until_it_is_stopped():
    machine = Machine()
    with pytest.raises(CapabilityError, match="^triggerId t already registered$") as refused:
        machine.jobs.put(machine.job)
    assert (refused.value.visibility, refused.value.origin, refused.value.name) == ("Public", "System", "Internal")
    machine.jobs.stop(machine.job)
    machine.jobs.put(machine.job)


def test_a_schedule_that_was_forgotten_begins_anew():
    machine = Machine(catch_up="all")
    machine.run(90)
    machine.jobs.forget("t")
    machine.book.forget("t")
    machine.now += HOUR
    machine.start()
    machine.run(60)
    assert machine.minutes() == [1, 62]
    assert machine.store.list("cron/") == ["cron/t"]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_the_host_with_all_every_time_is_fired_once(seed):
    chance = random.Random(seed)  # noqa: S311 - it chooses what happens, and protects nothing
    machine = Machine("*/20 * * * * *", catch_up="all", events_max=1000)
    for _ in range(40):
        what = chance.choice(["run", "restart", "down", "back", "confirm", "full"])
        if what == "run":
            machine.run(chance.randint(1, 90))
        elif what == "restart":
            machine.start()
        elif what == "down":
            machine.now += chance.randint(1, 2000)
            machine.start()
        elif what == "back":
            machine.set_clock(-chance.randint(1, 600))
        elif what == "confirm":
            machine.confirm()
        else:
            put, machine.store.put = machine.store.put, lambda *_, **__: (_ for _ in ()).throw(Unavailable("SR-T", "f"))
            machine.run(chance.randint(1, 60))
            machine.store.put = put
    behind = True
    while behind:
        behind = machine.job.marks.done_s > machine.now
        machine.run(HOUR)
        machine.confirm()
    assert machine.fired == list(range(NOON + 20, machine.fired[-1] + 1, 20))
