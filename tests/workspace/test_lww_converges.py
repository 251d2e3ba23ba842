"""Whatever replicas do and in whatever order they merge, they end up the same, and no later write is lost."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.workspace.entry import Entry
from strongroom.workspace.mirror import Mirror, Slot
from strongroom.workspace.watcher import PrivateOrigin
from tests.fakes.replicas import Clock, Replica, exchange

AGAIN = PrivateOrigin("sealed again")
REPLICAS = 3
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


class Group:
    """Three replicas, and what was ever written: key to the times, and to the values at each time."""

    def __init__(self):
        self.replicas = [Replica(client, clock=Clock(100)) for client in (5, 3, 9)]
        self.written = {}
        self.count = 0

    def run(self, operations):
        for name, who, what in operations:
            getattr(self, name)(who, what)
            self.check(self.replicas[who])
        exchange(*self.replicas)

    def set(self, who, key):
        self.count += 1
        store, value = self.replicas[who].lww, f"{self.count}"
        store.set(key, value)
        self.written.setdefault(key, {}).setdefault(store.entry(key).ts, set()).add(value)

    def delete(self, who, key):
        self.replicas[who].lww.delete(key)

    def batch(self, who, steps):
        with self.replicas[who].document.transaction("batch"):
            for name, key in steps:
                getattr(self, name)(who, key)

    def bulk(self, who, size):
        store = self.replicas[who].lww
        self.count += 1
        store.bulk_set((key, f"{self.count}") for key in [*(f"n{number}" for number in range(size)), "a"])
        for entry in store.entries():
            if entry.val == f"{self.count}":
                self.written.setdefault(entry.key, {}).setdefault(entry.ts, set()).add(entry.val)

    def again(self, who, keys):
        store = self.replicas[who].lww
        values = {key: store.get(key) for key in keys}
        store.replace_in_place([(key, lambda _, key=key: f"{values[key]}'") for key in keys], AGAIN)

    def merge(self, who, other):
        if who != other:
            self.replicas[who].receive(self.replicas[other])

    def tick(self, who, step):
        self.replicas[who].clock.now_ms += step

    def reopen(self, who, _):
        old = self.replicas[who]
        self.count += 1
        new = Replica(100 + self.count, clock=old.clock, update=old.document.update_since())
        assert [entry.key for entry in new.lww.entries()] == [entry.key for entry in old.lww.entries()]
        self.replicas[who] = new

    @staticmethod
    def check(replica):
        """The store says what the array holds, each key once."""
        raw = [(value["key"], value["val"], value["ts"]) for value in replica.raw()]
        assert [(entry.key, entry.val, entry.ts) for entry in replica.lww.entries()] == raw
        assert len({key for key, _, _ in raw}) == len(raw) == replica.lww.size


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
