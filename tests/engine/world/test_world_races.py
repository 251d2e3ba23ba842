"""Programs that come at the same moment: one of them wins, and everybody knows which."""

import pytest
from ulid import ULID

from strongroom.engine.world.drafts import Draft
from strongroom.engine.world.faults import EntityConflictError
from strongroom.errors import NotFound
from tests.fakes.workflow_host import OWNER
from tests.fakes.world_host import draft, race


def split(results):
    """The answers, and what was raised."""
    failed = [each for each in results if isinstance(each, Exception)]
    return [each for each in results if not isinstance(each, Exception)], failed


@pytest.mark.parametrize("kind", ["step_created", "step_started"])
def test_of_several_who_create_one_step_one_executes_it(shared, kind):
    run_id, name = shared.begin("run_started"), f"step_{ULID()}"
    won, lost = split(race(6, lambda _n: shared.create(run_id, kind, name, input=b"x")))
    assert len(won) == 1
    assert [(type(error), str(error)) for error in lost] == [
        (EntityConflictError, f'Step "{name}" already created')
    ] * 5
    assert shared.kinds(run_id) == ["run_created", "run_started", kind]


def test_of_several_who_make_one_run_one_makes_it(shared):
    run_id = f"wrun_{ULID()}"
    won, lost = split(race(6, lambda _n: shared.create(run_id, "run_created")))
    assert (len(won), {type(error) for error in lost}) == (1, {EntityConflictError})
    assert shared.kinds(run_id) == ["run_created"]


def test_of_several_ends_of_a_run_one_comes_true(shared):
    run_id = shared.begin("run_started")
    ends = ["run_completed", "run_failed", "run_completed", "run_failed"]
    won, lost = split(race(4, lambda n: shared.create(run_id, ends[n])))
    assert (len(won), len(lost)) == (1, 3)
    assert shared.kinds(run_id)[2:] == [won[0].event.kind.value]


def test_a_token_is_one_hooks_whoever_asks_at_the_same_moment(shared):
    token, runs = str(ULID()), [shared.begin() for _ in range(6)]
    answers = race(6, lambda n: shared.create(runs[n], "hook_created", f"hook_{ULID()}", token=token))
    holder = shared.world.hooks.get_by_token(token).header.run_id
    kinds = sorted(answer.event.kind.value for answer in answers)
    assert kinds == ["hook_conflict"] * 5 + ["hook_created"]
    assert {a.event.data.conflicting_run_id for a in answers if a.event.kind == "hook_conflict"} == {holder}


def test_many_events_of_one_run_at_once_all_have_a_place_in_one_chain(shared):
    run_id = shared.begin("run_started")
    race(8, lambda n: [shared.create(run_id, "wait_created", f"w{n}-{k}") for k in range(5)])
    page = shared.world.reader.list(run_id, limit=500)
    assert [event.row.index for event in page.events] == list(range(42))
    assert len(shared.world.waits.list(run_id, limit=99).shown) == 40


def test_whoever_knows_the_journal_less_far_than_the_disk_reads_it_again(shared):
    run_id = shared.begin("run_started")
    ledger = shared.world._ledger
    find, stale = ledger.find, [ledger.header(run_id)]
    shared.create(run_id, "wait_created", "w1")
    ledger.find = lambda asked: stale.pop() if stale else find(asked)
    try:
        shared.create(run_id, "wait_created", "w2")
    finally:
        del ledger.find
    assert shared.kinds(run_id) == ["run_created", "run_started", "wait_created", "wait_created"]


def test_an_id_of_a_hook_that_another_run_has_is_refused(shared):
    name = f"hook_{ULID()}"
    shared.create(shared.begin(), "hook_created", name, token=str(ULID()))
    run_id = shared.begin()
    with pytest.raises(EntityConflictError) as error:
        shared.create(run_id, "hook_created", name, token=str(ULID()))
    assert error.value.code == "SR-WORLD-011"
    assert shared.kinds(run_id) == ["run_created"]


def test_a_run_of_another_owner_is_not_reached_by_starting_it_as_ones_own(shared):
    run_id = shared.begin()
    start = Draft("run_started", "", draft("run_created").data)
    with pytest.raises(NotFound):
        shared.world.events.create(run_id, start, owner="a" * 40)
    assert shared.world.events.create(run_id, start, owner=OWNER).run.status == "running"
