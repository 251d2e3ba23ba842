"""The event book: what a trigger was told once is delivered until the host has it, over restarts and pauses."""

import logging
import threading

import pytest
from google.protobuf import any_pb2, wrappers_pb2

from strongroom.errors import InvalidInput, LimitExceeded, Unavailable
from strongroom.plugin import EventBook, Redelivery
from tests.fakes.memory_host import MemoryStore

WAIT_S = 20
LOG = logging.getLogger("strongroom.test")
SOON = Redelivery(after_s=0.01, after_max_s=0.01, tick_s=0.001, attempts_max=0)


class Stream:
    """Where a registration's events arrive. ``refuse`` is raised by the next deliveries, ``hold`` makes them wait."""

    def __init__(self):
        self.sent, self.failures, self.refuse = [], [], []
        self.hold = threading.Event()
        self.hold.set()
        self._changed = threading.Condition()

    def send(self, event_id, payload):
        assert self.hold.wait(WAIT_S)
        with self._changed:
            self.sent.append((event_id, value_of(payload)))
            self._changed.notify_all()
            if self.refuse:
                raise self.refuse.pop(0)

    def fail(self, error):
        with self._changed:
            self.failures.append(error)
            self._changed.notify_all()

    def wait(self, condition):
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), WAIT_S), (self.sent, self.failures)


def value_of(payload):
    message = wrappers_pb2.StringValue()
    assert isinstance(payload, any_pb2.Any)
    assert payload.Unpack(message)
    return message.value


def text(value):
    return wrappers_pb2.StringValue(value=value)


@pytest.fixture
def store():
    return MemoryStore()


def test_an_event_is_kept_before_it_is_sent_and_until_it_is_confirmed(store):
    book, stream = EventBook(store, log=LOG), Stream()
    assert book.add("t", "e1", text("a"))
    assert store.list() == ["event/t/e1"]
    book.attach("t", stream)
    stream.wait(lambda s: s.sent == [("e1", "a")])
    book.ack("t", "e1")
    assert (store.list(), book.waiting("t")) == ([], [])


def test_a_second_insert_of_an_event_is_ignored(store):
    book = EventBook(store, log=LOG)
    assert book.add("t", "e1", text("a"))
    assert not book.add("t", "e1", text("b"))
    stream = Stream()
    book.attach("t", stream)
    stream.wait(lambda s: s.sent == [("e1", "a")])


def test_an_event_that_is_confirmed_before_it_was_sent_is_never_sent(store):
    book, stream = EventBook(store, log=LOG, redelivery=SOON), Stream()
    book.add("t", "e1", text("a"))
    book.ack("t", "e1")
    book.add("t", "e2", text("b"))
    book.attach("t", stream)
    stream.wait(lambda s: len(s.sent) > 3)
    assert {event_id for event_id, _ in stream.sent} == {"e2"}


def test_what_is_not_confirmed_is_sent_again(store):
    book, stream = EventBook(store, log=LOG, redelivery=SOON), Stream()
    book.attach("t", stream)
    book.add("t", "e1", text("a"))
    stream.wait(lambda s: s.sent[:3] == [("e1", "a")] * 3)


def test_a_delivery_that_fails_is_made_again(store):
    book, stream = EventBook(store, log=LOG, redelivery=SOON), Stream()
    stream.refuse = [Unavailable("SR-TEST-001", "behind")]
    book.attach("t", stream)
    book.add("t", "e1", text("a"))
    stream.wait(lambda s: len(s.sent) > 1)


def test_after_a_restart_everything_is_sent_in_the_order_in_which_it_came(store):
    clock = iter(range(1000, 2000))
    before = EventBook(store, log=LOG, clock_ms=lambda: next(clock))
    for event_id in ("b", "a", "c"):
        before.add("t", event_id, text(event_id))
    before.close()
    stream = Stream()
    EventBook(store, log=LOG, clock_ms=lambda: 3000).attach("t", stream)
    stream.wait(lambda s: [e for e, _ in s.sent] == ["b", "a", "c"])


def test_a_pause_keeps_events_and_going_on_sends_them(store):
    book, first, second = EventBook(store, log=LOG), Stream(), Stream()
    stop = book.attach("t", first)
    book.add("t", "e1", text("a"))
    first.wait(lambda s: s.sent)
    stop()
    book.add("t", "e2", text("b"))
    book.attach("t", second)
    second.wait(lambda s: s.sent == [("e1", "a"), ("e2", "b")])
    assert first.sent == [("e1", "a")]


def test_a_trigger_that_is_forgotten_leaves_nothing(store):
    book = EventBook(store, log=LOG)
    book.add("t", "e1", text("a"))
    book.add("u", "e1", text("a"))
    book.forget("t")
    assert store.list() == ["event/u/e1"]


def test_a_trigger_that_the_host_makes_wait_keeps_no_other_waiting(store):
    book, slow, quick = EventBook(store, log=LOG), Stream(), Stream()
    slow.hold.clear()
    book.attach("slow", slow)
    book.attach("quick", quick)
    book.add("slow", "e1", text("a"))
    book.add("quick", "e1", text("a"))
    quick.wait(lambda s: s.sent)
    assert slow.sent == []
    slow.hold.set()
    slow.wait(lambda s: s.sent)


