"""A caller hangs up: whatever its call waits for, it ends at once, and nothing is sent after that."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin import Capability
from strongroom.plugin.hang_up import HangUp, current, ended_by, hung_up
from strongroom.plugin.serve.client import RemoteExecutable
from strongroom.registry.bounds import BoundedExecutable, Gate
from strongroom.registry.in_process import LocalExecutable
from strongroom.registry.limits import CallLimits
from strongroom.registry.workers import Workers
from tests.fakes.memory_host import WAIT_S, request
from tests.plugin.test_capability_server import serving

LONG_S = 10 * WAIT_S
"""No call of these tests ends by its own time."""
NOBODY_WAITS = "nobody waits for the answer any more"
CALL = request("wait", capabilities_pb2.CapabilityResponse())


class Waiting:
    """A capability whose one method waits for the end of the test."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Semaphore(0), threading.Event()
        self.capability = Capability(id="wait@1.0.0", methods={"wait": self._wait})

    def _wait(self, _call: Any) -> capabilities_pb2.CapabilityResponse:
        self.entered.release()
        self.released.wait(LONG_S)
        return capabilities_pb2.CapabilityResponse()

    def execute(
        self, _request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        assert timeout_s > 0
        return self._wait(None)


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    made = Waiting()
    yield made
    made.released.set()


@contextmanager
def calling(execute: Callable[..., Any], hang_up: HangUp) -> Iterator[list[CapabilityError]]:
    """A call on a thread of its own; after the block it is over, and its error is in the list."""
    errors: list[CapabilityError] = []

    def call() -> None:
        with hang_up.during(), pytest.raises(CapabilityError) as caught:
            execute(CALL, timeout_s=LONG_S)
        errors.append(caught.value)

    thread = threading.Thread(target=call)
    thread.start()
    yield errors
    thread.join(WAIT_S)
    assert not thread.is_alive(), "the call goes on"


@contextmanager
def in_process(waiting: Waiting) -> Iterator[LocalExecutable]:
    workers = Workers("test", 1)
    yield LocalExecutable(waiting.capability, workers)
    workers.close()


@contextmanager
def in_another(waiting: Waiting, *, plain: bool) -> Iterator[RemoteExecutable]:
    with tempfile.TemporaryDirectory(prefix="sr-") as path, serving(Path(path), waiting.capability) as channel:
        yield RemoteExecutable(channel, (), plain=plain)
        waiting.released.set()


PLACES = {
    "in this process": in_process,
    "in a plugin of ours": lambda waiting: in_another(waiting, plain=True),
    "in a foreign plugin": lambda waiting: in_another(waiting, plain=False),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_call_under_way_ends_when_its_caller_hangs_up(waiting, place):
    hang_up = HangUp()
    with PLACES[place](waiting) as executable, calling(executable.execute, hang_up) as errors:
        assert waiting.entered.acquire(timeout=WAIT_S)
        hang_up.set()
    assert [(error.name, error.message) for error in errors] == [("Canceled", NOBODY_WAITS)]


@pytest.mark.parametrize("place", PLACES)
def test_a_call_that_nobody_hangs_up_is_answered(waiting, place):
    waiting.released.set()
    with PLACES[place](waiting) as executable:
        with HangUp().during():
            assert executable.execute(CALL, timeout_s=WAIT_S).error == ""
        assert executable.execute(CALL, timeout_s=WAIT_S).error == ""


def test_a_call_that_waits_for_its_turn_is_not_sent_after_its_caller_hung_up(waiting):
    bounded = BoundedExecutable(waiting, Gate(CallLimits(concurrency_max=1)))
    first, second = HangUp(), HangUp()
    busy = threading.Thread(target=lambda: bounded.execute(CALL, timeout_s=WAIT_S))
    busy.start()
    assert waiting.entered.acquire(timeout=WAIT_S)
    with calling(bounded.execute, second) as errors:
        second.set()
    with calling(bounded.execute, first) as later:
        first.set()
    waiting.released.set()
    busy.join(WAIT_S)
    assert [error.name for error in (*errors, *later)] == ["Canceled", "Canceled"]
    assert not waiting.entered.acquire(blocking=False), "neither was sent"
    assert bounded.execute(CALL, timeout_s=WAIT_S) is not None, "and neither holds a place"


def test_a_call_is_not_sent_when_its_caller_hung_up_before(waiting):
    hang_up = HangUp()
    hang_up.set()
    with calling(BoundedExecutable(waiting, Gate(CallLimits())).execute, hang_up) as errors:
        pass
    assert (errors[0].name, waiting.entered.acquire(blocking=False)) == ("Canceled", False)


def test_a_wait_is_ended_once_and_only_inside_of_its_block():
    hang_up, ended = HangUp(), []
    with hang_up.during():
        with ended_by(lambda: ended.append("before")):
            assert hung_up() is None
        with ended_by(lambda: ended.append("inside")):
            hang_up.set()
            hang_up.set()
        with ended_by(lambda: ended.append("late")):
            assert str(hung_up()) == NOBODY_WAITS
    assert ended == ["inside", "late"]


def test_what_one_thread_calls_is_not_what_another_calls():
    outer, inner, seen = HangUp(), HangUp(), []
    with outer.during():
        with inner.during():
            assert current() is inner
        assert current() is outer
        other = threading.Thread(target=lambda: seen.append((current(), hung_up())))
        other.start()
        other.join(WAIT_S)
    assert (current(), seen) == (None, [(None, None)])
