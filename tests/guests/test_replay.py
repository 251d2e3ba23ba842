"""A guest that is executed again with the same inputs and recorded answers does the same, byte for byte.

The wall clock, the speed of answers and what else the machine does differ between the two executions.
"""

import threading
import time

import pytest

from strongroom.errors import GuestSuspended
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guests.build import wasm
from tests.guests.host import PretendedHost
from tests.guests.standard import ACTION, CONSENSUS, EVENT, NODE_ACTION, adapted, node, observe

BEGIN_NS = 1_700_000_000_123_456_789
C = ["random", "mode-switch", "time", "wasi", "async-calls", "secrets", "sleep-long"]


class Recorded(PretendedHost):
    """A host of which everything that a guest may see is fixed; ``slow_s`` is how long each answer really takes."""

    def __init__(self, slow_s=0.0, **fields):
        super().__init__(
            answers={
                ACTION: lambda request: adapted(f"for {request.callback_id}"),
                NODE_ACTION: node(99),
                CONSENSUS: observe,
            },
            secrets={("main", "Foo"): "Bar"},
            clock_unix_ns=BEGIN_NS,
            times_ns=[BEGIN_NS + n * 1_000 for n in range(9)],
            node_seed=7,
            entropy=b"e" * 32,
            **fields,
        )
        self._slow_s = slow_s

    def call_capability(self, request):
        time.sleep(self._slow_s)
        return super().call_capability(request)

    def answered_unix_ns(self, kind, callback_id):
        return BEGIN_NS + 1_000_000 * abs(callback_id) + (kind == "secrets")

    def seen(self, result):
        """Everything that left the guest, as bytes."""
        calls = sorted(call.SerializeToString(deterministic=True) for call in self.calls)
        secrets = [asked.SerializeToString(deterministic=True) for asked in self.asked_secrets]
        return (result.SerializeToString(deterministic=True), calls, secrets, self.lines, self.asked_time)


def event(name, *, go):
    told = sdk_pb2.ExecuteRequest()
    told.CopyFrom(EVENT)
    told.config = name.encode() if go else b"1000000"
    return told


@pytest.mark.parametrize(
    ("name", "go"), [*((name, False) for name in C), ("diary", True), ("random", True), ("mode-switch", True)]
)
def test_two_executions_make_the_same_bytes(in_a_runner, name, go):
    module = wasm("go" if go else name)
    first, second = Recorded(slow_s=0.01), Recorded()
    seen = first.seen(in_a_runner(module, event(name, go=go), first))
    time.sleep(0.01)
    assert second.seen(in_a_runner(module, event(name, go=go), second)) == seen


def diary_of(execute, host):
    text = execute(wasm("go"), event("diary", go=True), host).value.string_value
    return dict(line.split("=", 1) for line in text.splitlines())


def test_another_record_is_another_diary(in_a_runner):
    host = Recorded()
    host.entropy = b"f" * 32
    first, second = diary_of(in_a_runner, Recorded()), diary_of(in_a_runner, host)
    assert first["entropy"] != second["entropy"]
    assert BEGIN_NS < int(first["node time"]) < BEGIN_NS + 1_000_000
    assert first["don seed"] == second["don seed"]


class Suspending(Recorded):
    """Leaves each call open at first, as a capability does that takes its time; the record grows by it."""

    def __init__(self, answered, release):
        super().__init__(suspend_after_ms=1)
        self._answered, self._release = answered, release

    def call_capability(self, request):
        if request.callback_id not in self._answered:
            self._release.wait(20)
        return super().call_capability(request)


def test_a_guest_that_was_suspended_at_every_wait_ends_with_the_same_bytes(in_a_runner):
    module, whole, release = wasm("go"), Recorded(), threading.Event()
    seen = whole.seen(in_a_runner(module, event("diary", go=True), whole))
    answered, sleeps, suspensions = set(), 0, 0
    while True:
        host = Suspending(answered, release)
        host.sleeps_done = sleeps
        try:
            result = in_a_runner(module, event("diary", go=True), host)
            break
        except GuestSuspended as waits:
            suspensions += 1
            answered |= set(waits.capabilities)
            sleeps = waits.sleeps_done + (waits.sleep_until_unix_ns > 0)
    release.set()
    assert host.seen(result) == seen
    assert suspensions >= 4
