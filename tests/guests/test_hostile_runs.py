"""Hostile guests on real runners, with other runs beside them: each ends with its reason, and nobody else notices.

How late each of them ends is measured by the benchmarks; here only that it ends, and why.
"""

import threading
from pathlib import Path

import pytest

from strongroom.errors import GuestFault, GuestSuspended, InvalidInput, StrongroomError, TimedOut
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guests.build import wasm
from tests.guests.conftest import RUNNER_WAIT_S, CacheKey
from tests.guests.host import PretendedHost, trigger
from tests.guests.large import wide_module

EVENT = trigger(http_pb2.Payload(input=b"{}"))
TIMEOUT_MS = 250
ENDLESS = [
    "loop", "loop-when-made", "busy-host", "sleep-forever", "clock-storm", "random-storm", "poll-storm", "nap-storm",
]  # fmt: skip
TRAPPED = {
    "trap": "unreachable",
    "trap-when-made": "unreachable",
    "recursion": "call stack exhausted",
    "memory-bomb": "unreachable",
    "table-growth": "unreachable",
    "no-room": "no memory for an error text",
    "too-much": "limits.response_bytes_max",
}
ANSWERED = [
    "log-flood", "million-lines", "gigabyte-answer", "same-call", "pending-calls", "many-ids", "leaves-calls",
    "bad-pointers", "twice",
]  # fmt: skip
RUNNER_BYTES_MAX = GuestLimits().memory_bytes_max + 100_000_000
"""What a runner takes with the largest guest in it: the guest, its code, and what its host function works on."""


class Beside(threading.Thread):
    """Runs of somebody else, one after another until it is stopped; ``failures`` stays empty."""

    def __init__(self, pool):
        super().__init__()
        self._pool, self._stopping = pool, threading.Event()
        self.failures, self.runs = [], 0

    def run(self):
        while not self._stopping.is_set():
            try:
                result = run(self._pool, "config", owner="somebody else")
                assert result.value.bytes_value == b"config"
            except (StrongroomError, AssertionError) as failure:
                self.failures.append(failure)
            self.runs += 1

    def stop(self):
        self._stopping.set()
        self.join(60)


def run(pool, name, *, owner="hostile", host=None, module=None):
    module = module or wasm(name)
    answer = pool.execute(
        owner=owner,
        module_key=pool.key_of(module),
        wasm=lambda: module,
        request=EVENT.SerializeToString(),
        helper=host or PretendedHost(),
        free_wait_s=RUNNER_WAIT_S,
    )
    return sdk_pb2.ExecutionResult.FromString(answer)


@pytest.fixture(scope="module")
def busy_pool(tmp_path_factory):
    cache = CompiledCache(tmp_path_factory.mktemp("compiled"), CacheKey())
    pool = RunnerPool(runners_max=3, cache=cache, limits=GuestLimits())
    beside = Beside(pool)
    beside.start()
    assert healthy(pool)  # from here on the hostile owner has a runner, too
    yield pool
    beside.stop()
    pool.close()
    assert (beside.failures, beside.runs > 0) == ([], True)


def healthy(pool):
    """The pool serves the hostile owner too, right afterwards, and no runner has ever been larger than it may be."""
    with pool._fleet._changed:
        statuses = [Path(f"/proc/{runner.pid}/status").read_text() for runner in pool._fleet._idle]
    peaks = [int(status.partition("VmHWM:")[2].split()[0]) * 1024 for status in statuses]
    assert [peak for peak in peaks if peak > RUNNER_BYTES_MAX] == [], "the bound of memory holds for its runner too"
    return run(pool, "config").value.bytes_value == b"config"


@pytest.mark.parametrize("name", ENDLESS)
def test_a_guest_that_never_ends_is_ended(busy_pool, name):
    with pytest.raises(TimedOut, match=f"used up its time of {TIMEOUT_MS} ms"):
        run(busy_pool, name, host=PretendedHost(timeout_ms=TIMEOUT_MS))
    assert healthy(busy_pool)


@pytest.mark.parametrize(("name", "reason"), TRAPPED.items(), ids=TRAPPED)
def test_a_guest_that_breaks_a_limit_fails_alone(busy_pool, name, reason):
    with pytest.raises(GuestFault) as caught:
        run(busy_pool, name)
    assert reason in str(caught.value)
    assert healthy(busy_pool)


@pytest.mark.parametrize("name", ANSWERED)
def test_a_guest_that_is_only_a_nuisance_still_gets_its_answer_out(busy_pool, name):
    assert run(busy_pool, name).WhichOneof("result") == "value"
    assert healthy(busy_pool)


def test_a_million_globals_are_a_large_guest_and_more_are_no_module(busy_pool):
    assert run(busy_pool, "", module=wide_module(1_000_000)).value.string_value == "large"
    assert healthy(busy_pool)
    with pytest.raises(InvalidInput, match="globals count exceeds limit of 1000000"):
        run(busy_pool, "", module=wide_module(1_000_001))
    assert healthy(busy_pool)


class Silent(PretendedHost):
    """A host whose capabilities never answer until the test is over."""

    def __init__(self, **fields):
        super().__init__(**fields)
        self.over = threading.Event()

    def call_capability(self, request):
        self.over.wait(60)
        return sdk_pb2.CapabilityResponse()


@pytest.fixture
def silent():
    hosts = []

    def make(**fields):
        hosts.append(Silent(**fields))
        return hosts[-1]

    yield make
    for host in hosts:
        host.over.set()


def test_a_call_that_sleeps_does_not_keep_its_guest_beyond_its_time(busy_pool, silent):
    with pytest.raises(TimedOut):
        run(busy_pool, "huge-answer", host=silent(timeout_ms=TIMEOUT_MS))
    assert healthy(busy_pool)


def test_ten_thousand_calls_that_hang_end_with_the_time_of_the_run(busy_pool, silent):
    with pytest.raises(TimedOut):
        run(busy_pool, "pending-calls", host=silent(timeout_ms=TIMEOUT_MS))
    assert healthy(busy_pool)


def test_ten_thousand_calls_that_hang_may_also_wait_without_a_runner(busy_pool, silent):
    with pytest.raises(GuestSuspended) as caught:
        run(busy_pool, "pending-calls", host=silent(suspend_after_ms=50))
    assert caught.value.slot
    assert len(caught.value.capabilities) == GuestLimits().calls_in_flight_max
    assert healthy(busy_pool)


def test_an_answer_of_a_gigabyte_is_too_large_and_is_not_copied_to_the_runner(busy_pool):
    class Generous(PretendedHost):
        def call_capability(self, request):
            response = sdk_pb2.CapabilityResponse()
            response.payload.value = bytes(1_000_000_000)
            return response

    assert run(busy_pool, "huge-answer", host=Generous()).error == "response buffer too small"
    assert healthy(busy_pool)
