"""An answer is remembered for as long as it is promised, and not for ever."""

import pytest

from strongroom.plugin import Repeats, repeat_key, request_digest
from strongroom.plugin.messages import kvstore_pb2
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.workflow_caller import BOB, step

HOUR_S = 3600
MESSAGE = kvstore_pb2.GetRequest(key="a")


class Clock:
    now_s = 1_000_000.0 * HOUR_S

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def test_an_answer_is_found_for_the_promised_time_also_by_a_successor(clock):
    store = MemoryStore()
    Repeats(store, hours=10, now_s=clock).keep("k", b"answer")
    clock.now_s += 10 * HOUR_S
    assert Repeats(store, hours=10, now_s=clock).find("k") == b"answer"
    assert Repeats(store, hours=10, now_s=clock).find("other") is None
    clock.now_s += 10 * HOUR_S
    assert Repeats(store, hours=10, now_s=clock).find("k") is None


def test_what_is_too_old_is_removed_a_few_at_a_time(clock):
    store = MemoryStore()
    repeats = Repeats(store, hours=1, now_s=clock)
    for number in range(10):
        repeats.keep(f"k{number}", b"")
    clock.now_s += 2 * HOUR_S
    repeats.keep("young", b"")
    assert len(store.values) == 9
    for _ in range(4):
        repeats.keep("", b"")
    assert [key.rpartition("/")[2] for _, key in store.values] == ["young"]


def test_without_a_key_nothing_is_remembered(clock):
    repeats = Repeats(MemoryStore(), now_s=clock)
    repeats.keep("", b"answer")
    assert repeats.find("") is None


@pytest.mark.parametrize(
    "other",
    [
        {"reference": "2"},
        {"workflow_execution_id": "aa" * 32},
        {"workflow_id": "aa" * 32},
        {"workflow_owner": BOB},
    ],
    ids=lambda other: next(iter(other)),
)
def test_only_the_same_step_has_the_same_key(other):
    assert repeat_key(step(MESSAGE)) == repeat_key(step(kvstore_pb2.GetRequest(key="b")))
    assert repeat_key(step(MESSAGE, **other)) != repeat_key(step(MESSAGE))
    assert len(repeat_key(step(MESSAGE))) == 32


def test_parts_of_a_key_have_borders():
    moved = step(MESSAGE, "21", workflow_execution_id="e")
    assert repeat_key(moved) != repeat_key(step(MESSAGE, "1", workflow_execution_id="e2"))


@pytest.mark.parametrize("missing", [{"reference": ""}, {"workflow_execution_id": ""}], ids=lambda m: next(iter(m)))
def test_a_call_that_is_no_step_has_no_key(missing):
    assert repeat_key(step(MESSAGE, **missing)) == ""


def test_a_digest_tells_requests_apart():
    first = request_digest(step(MESSAGE, method="Get"))
    assert first == request_digest(step(MESSAGE, "9", method="Get"))
    assert first != request_digest(step(MESSAGE, method="Delete"))
    assert first != request_digest(step(kvstore_pb2.DeleteRequest(key="a"), method="Get"))
    assert first != request_digest(step(kvstore_pb2.GetRequest(key="b"), method="Get"))
