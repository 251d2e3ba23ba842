"""A repeated call is answered with the first answer; what may have been sent before a crash is not sent again."""

import logging
import time

import pytest

from strongroom.plugin import CapabilityError, Unavailable
from strongroom.plugin.messages import http_pb2
from strongroom_http_actions.cache import Cache
from strongroom_http_actions.limits import ROW_AGE_S_MAX
from strongroom_http_actions.once import Once
from strongroom_http_actions.outcome import Outcome, Row, row_of
from strongroom_http_actions.rows import Rows
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.web_site import says

STEP = {"execution": "e1", "reference": "7"}
LOG = logging.getLogger("test")


@pytest.fixture
def counting(serving):
    """A site that says how many requests it has seen."""

    def answer(_seen):
        yield says(200, str(len(site.seen)).encode())

    site = serving(answer)
    return site


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_a_repeated_call_sends_nothing(counting, rig, url, method):
    made = rig(counting)
    answers = [made.send(url(counting), method=method, **STEP).body for _ in range(3)]
    assert (answers, len(counting.seen)) == ([b"1"] * 3, 1)


@pytest.mark.parametrize(
    "other",
    [{"execution": "e2"}, {"reference": "8"}, {"owner": "bb" * 20}, {"workflow": "w2"}],
    ids=["execution", "reference", "owner", "workflow"],
)
def test_another_step_is_another_request(counting, rig, url, other):
    made = rig(counting)
    assert made.send(url(counting), method="POST", **STEP).body == b"1"
    assert made.send(url(counting), method="POST", **{**STEP, **other}).body == b"2"


@pytest.mark.parametrize("missing", ["execution", "reference"])
def test_a_call_outside_a_run_is_always_sent(counting, rig, url, missing):
    made = rig(counting)
    for expected in (b"1", b"2"):
        assert made.send(url(counting), method="POST", **{**STEP, missing: ""}).body == expected
    assert made.store.values == {}


def test_calls_at_once_are_one_request(serving, rig, url, together):
    def answer(_seen):
        site.closing.wait(0.2)
        yield says(200, str(len(site.seen)).encode())

    site = serving(answer)
    made = rig(site)
    answers = together(*[lambda: made.send(url(site), method="POST", **STEP).body] * 5)
    assert (answers, len(site.seen)) == ([b"1"] * 5, 1)


def test_the_same_step_with_another_request_is_refused(counting, rig, url):
    made = rig(counting)
    for method in ("POST", "GET"):
        step = {**STEP, "reference": method}
        made.send(url(counting), method=method, **step)
        with pytest.raises(CapabilityError, match="was sent before with another request") as caught:
            made.send(url(counting, "/other"), method=method, **step)
        assert caught.value.name == "FailedPrecondition"


def test_the_answer_to_a_post_outlives_the_plugin(counting, rig, url):
    first = rig(counting)
    first.send(url(counting), method="POST", **STEP)
    assert rig(counting, store=first.store).send(url(counting), method="POST", **STEP).body == b"1"
    assert len(counting.seen) == 1


def test_a_get_is_sent_again_by_a_later_life(counting, rig, url):
    first = rig(counting)
    first.send(url(counting), **STEP)
    assert first.store.values == {}
    assert rig(counting, store=first.store).send(url(counting), **STEP).body == b"2"


def test_an_error_after_sending_is_the_answer_too(serving, rig, url):
    site = serving(b"")
    made = rig(site)
    for _ in range(2):
        with pytest.raises(CapabilityError, match="the connection failed .*may have been carried out"):
            made.send(url(site), method="POST", **STEP)
    assert len(site.seen) == 1


def test_what_was_never_sent_may_be_sent_again(counting, rig, url):
    made = rig(counting)
    made.names["site.example"] = []
    with pytest.raises(CapabilityError, match="has no address"):
        made.send(url(counting), method="POST", **STEP)
    assert made.store.values == {}
    made.names["site.example"] = ["127.0.0.1"]
    assert made.send(url(counting), method="POST", **STEP).body == b"1"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_from_the_cache_is_a_first_answer_too(counting, rig, url, method):
    made, step = rig(counting), {"execution": "e9", "reference": "1"}
    made.send(url(counting), method=method, store=True)
    made.send(url(counting), method=method, max_age_s=60, **step)
    made.action._cache = Cache()
    assert made.send(url(counting), method=method, max_age_s=60, **step).body == b"1"
    assert len(counting.seen) == 1


class DyingStore(MemoryStore):
    """Takes ``writes`` writes, and then the process is as good as dead."""

    def __init__(self, writes):
        super().__init__()
        self.writes = writes

    def put(self, key, value, *, owner=""):
        if not self.writes:
            raise Unavailable("SR-TEST-001", "the host is gone")
        self.writes -= 1
        super().put(key, value, owner=owner)


