"""Sealing again: in batches, at a pace, one job at a time, and it goes on wherever it was cut off."""

import pytest

from strongroom.engine.rotation import BATCH_MAX, BATCHES_A_SECOND, RATE_MAX, WISH, Rotation
from strongroom.errors import LimitExceeded, NotFound, WrongState
from strongroom.storage import meta
from tests.fakes.sealed_things import Blobs

FAST = RATE_MAX


class Clock:
    """Time that stands still, so that a pace shows in what was waited for."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Job:
    """A job over some things, and the version that writes."""

    def __init__(self, database):
        self.database, self.version, self.things = database, 2, []
        self.rotation = self.again()

    def again(self):
        self.rotation = Rotation(lambda: self.things, lambda: self.version, self.database)
        return self.rotation

    def add(self, name, versions, **more):
        self.things.append(Blobs(name, versions, lambda: self.version, **more))
        return self.things[-1]

    def ended(self):
        return list(self.rotation.follow(0.01, is_wanted=lambda: True))[-1]

    @property
    def wish(self):
        return self.database.read(lambda c: meta.get(c, WISH))


@pytest.fixture
def job(database):
    made = Job(database)
    yield made
    for thing in made.things:
        thing.go.set()
    made.rotation.close()


def test_everything_comes_to_the_version_that_writes_in_bounded_batches(job):
    many = 6 * BATCH_MAX
    notes, plans = job.add("workspace notes", [1] * many + [2] * 5 + [0] * 3), job.add("workspace plans", [1])
    job.rotation.start(rate=FAST)
    ended = job.ended()
    assert (ended.state, ended.done, ended.total, ended.version, ended.problems) == ("done", many + 1, many + 1, 2, ())
    assert notes.versions == [2] * (many + 5) + [0] * 3, "what is not sealed stays"
    assert notes.batches == [BATCH_MAX] * 6 + [0]
    assert (notes.finished, plans.finished) == (1, 1)
    assert job.wish == ""


def test_what_is_as_it_should_be_is_left_alone(job):
    notes = job.add("workspace notes", [2, 2, 0])
    job.rotation.start(rate=FAST)
    assert (job.ended().total, notes.batches, notes.finished) == (0, [], 0)


def test_what_stays_is_not_touched(job):
    runs = job.add("table runs", [1], stays="runs keep their version")
    job.rotation.start(rate=FAST)
    assert (job.ended().state, runs.batches) == ("done", [])


def test_one_workspace_alone(job):
    notes, plans = job.add("workspace notes", [1]), job.add("workspace plans", [1])
    job.rotation.start("notes", FAST)
    assert (job.ended().done, notes.versions, plans.versions) == (1, [2], [1])


def test_a_workspace_that_is_not_open_is_refused(job):
    job.add("workspace gone", [1], stays="it is not mounted", kind="project")
    for name in ("gone", "never"):
        with pytest.raises(NotFound, match=f"no workspace '{name}' is open") as caught:
            job.rotation.start(name)
        assert caught.value.code == "SR-KEY-028"


def test_a_workspace_with_keys_of_its_own_is_refused_with_what_changes_them(job):
    job.add("workspace diary", [], stays="it has keys of its own")
    with pytest.raises(WrongState, match="it has keys of its own") as caught:
        job.rotation.start("diary")
    assert caught.value.code == "SR-KEY-032"


@pytest.mark.parametrize("rate", [-1, RATE_MAX + 1])
def test_a_rate_out_of_range_is_refused(job, rate):
    with pytest.raises(LimitExceeded) as caught:
        job.rotation.start(rate=rate)
    assert (caught.value.code, caught.value.details["size"]) == ("SR-KEY-027", rate)


def test_a_second_wish_for_the_same_joins_and_another_one_is_refused(job):
    notes = job.add("workspace notes", [1] * 10)
    notes.hold()
    job.rotation.start(rate=FAST)
    assert notes.entered.wait(10)
    job.rotation.start(rate=FAST)
    with pytest.raises(WrongState, match="everything is being sealed again") as caught:
        job.rotation.start("notes", FAST)
    assert caught.value.code == "SR-KEY-026"
    notes.go.set()
    assert job.ended().done == 10


def test_a_host_that_stops_in_the_middle_goes_on_at_its_next_start(job):
    notes = job.add("workspace notes", [1] * 2 * BATCH_MAX)
    notes.hold()
    job.rotation.start(rate=FAST)
    assert notes.entered.wait(10)
    job.rotation._stop.set()
    notes.go.set()
    job.rotation.close()
    ended = job.rotation.progress()
    assert (ended.state, ended.done, notes.finished) == ("stopped", BATCH_MAX, 0)
    assert notes.versions.count(1) == BATCH_MAX
    job.again().resume()
    assert (job.ended().state, notes.versions.count(1), notes.finished) == ("done", 0, 1)
    job.again().resume()
    assert job.rotation.progress().state == "idle", "nothing is wanted any more"


def test_a_wish_for_a_workspace_that_is_closed_by_now_is_let_go(job, caplog):
    job.database.write(lambda c: meta.set(c, WISH, '{"workspace": "gone", "rate": 0}')).result()
    job.rotation.resume()
    assert job.rotation.progress().state == "idle"
    assert "sealing again is not gone on with" in caplog.text


@pytest.mark.parametrize("wish", ["", "no json", "[]", '{"workspace": 1}', '{"workspace": "", "rate": "x"}'])
def test_a_wish_that_cannot_be_read_stops_no_host(job, wish):
    job.database.write(lambda c: meta.set(c, WISH, wish)).result()
    job.rotation.resume()
    assert job.rotation.progress().state == "idle"


@pytest.mark.parametrize("broken", ["counts", "rewrap"])
def test_one_thing_that_fails_is_named_and_keeps_nobody_from_being_done(job, broken):
    bad, good = job.add("workspace bad", [1]), job.add("workspace good", [1])
    bad.broken = broken
    job.rotation.start(rate=FAST)
    ended = job.ended()
    assert (ended.state, good.versions) == ("done", [2])
    (problem,) = ended.problems
    assert problem.startswith("workspace bad: the disk is")
    assert problem.endswith("(SR-STORE-001)")


def test_a_version_that_is_promoted_meanwhile_is_the_one_that_all_comes_to(job):
    first, second = job.add("workspace a", [1] * 3), job.add("workspace b", [1] * 3)
    second.hold()
    job.rotation.start(rate=FAST)
    assert second.entered.wait(10)
    job.version = 3
    second.go.set()
    ended = job.ended()
    assert (ended.state, ended.version, first.versions, second.versions) == ("done", 3, [3] * 3, [3] * 3)


def test_the_pace_is_kept(database, monkeypatch):
    waited, clock = [], Clock()
    notes = Blobs("workspace notes", [1] * 1000, lambda: 2)
    rotation = Rotation(lambda: [notes], lambda: 2, database, monotonic_s=clock)

    def wait(seconds):
        waited.append(seconds)
        clock.now += seconds
        return False

    monkeypatch.setattr(rotation._stop, "wait", wait)
    rotation.start(rate=500)
    assert list(rotation.follow(0.01, is_wanted=lambda: True))[-1].state == "done"
    assert max(notes.batches) == 500 // BATCHES_A_SECOND, "nobody waits for more at once"
    assert clock.now == pytest.approx(2.0), "a thousand blobs at five hundred a second"


def test_who_follows_and_leaves_stops_nothing(job):
    notes = job.add("workspace notes", [1])
    notes.hold()
    job.rotation.start(rate=FAST)
    answers = iter([True, True, False])
    seen = list(job.rotation.follow(0.01, is_wanted=lambda: next(answers)))
    assert [each.state for each in seen] == ["running", "running"]
    notes.go.set()
    assert job.ended().state == "done"
