"""What one owner may hold of a host: numbers of its own, and never all that there is."""

import pytest

from strongroom.engine.handles import Place, RunHandle
from strongroom.engine.limits import EngineLimits
from strongroom.engine.owner_limits import OwnerLimits, OwnersLimits, StartRates
from strongroom.engine.room import Room
from strongroom.errors import Exhausted, Unavailable

A, B, C = "a" * 40, "b" * 40, "c" * 40


def room(queued_max=100, waiting_max=100, **owners):
    limits = EngineLimits(runs_queued_max=queued_max, runs_waiting_max=waiting_max, owners=OwnersLimits(**owners))
    return Room(limits, StartRates(lambda: limits.owners))


def filled(room, owner):
    taken = 0
    while True:
        try:
            room.take(owner)
        except Exhausted as refused:
            return taken, refused
        taken += 1


def test_an_owner_alone_has_all_of_the_host():
    host = room()
    for _ in range(100):
        host.take(A)
    with pytest.raises(Unavailable, match="100 runs are accepted") as refused:
        host.take(A)
    assert (refused.value.code, type(refused.value)) == ("SR-RUN-007", Unavailable)


def test_where_there_are_several_each_leaves_a_fifth_of_what_it_found():
    host = room(1000, is_shared=True)
    taken, refused = filled(host, A)
    assert (taken, filled(host, B)[0], filled(host, C)[0]) == (800, 160, 32)
    assert (refused.code, refused.details["size"], refused.details["limit"]) == ("SR-LIMIT-002", 801, 800)
    assert refused.details["setting"] == "owners.runs_queued_max"
    assert refused.details["retry_ms"] == 1000
    assert "room for 200 more, which is kept for other owners" in refused.why


def test_a_number_of_its_own_stands_above_that_of_everybody():
    host = room(others=OwnerLimits(runs_queued_max=3), own={B: OwnerLimits(runs_queued_max=5)})
    taken, refused = filled(host, A)
    assert (taken, filled(host, B)[0]) == (3, 5)
    assert "the limit owners.runs_queued_max is 3" in refused.why


def test_runs_that_wait_are_counted_apart_and_refused_by_their_own_number():
    host = room(others=OwnerLimits(runs_waiting_max=2), is_shared=True)
    handles = [RunHandle(f"run {index}", "local", "wf", A) for index in range(2)]
    for handle in handles:
        host.take(A)
        host.move(handle, Place.PARKED)
    assert (host.waiting, host.active, host.active_of(A)) == (2, 0, 0)
    with pytest.raises(Exhausted, match="2 runs of owner a+ are waiting") as refused:
        host.take(A)
    assert refused.value.code == "SR-LIMIT-003"
    host.take(B)
    host.move(handles[0], Place.QUEUED)
    assert (host.waiting, host.queued, host.backlog["local", A]) == (1, 1, 1)
    host.take(A)


def test_beside_others_who_come_an_owner_has_as_many_workers_as_runners_but_the_one_that_is_kept():
    host = room(is_shared=True)
    host.take(A)
    assert host.local_max(A) == 32, "nobody else came"
    host.take(B)
    assert (host.local_max(A), host.local_max(B), host.local_max(C)) == (3, 3, 3)
    assert host.executing_max(A) == 32, "others than local ones need no runner"
    host._neighbours._served_s[B] -= 10
    assert (host.local_max(A), host.local_max(B)) == (32, 3), "who came once does not stay a neighbour"


@pytest.mark.parametrize(("runners", "most"), [(1, 2), (2, 2), (3, 2), (10, 9), (100, 32)])
def test_workers_beside_others_are_at_least_two_and_never_more_than_the_owner_may_have(runners, most):
    limits = EngineLimits(runners_max=runners, owners=OwnersLimits(is_shared=True))
    host = Room(limits, StartRates(lambda: limits.owners))
    host.take(A)
    host.take(B)
    assert host.local_max(A) == most


def test_a_host_of_one_owner_keeps_no_workers_for_others():
    host = room()
    host.take(A)
    host.take(B)
    assert host.local_max(A) == 32


def test_the_age_of_the_oldest_that_is_queued_is_known():
    host = room()
    assert host.oldest_queued_s() == 0
    handle = RunHandle("run", "local", "wf", A)
    host.take(A)
    host.move(handle, Place.QUEUED)
    assert host.oldest_queued_s() >= 0
    host._since["run"] -= 10
    assert host.oldest_queued_s() >= 10
    host.move(handle, Place.EXECUTING)
    assert (host.queued, host.oldest_queued_s()) == (0, 0)


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_a_bucket_of_starts_fills_up_with_time_and_not_above_its_brim():
    clock = Clock()
    rates = StartRates(lambda: OwnersLimits(others=OwnerLimits(starts_per_s=10, starts_burst=3)), clock)
    for _ in range(3):
        rates.take(A)
    with pytest.raises(Exhausted, match="more than 10 runs a second") as refused:
        rates.take(A)
    assert refused.value.code == "SR-LIMIT-001"
    assert refused.value.details == {
        "size": 11, "limit": 10, "setting": "owners.starts_per_s", "retry_ms": 100,
    }  # fmt: skip
    rates.take(B)
    clock.now_s = 0.1
    rates.take(A)
    with pytest.raises(Exhausted):
        rates.take(A)
    clock.now_s = 1000.0
    for _ in range(3):
        rates.take(A)
    with pytest.raises(Exhausted):
        rates.take(A)


def test_a_large_payload_takes_more_starts_and_never_more_than_there_can_be():
    clock = Clock()
    rates = StartRates(lambda: OwnersLimits(others=OwnerLimits(starts_per_s=10, starts_burst=5)), clock)
    rates.take(A, 300_000)
    with pytest.raises(Exhausted) as refused:
        rates.take(A, 100_000)
    assert refused.value.details["retry_ms"] == 100
    rates.take(A, 99_999)
    clock.now_s = 1.0
    rates.take(A, 100_000_000)
    with pytest.raises(Exhausted):
        rates.take(A)


def test_full_buckets_are_forgotten_and_empty_ones_are_not(monkeypatch):
    monkeypatch.setattr("strongroom.engine.owner_limits.FULL_MAX", 10)
    clock = Clock()
    rates = StartRates(lambda: OwnersLimits(others=OwnerLimits(starts_per_s=1, starts_burst=1)), clock)
    rates.take(A)
    clock.now_s = 0.5
    for number in range(10):
        rates.take(f"{number:040x}")
    clock.now_s = 1.2
    rates.take(B)
    assert set(rates._buckets) == {B, *(f"{number:040x}" for number in range(10))}


def test_without_a_rate_nothing_is_counted():
    rates = StartRates(OwnersLimits)
    for _ in range(1000):
        rates.take(A)
    assert not rates._buckets