def test_a_request_is_pending_in_the_store_before_it_is_sent(counting, rig, url):
    made = rig(counting, store=DyingStore(0))
    with pytest.raises(CapabilityError, match="nothing was sent") as caught:
        made.send(url(counting), method="POST", **STEP)
    assert (caught.value.name, counting.seen) == ("Unavailable", [])


def test_after_a_crash_in_between_the_outcome_is_unknown(counting, rig, url):
    store = DyingStore(1)
    assert rig(counting, store=store).send(url(counting), method="POST", **STEP).body == b"1", "the answer still counts"
    store.writes = 10
    later = rig(counting, store=store)
    for _ in range(2):
        with pytest.raises(CapabilityError, match="^OUTCOME_UNKNOWN: ") as caught:
            later.send(url(counting), method="POST", **STEP)
        assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "System", "Aborted")
    assert len(counting.seen) == 1


def test_config_may_ask_to_send_again_what_is_unknown(counting, rig, url):
    store = DyingStore(1)
    rig(counting, store=store).send(url(counting), method="POST", **STEP)
    store.writes = 10
    later = rig(counting, store=store, resend_unknown=True)
    assert [later.send(url(counting), method="POST", **STEP).body for _ in range(2)] == [b"2", b"2"]


def test_a_row_that_cannot_be_read_is_never_sent_again(counting, rig, url):
    first = rig(counting)
    first.send(url(counting), method="POST", **STEP)
    ((place, row),) = first.store.values.items()
    for damaged in (b"", b"\x02" + row[1:], row[:20], row[:-1] + b"\xff", row[:33] + b"\xff\xff"):
        first.store.values[place] = damaged
        for resend in (False, True):
            with pytest.raises(CapabilityError, match="OUTCOME_UNKNOWN|another request"):
                rig(counting, store=first.store, resend_unknown=resend).send(url(counting), method="POST", **STEP)
            first.store.values[place] = damaged
    assert len(counting.seen) == 1


def test_every_cut_of_a_row_is_told_from_a_whole_one():
    response = http_pb2.Response(status_code=200, body=b"body")
    whole = Row(digest=bytes(32), outcome=Outcome(response=response)).to_bytes()
    assert row_of(whole).outcome.response == response
    assert row_of(whole[:33]).outcome is None
    for end in range(33):
        assert row_of(whole[:end]) is None
    for end in range(34, len(whole)):
        cut = row_of(whole[:end])
        assert cut is None or cut.outcome.response != response


def test_an_error_comes_back_with_its_shape():
    error = CapabilityError("Public", "System", "DeadlineExceeded", "a: b\nc")
    again = row_of(Row(digest=bytes(32), outcome=Outcome(error=error)).to_bytes()).outcome.error
    assert (again.visibility, again.origin, again.name, again.message) == (
        "Public",
        "System",
        "DeadlineExceeded",
        "a: b\nc",
    )


def test_old_rows_go_when_there_are_too_many_or_too_old():
    store, now = MemoryStore(), [1_000_000.0]
    rows = Rows(store, LOG, rows_max=3, now_s=lambda: now[0])
    row = Row(digest=bytes(32), outcome=None)
    for number in range(6):
        now[0] += 1
        rows.put(f"k{number}", row)
        rows.prune()
    assert [rows.get(f"k{number}") is not None for number in range(6)] == [False, False, False, True, True, True]
    now[0] += ROW_AGE_S_MAX - 1
    later = Rows(store, LOG, rows_max=3, now_s=lambda: now[0])
    later.prune()
    assert sorted(key.rpartition("/")[2] for _, key in store.values) == ["k5"]


def test_a_store_that_does_not_forget_stops_nothing():
    class Stubborn(MemoryStore):
        def delete(self, key, *, owner=""):
            raise Unavailable("SR-TEST-001", "no")

    rows = Rows(Stubborn(), LOG, rows_max=0)
    rows.put("k", Row(digest=bytes(32), outcome=None))
    rows.prune()


def test_first_answers_in_memory_are_bounded():
    once = Once(Rows(MemoryStore(), LOG), LOG, resend_unknown=False, memory_bytes_max=5_000)
    acted = []

    def act():
        acted.append(1)
        return Outcome(response=http_pb2.Response(status_code=200))

    for key in [*map(str, range(20)), "19", "0"]:
        once.answer(key, b"d", is_safe=True, deadline=time.monotonic() + 9, admit=lambda: None, act=act)
    assert len(acted) == 21, "the latest is remembered, the first is not"
    assert len(once._memory) <= 10


def test_a_fault_in_between_is_an_unknown_outcome():
    once = Once(Rows(MemoryStore(), LOG), LOG, resend_unknown=False)

    def broken():
        raise RuntimeError("a bug")

    def answer(act):
        return once.answer("k", b"d", is_safe=False, deadline=time.monotonic() + 9, admit=lambda: None, act=act)

    with pytest.raises(RuntimeError):
        answer(broken)
    with pytest.raises(CapabilityError, match="OUTCOME_UNKNOWN"):
        answer(broken)
