"""A guest in Python that sees time, calls, secrets and a log, and can be told to do one thing otherwise.

It runs as a scripted module when a run is executed, and as what a pool of runners would do when it is replayed.
"""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import dataclass, field

from strongroom.errors import Cancelled, GuestFault, GuestSuspended
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from tests.fakes.capabilities import ScriptedCapability, packed
from tests.fakes.workflow_host import value

CAPABILITY = "basic@1.0.0"
PATIENCE_S = 0.3


def offer(host):
    """Make the guest's capability answer with the method's name."""
    answer = capabilities_pb2.CapabilityResponse(payload=packed(sdk_pb2.Secret(id="an answer")))
    host.capabilities.found[CAPABILITY] = ScriptedCapability(dict.fromkeys(("a", "b", "c"), answer))
    return host.capabilities.found[CAPABILITY]


@dataclass
class DiaryGuest:
    """``steps`` are its calls, (callback id, method) each; ``times`` how often it asks; ``lines`` what it logs."""

    steps: tuple = ((1, "a"), (2, "b"), (-1, "c"))
    times: int = 2
    lines: tuple = ("first", "second")
    end: object = "done"
    seen: list = field(default_factory=list)
    waits: list = field(default_factory=list)

    def __call__(self, request, helper, watch=lambda message: None):
        stopped = []
        helper.on_cancel(lambda reason, grace_ms=-1: stopped.append(reason))
        self.seen += [helper.node_seed, helper.entropy, helper.clock_unix_ns, helper.execution_id]
        for _ in range(self.times):
            self.seen.append(helper.now_ns(1))
        for line in self.lines:
            helper.log(1, line)
        for callback, method in self.steps:
            call = sdk_pb2.CapabilityRequest(id=CAPABILITY, method=method, callback_id=callback)
            watch(runner_pb2.FromRunner(capability_call=call))
            self.seen.append(self._answer(helper, call))
            if stopped:
                raise Cancelled("SR-GUEST-013", "the run was cancelled", why=stopped[0])
        if isinstance(self.end, Exception):
            raise self.end
        return value(self.end) if isinstance(self.end, str) else self.end

    def _answer(self, helper, call):
        """As a runner: a guest that waits for long is dropped."""
        pool = ThreadPoolExecutor(1)
        waiting = pool.submit(helper.call_capability, call)
        pool.shutdown(wait=False)
        try:
            answer = waiting.result(PATIENCE_S)
        except StillWaiting:
            self.waits.append(waiting)
            raise GuestSuspended(capabilities=(call.callback_id,)) from None
        return answer.SerializeToString(deterministic=True), helper.answered_unix_ns("capability", call.callback_id)


class DiaryRunners:
    """The pool of runners, with one guest in it."""

    def __init__(self, guest):
        self.guest = guest

    def key_of(self, wasm):
        return "key"

    def execute(self, *, owner, module_key, wasm, request, helper, watch):
        asked = sdk_pb2.ExecuteRequest.FromString(request)
        try:
            return self.guest(asked, helper, watch).SerializeToString(deterministic=True)
        except RuntimeError as error:
            raise GuestFault("SR-GUEST-011", "the guest ended without a result", why=str(error)) from None
