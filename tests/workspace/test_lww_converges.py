"""Whatever replicas do and in whatever order they merge, they end up the same, and no later write is lost."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.workspace.entry import Entry
from strongroom.workspace.mirror import Mirror, Slot
from tests.fakes.replica_group import REPLICAS, Group

KEYS = st.sampled_from(["a", "b", "c", "d"])
WHO = st.integers(0, REPLICAS - 1)
SET = st.tuples(st.just("set"), WHO, KEYS)
DELETE = st.tuples(st.just("delete"), WHO, KEYS)
BATCH = st.tuples(st.just("batch"), WHO, st.lists(st.tuples(st.sampled_from(["set", "delete"]), KEYS), max_size=5))
BULK = st.tuples(st.just("bulk"), WHO, st.integers(1, 40))
AGAIN_OP = st.tuples(st.just("again"), WHO, st.lists(KEYS, min_size=1, max_size=4, unique=True))
MERGE = st.tuples(st.just("merge"), WHO, WHO)
TICK = st.tuples(st.just("tick"), WHO, st.integers(-3, 5))
REOPEN = st.tuples(st.just("reopen"), WHO, st.none())
WRITES_ONLY = [SET, BULK, AGAIN_OP, MERGE, TICK, REOPEN]
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(st.lists(st.one_of(*WRITES_ONLY, DELETE, BATCH), max_size=30))
def test_replicas_converge_whatever_they_do(operations):
    group = Group()
    group.run(operations)
    first = group.replicas[0].raw()
    for replica in group.replicas:
        group.check(replica)
        assert replica.raw() == first
    for value in first:
        assert value["val"].rstrip("'") in group.written[value["key"]][value["ts"]]


@SETTINGS
@given(st.lists(st.one_of(*WRITES_ONLY), max_size=30))
def test_the_latest_write_of_every_key_wins_also_against_sealing_again(operations):
    group = Group()
    group.run(operations)
    final = {value["key"]: value for value in group.replicas[0].raw()}
    assert final.keys() == group.written.keys()
    for key, times in group.written.items():
        assert final[key]["ts"] == max(times)
        assert final[key]["val"].rstrip("'") in times[max(times)]


@SETTINGS
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**6), st.integers(1, 700)), max_size=12))
def test_the_mirror_does_what_a_list_does(steps):
    mirror, plain = Mirror(), []
    for is_insert, at, count in steps:
        position = at % (len(plain) + 1)
        if is_insert:
            slots = [Slot(f"{len(plain)}", None, number) for number in range(count)]
            mirror.insert(position, list(slots))
            plain[position:position] = slots
        else:
            assert mirror.delete(position, count) == plain[position : position + count]
            del plain[position : position + count]
        assert len(mirror) == len(plain)
    assert list(mirror) == plain
    chosen = plain[::37]
    assert [mirror.position(slot) for slot in chosen] == list(range(0, len(plain), 37))
    assert mirror.positions(chosen[::-1]) == [(number * 37, slot) for number, slot in enumerate(chosen)]


def test_two_entries_that_say_the_same_are_two():
    assert Entry("k", 1, 1) != Entry("k", 1, 1)