def test_an_event_that_was_never_confirmed_is_given_up_and_the_host_is_told(store):
    rules = Redelivery(after_s=0.01, after_max_s=0.01, keep_s=0.05, attempts_max=2, tick_s=0.001)
    book, stream = EventBook(store, log=LOG, redelivery=rules), Stream()
    book.attach("t", stream)
    book.add("t", "e1", text("a"))
    stream.wait(lambda s: s.failures)
    assert "event e1 was not confirmed within 0.05 s" in str(stream.failures[0])
    assert len(stream.sent) == 2, "attempts_max"
    assert store.list() == []


def test_what_is_older_than_a_day_after_a_restart_is_given_up_too(store):
    EventBook(store, log=LOG, clock_ms=lambda: 0).add("t", "e1", text("a"))
    stream = Stream()
    EventBook(store, log=LOG, clock_ms=lambda: 86_400_001).attach("t", stream)
    stream.wait(lambda s: s.failures)
    assert stream.sent == []


def test_a_clock_that_went_back_ages_nothing(store):
    EventBook(store, log=LOG, clock_ms=lambda: 400 * 86_400_000).add("t", "e1", text("a"))
    stream = Stream()
    EventBook(store, log=LOG, clock_ms=lambda: 0).attach("t", stream)
    stream.wait(lambda s: s.sent)


def test_events_of_triggers_that_never_came_back_are_removed(store):
    EventBook(store, log=LOG, clock_ms=lambda: 0).add("gone", "e1", text("a"))
    removed = threading.Event()
    delete = store.delete
    store.delete = lambda key: (delete(key), removed.set())
    EventBook(store, log=LOG, clock_ms=lambda: 86_400_001).attach("t", Stream())
    assert removed.wait(WAIT_S)
    assert store.list() == []


@pytest.mark.parametrize(
    ("trigger_id", "event_id"),
    [("", "e"), ("t/u", "e"), ("t" * 201, "e"), ("t", ""), ("t", "e" * 257), ("t", "e\x00"), ("t", "\ud800")],
    ids=["no trigger", "slash", "long trigger", "no event", "long event", "zero byte", "half a pair"],
)
def test_ids_that_the_host_would_refuse_are_refused_before_they_are_kept(store, trigger_id, event_id):
    with pytest.raises(InvalidInput, match="cannot be kept"):
        EventBook(store, log=LOG).add(trigger_id, event_id, text("a"))
    assert store.list() == []


def test_more_than_a_trigger_may_keep_is_refused_by_size_and_limit(store):
    book = EventBook(store, log=LOG, redelivery=Redelivery(events_max=2))
    book.add("t", "e1", text("a"))
    book.add("t", "e2", text("a"))
    with pytest.raises(LimitExceeded, match="2 events of this trigger wait"):
        book.add("t", "e3", text("a"))
    book.ack("t", "e1")
    assert book.add("t", "e3", text("a"))


def test_an_event_that_could_not_be_stored_was_not_taken(store):
    book, stream = EventBook(store, log=LOG), Stream()
    book.attach("t", stream)
    put, store.put = store.put, lambda *_: (_ for _ in ()).throw(Unavailable("SR-TEST-001", "disk full"))
    with pytest.raises(Unavailable):
        book.add("t", "e1", text("a"))
    assert book.waiting("t") == []
    store.put = put
    assert book.add("t", "e1", text("a"))
    stream.wait(lambda s: s.sent == [("e1", "a")])


class SlowStore(MemoryStore):
    """A store whose first ``put`` waits until a test lets it go, and then raises what the test wants."""

    def __init__(self):
        super().__init__()
        self.entered, self.go, self.raises = threading.Event(), threading.Event(), None

    def put(self, *arguments, **named):
        if not self.entered.is_set():
            self.entered.set()
            assert self.go.wait(WAIT_S)
            if self.raises is not None:
                raise self.raises
        super().put(*arguments, **named)


def added(book, answers):
    def add():
        try:
            answers.append(book.add("t1", "e1", text("x")))
        except Unavailable as error:
            answers.append(error.code)

    thread = threading.Thread(target=add)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("raises", "expected"), [(None, [True, False]), (Unavailable("SR-STORE-002", "away"), ["SR-STORE-002", True])]
)
def test_an_event_that_somebody_else_is_storing_is_not_kept_before_it_is(raises, expected):
    store = SlowStore()
    store.raises = raises
    book, first, second = EventBook(store, log=LOG), [], []
    storing = added(book, first)
    assert store.entered.wait(WAIT_S)
    asking = added(book, second)
    asking.join(0.05)
    assert second == [], "whoever hears that it is kept lets go of it"
    store.go.set()
    storing.join(WAIT_S)
    asking.join(WAIT_S)
    assert first + second == expected
    assert len(store.list("event/")) == 1


def test_a_trigger_that_is_forgotten_while_an_event_is_being_stored_leaves_nothing():
    store, answers = SlowStore(), []
    book = EventBook(store, log=LOG)
    storing = added(book, answers)
    assert store.entered.wait(WAIT_S)
    book.forget("t1")
    store.go.set()
    storing.join(WAIT_S)
    assert answers == [True]
    assert list(store.list("event/")) == [], "a workflow that is registered again must not run for it"
