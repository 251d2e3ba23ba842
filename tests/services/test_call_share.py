"""Callers share the threads of a server and the memory of messages, and no one of them takes all."""

import threading
from contextlib import ExitStack

import pytest
from grpc import _server

from strongroom.errors import Exhausted, InvalidInput, Unavailable
from strongroom.services import late_answers
from strongroom.services.call_share import CallShares
from strongroom.services.call_threads import CallThreads
from strongroom.services.late_answers import LateAnswers
from strongroom.services.message_budget import SMALL_BYTES, MessageBudget

WAIT_S = 60
MB = 1_000_000


class Context:
    def __init__(self, left_s=WAIT_S):
        self.left_s = left_s

    def time_remaining(self):
        return self.left_s


@pytest.fixture
def threads():
    threads = CallThreads(8, "test-api", MessageBudget(100 * MB))
    yield threads
    threads.shutdown(wait=False, cancel_futures=True)


def test_a_caller_with_many_calls_keeps_no_other_one_waiting(threads):
    release, inside = threading.Event(), threading.Semaphore(0)

    def hold():
        threads._budget.received()
        inside.release()
        release.wait(WAIT_S)

    flood = [threads.of("flood").submit(hold) for _ in range(50)]
    for _ in range(6):
        assert inside.acquire(timeout=WAIT_S)
    assert threads.of("other").submit(lambda: 7).result(WAIT_S) == 7
    assert threads.submit(lambda: 8).result(WAIT_S) == 8
    assert sum(call.running() for call in flood) == 6
    release.set()


def test_messages_that_do_not_come_hold_few_places_and_none_of_another_caller(threads):
    release, inside = threading.Event(), threading.Semaphore(0)
    budget = threads._budget

    def slow():
        inside.release()
        release.wait(WAIT_S)

    for _ in range(20):
        threads.of("slow").submit(slow)
    for _ in range(6):
        assert inside.acquire(timeout=WAIT_S)
    assert budget._receiving["slow"] == 6, "of eight places three quarters"
    assert threads.of("other").submit(lambda: budget.received() or 7).result(WAIT_S) == 7
    release.set()


def test_grpc_is_given_the_threads_of_the_caller(threads):
    shares = CallShares(threads, MessageBudget(MB))

    def behaviour(request, context):
        return request, context

    def answered(_request, _context):
        return threading.current_thread().name

    assert shares.of("a").answers(behaviour).experimental_thread_pool is threads.of("a")
    pool = _server._select_thread_pool_for_behavior(shares.of("a").answers(answered), threads)
    assert pool is threads.of("a"), "else every call would be answered by the threads of nobody"
    assert pool.submit(answered, 1, 2).result(WAIT_S) == "test-api"


@pytest.fixture
def hold():
    with ExitStack() as stack:
        yield lambda budget, caller, size: stack.enter_context(budget.charged(caller, size))


def test_what_is_in_memory_is_counted_until_its_call_ends():
    budget = MessageBudget(100 * MB)
    with budget.charged("a", 30 * MB), budget.charged("a", SMALL_BYTES - 1):
        assert budget.held_bytes == 30 * MB
    assert budget.held_bytes == 0


def test_a_message_that_does_not_fit_is_refused_with_sizes_and_another_callers_is_not(hold):
    budget = MessageBudget(100 * MB)
    hold(budget, "a", 50 * MB)
    with pytest.raises(Exhausted, match="messages of 50000000 bytes are in memory, and this one has 30000000") as no:
        hold(budget, "a", 30 * MB)
    assert (no.value.code, no.value.details["setting"]) == ("SR-LIMIT-005", "limits.messages_bytes_max")
    hold(budget, "b", 30 * MB)
    with pytest.raises(Exhausted):
        hold(budget, "c", 30 * MB)
    assert budget.held_bytes == 80 * MB


def test_a_budget_smaller_than_a_message_refuses_it(hold):
    with pytest.raises(Exhausted):
        hold(MessageBudget(MB), "a", 2 * MB)


@pytest.mark.parametrize(
    "error",
    [InvalidInput("SR-RUN-005", "no"), Unavailable("SR-RUN-007", "full", retry_ms=1000)],
    ids=["a wrong request", "a full host"],
)
def test_whoever_has_not_taken_too_much_is_answered_at_once(error):
    LateAnswers(late_s=1000.0).wait(error, Context())


def test_who_takes_too_much_is_answered_late_and_within_his_deadline_and_when_the_server_ends(monkeypatch):
    monkeypatch.setattr(late_answers, "LATE_S_MAX", 1000.0)
    late, answered = LateAnswers(late_s=1000.0), threading.Event()
    refusal = Exhausted("SR-LIMIT-001", "too fast", retry_ms=10)
    late.wait(refusal, Context(left_s=0.0))

    def wait():
        late.wait(refusal, Context(left_s=1000.0))
        answered.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not answered.wait(0.05)
    assert late._waiting == 1
    late.close()
    thread.join(WAIT_S)
    assert answered.is_set()
