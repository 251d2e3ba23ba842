"""Calls that belong together: one plugin gets all of them, and is not replaced in between."""

import threading

import pytest

from strongroom.errors import CapabilityError
from strongroom.registry.bounds import BoundedExecutable, Gate
from strongroom.registry.limits import CallLimits
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Offer
from tests.fakes.memory_host import WAIT_S, MemoryHost, request
from tests.fakes.scripted_guest import until
from tests.registry.conformance import text
from tests.registry.test_replacing import IDS, Asking, said, says, take

SAY = request("say", text(""))


class Executable:
    """Answers when it may."""

    def __init__(self):
        self.go_on = threading.Event()
        self.entered = threading.Semaphore(0)
        self.failure = None

    def execute(self, request, *, timeout_s):
        self.entered.release()
        assert self.go_on.wait(WAIT_S)
        if self.failure is not None:
            raise self.failure
        return request


@pytest.fixture
def backend():
    return Executable()


@pytest.fixture
def gate():
    return Gate(CallLimits(concurrency_max=1, request_bytes_max=1000))


@pytest.fixture
def handle(backend, gate):
    registry = Registry()
    executable = BoundedExecutable(backend, gate)
    registry.add(Offer(id=IDS, kind="action", description="", plugin="p", executable=executable))
    return registry.get_executable(IDS)


def word(response):
    said_there = text("")
    assert response.payload.Unpack(said_there)
    return said_there.value


def test_a_plugin_that_is_being_replaced_gets_what_belongs_to_a_call_that_it_had(tmp_path):
    with MemoryHost(tmp_path, says("old")) as host:
        with host.registry.get_executable(IDS).held() as held:
            assert word(held.begin(SAY, timeout_s=WAIT_S)) == "old"
            taking = Asking(lambda: take(host, says("new")))
            until(lambda: not host.registry.get(IDS).available)
            later = Asking(lambda: said(host))
            assert word(held.execute(SAY, timeout_s=WAIT_S)) == "old"
            assert (taking.is_alive(), later.is_alive(), held.is_cut_off) == (True, True, False)
        (done,) = taking.ended()
        assert (done.calls_cut, later.ended()) == (0, "new")
        assert word(held.execute(SAY, timeout_s=WAIT_S)) == "new", "nothing belongs together any more"


def test_who_is_given_up_is_told_so(tmp_path):
    with MemoryHost(tmp_path, says("old")) as host, host.registry.get_executable(IDS).held() as held:
        assert held.is_cut_off is False
        held.begin(SAY, timeout_s=WAIT_S)
        (done,) = take(host, says("new"), drain_s=0.01)
        assert (done.calls_cut, held.is_cut_off, said(host)) == (1, True, "new")


def test_calls_that_belong_together_count_as_one_and_are_checked_one_by_one(backend, gate, handle):
    with handle.held() as held:
        first = Asking(lambda: held.begin(SAY, timeout_s=WAIT_S))
        assert backend.entered.acquire(timeout=WAIT_S)
        second = Asking(lambda: held.execute(SAY, timeout_s=WAIT_S))
        assert backend.entered.acquire(timeout=WAIT_S), "it does not wait for its turn"
        with pytest.raises(CapabilityError, match=r"capability request: \d+ bytes, the limit is 1000"):
            held.execute(request("say", text("x" * 1000)), timeout_s=WAIT_S)
        backend.go_on.set()
        assert (first.ended(), second.ended()) == (SAY, SAY)
    assert gate.drain(0) == 0


def test_before_the_first_call_is_let_in_another_one_waits_for_its_turn_like_any(backend, gate, handle):
    assert gate.enter(WAIT_S)
    with handle.held() as held:
        first = Asking(lambda: held.begin(SAY, timeout_s=WAIT_S))
        with pytest.raises(CapabilityError) as refused:
            held.execute(SAY, timeout_s=0.01)
        assert refused.value.name == "ResourceExhausted"
        backend.go_on.set()
        gate.leave()
        assert first.ended() == SAY
    assert gate.drain(0) == 0


def test_a_first_call_that_fails_or_is_too_big_leaves_nothing_open(backend, gate, handle):
    backend.failure = CapabilityError("Public", "System", "Unavailable", "away")
    backend.go_on.set()
    for asked, name in ((SAY, "Unavailable"), (request("say", text("x" * 1000)), "LimitExceeded")):
        with handle.held() as held, pytest.raises(CapabilityError) as raised:
            held.begin(asked, timeout_s=WAIT_S)
        assert (raised.value.name, gate.drain(0)) == (name, 0)
