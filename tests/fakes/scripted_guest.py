"""A guest for scripted modules that waits as one in a runner does: calls go on, and a long wait suspends it."""

import threading
import time
from dataclasses import dataclass, field

from google.protobuf import any_pb2

from strongroom.errors import GuestSuspended
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import packed
from tests.fakes.workflow_host import value

ACTION = "basic-test-action@1.0.0"
METHOD = "PerformAction"
WAIT_S = 20


def call(number, *, thing=True, capability=ACTION):
    """A request of a guest."""
    payload = packed(basic_action_pb2.Inputs(input_thing=thing))
    return sdk_pb2.CapabilityRequest(id=capability, method=METHOD, callback_id=number, payload=payload)


def adapted(text):
    """An answer of the capability."""
    return capabilities_pb2.CapabilityResponse(payload=packed(basic_action_pb2.Outputs(adapted_thing=text)))


def text_of(response):
    """What the capability answered, or the error."""
    output = basic_action_pb2.Outputs()
    return output.adapted_thing if not response.error and response.payload.Unpack(output) else response.error


class Guest:
    """One execution. ``patience_s`` is how long a wait may last before it suspends."""

    def __init__(self, helper, patience_s=0.02):
        self.helper = helper
        self.stopped = threading.Event()
        self._patience_s = patience_s
        self._answers = {}
        self._slept = 0
        helper.on_cancel(lambda reason, grace_ms=-1: self.stopped.set())

    def call(self, request):
        """Start a call; its answer is taken by ``answer``."""
        answered, box = threading.Event(), []
        self._answers[request.callback_id] = answered, box

        def ask():
            box.append(self.helper.call_capability(request))
            answered.set()

        threading.Thread(target=ask, daemon=True).start()

    def answer(self, *numbers):
        """The texts of the answers of those calls, waited for together."""
        deadline_s = time.monotonic() + self._patience_s
        for number in numbers:
            answered, _ = self._answers[number]
            while not answered.wait(0.001):
                if self.stopped.is_set():
                    return ["stopped"] * len(numbers)
                if time.monotonic() > deadline_s:
                    open_calls = tuple(n for n in numbers if not self._answers[n][0].is_set())
                    raise GuestSuspended(capabilities=open_calls, sleeps_done=self._slept)
        return [text_of(self._answers[number][1][0]) for number in numbers]

    def step(self, number):
        """Call and wait."""
        self.call(call(number))
        return self.answer(number)[0]

    def sleep(self, seconds):
        """Sleep, which always suspends."""
        if self._slept < self.helper.sleeps_done:
            self._slept += 1
            return
        until = time.time_ns() + int(seconds * 1_000_000_000)
        raise GuestSuspended(sleep_until_unix_ns=until, sleeps_done=self._slept)

    def slot(self):
        """Wait for a free slot."""
        raise GuestSuspended(slot=True, sleeps_done=self._slept)


@dataclass
class Holding:
    """A capability whose calls wait until the test lets them go, all or by reference."""

    released: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    references: list = field(default_factory=list)
    keys: set = field(default_factory=set)

    def execute(self, request, *, timeout_s):
        """Answer with the reference once released."""
        metadata = request.metadata
        self.references.append(metadata.reference_id)
        self.keys.add((metadata.workflow_execution_id, metadata.reference_id))
        self.entered.release()
        if not self.released.wait(30):
            raise AssertionError("nobody released the call")
        return adapted(f"answer {metadata.reference_id}")


def trigger_payload():
    """A payload of a trigger's event."""
    return any_pb2.Any(type_url="type.googleapis.com/x.Event", value=b"\x08\x01")


def until(condition):
    """Wait for what another thread brings about."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come about"
        time.sleep(0.002)


def waits(host, run_id):
    """Wait until the run waits."""
    until(lambda: host.engine.get(run_id).status == "waiting")


def types(host, run_id):
    """The types of the events of a run."""
    return [each.row.event_type for each in host.host.journals.read(host.engine.get(run_id))]


def one_step(request, helper):
    """A trigger handler that makes one step and waits for it."""
    return value(Guest(helper).step(1))


def sleeper(seconds):
    """A trigger handler that sleeps once."""

    def sleeps(request, helper):
        guest = Guest(helper)
        guest.sleep(seconds)
        return value(f"slept {helper.sleeps_done}")

    return sleeps
