"""Limits of runs that others execute, and what becomes of a run that reached them."""

import pytest
from ulid import ULID

from strongroom.engine.journal import now_ms
from strongroom.engine.limits import EngineLimits
from strongroom.engine.retention import HOUR_MS, Retention
from strongroom.engine.world import entities
from strongroom.engine.world import events as world_events
from strongroom.engine.world import ledger as world_ledger
from strongroom.engine.world import runs as world_runs
from strongroom.errors import LimitExceeded, StorageFault, Unavailable
from strongroom.storage.database import Database
from tests.fakes.world_host import WorldHost, draft

LARGE = bytes(range(256)) * 3_600
"""More than one part of a sealed value."""


@pytest.fixture
def host(sqlite_url):
    """A host that allows little."""
    database = Database.open(sqlite_url)
    limits = EngineLimits(steps_max=2, hooks_per_run_max=1, journal_bytes_max=20_000)
    made = WorldHost(database, limits=limits)
    yield made
    made.close()
    database.close()


@pytest.mark.parametrize(
    ("kind", "count", "setting"),
    [("step_created", 2, "steps_max"), ("wait_created", 2, "steps_max"), ("hook_created", 1, "hooks_per_run_max")],
)
def test_a_run_has_as_many_of_each_as_it_may(host, kind, count, setting):
    run_id = host.begin()
    names = [f"{kind}-{number}" for number in range(count + 1)]
    for name in names[:-1]:
        host.create(run_id, kind, name, **({"token": str(ULID())} if kind == "hook_created" else {}))
    with pytest.raises(LimitExceeded) as error:
        host.create(run_id, kind, names[-1], **({"token": str(ULID())} if kind == "hook_created" else {}))
    assert (error.value.code, error.value.details["setting"]) == ("SR-WORLD-025", f"limits.{setting}")
    assert len(host.kinds(run_id)) == 1 + count


def fill(host, run_id):
    for _ in range(100):
        host.create(run_id, "step_retrying", "s", error=b"x" * 1_000)


def test_a_run_that_is_full_takes_nothing_more_and_can_still_end(host):
    run_id = host.begin(("step_created", "s"))
    with pytest.raises(LimitExceeded) as error:
        fill(host, run_id)
    assert error.value.code == "SR-WORLD-026"
    before = len(host.kinds(run_id))
    assert before > 10
    with pytest.raises(LimitExceeded):
        host.create(run_id, "step_started", "s", owner_message_id="x" * 256)
    assert host.create(run_id, "run_failed", error=b"full").run.status == "failed"
    assert len(host.kinds(run_id)) == before + 1


def test_what_is_large_comes_back_byte_for_byte(shared):
    run_id = shared.begin(input=LARGE)
    shared.create(run_id, "run_completed", output=LARGE[::-1])
    data = shared.world.runs.get(run_id, opened=True).data
    assert (data.input, data.output) == (LARGE, LARGE[::-1])
    page = shared.world.reader.list(run_id, limit=9)
    assert [event.kind.value for event in page.events] == ["run_created", "run_completed"]


def test_views_that_are_not_in_memory_any_more_are_read_from_the_journal(shared, monkeypatch):
    monkeypatch.setattr(world_ledger, "BOOKS_WEIGHT_MAX", 2)
    runs = [shared.begin(("step_created", "s"), ("step_started", "s")) for _ in range(3)]
    assert len(shared.world._ledger._books) == 1
    for run_id in runs:
        assert shared.create(run_id, "step_completed", "s").step.state.attempt == 1


def test_a_run_under_the_id_of_one_that_is_gone_has_nothing_of_it(shared):
    run_id = shared.begin(("step_created", "s"), "run_completed")
    Retention(shared.host, clock_ms=lambda: now_ms() + 721 * HOUR_MS).sweep()
    shared.create(run_id, "run_created")
    assert shared.world.steps.list(run_id, limit=9).shown == []
    assert shared.create(run_id, "step_created", "s").step.state.status == "pending"


def test_a_journal_that_always_grows_is_given_up_after_a_while(shared, monkeypatch):
    run_id = shared.begin("run_started")
    stale = shared.world._ledger.header(run_id)
    shared.create(run_id, "wait_created", "w1")
    monkeypatch.setattr(shared.world._ledger, "find", lambda _run_id: stale)
    with pytest.raises(Unavailable) as error:
        shared.create(run_id, "wait_created", "w2")
    assert error.value.code == "SR-WORLD-033"
    assert world_events.ATTEMPTS > 1


def test_a_disk_that_takes_nothing_leaves_views_as_they_were(shared, disk):
    run_id = shared.begin("run_started", ("step_created", "s"))
    for how in ("fails", "refuses"):
        error = None
        try:
            disk(lambda: shared.create(run_id, "step_completed", "s"), how)
        except Unavailable as refused:
            error = refused
        assert error is None or how == "refuses"
    assert shared.world.steps.get(run_id, "s").view.state.status == "pending"
    assert shared.create(run_id, "step_completed", "s").step.state.status == "completed"


def test_a_batch_that_a_full_disk_refuses_leaves_no_run(shared, disk):
    run_id = f"wrun_{ULID()}"
    drafts = [draft("run_created"), draft("run_started"), draft("step_created", "s")]
    failure = disk(lambda: shared.world.events.create_batch(run_id, drafts, owner="0" * 39 + "1"))
    assert isinstance(failure, StorageFault)
    assert shared.world._ledger.find(run_id) is None


def test_pages_with_contents_end_once_those_are_large(shared, monkeypatch):
    monkeypatch.setattr(entities, "PAGE_BYTES", 2_000)
    run_id = shared.begin()
    for number in range(5):
        shared.create(run_id, "step_created", f"s{number}", input=b"x" * 1_000)
    pages, start, has_more = [], 0, True
    while has_more:
        page = shared.world.steps.list(run_id, start=start, limit=9, opened=True)
        pages.append([each.view.step_id for each in page.shown])
        start, has_more = start + len(page.shown), page.has_more
    assert pages == [["s0", "s1"], ["s2", "s3"], ["s4"]]
    assert len(shared.world.steps.list(run_id, limit=9).shown) == 5


def test_runs_whose_contents_are_too_large_together_are_not_given_at_once(shared, monkeypatch):
    monkeypatch.setattr(world_runs, "CONTENT_BYTES_MAX", 1_500)
    runs = [shared.begin(input=b"x" * 1_000) for _ in range(2)]
    assert len(shared.world.runs.get_many(runs)) == 2
    with pytest.raises(LimitExceeded) as error:
        shared.world.runs.get_many(runs, opened=True)
    assert error.value.code == "SR-WORLD-043"
