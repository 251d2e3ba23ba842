"""A scripted guest that makes hooks of its run and waits for them, as one in a runner does."""

from google.protobuf import any_pb2

from strongroom.engine.admission import Start
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.run.v1 import run_capability_pb2 as messages
from tests.fakes.scripted_guest import WAIT_S, Guest, until
from tests.fakes.workflow_host import OWNER, value


class HookError(Exception):
    """What the run capability refused, as the guest reads it."""


def asked(number, method, message, capability="run@1.0.0"):
    """A call of the run capability."""
    payload = any_pb2.Any()
    payload.Pack(message)
    return sdk_pb2.CapabilityRequest(id=capability, method=method, callback_id=number, payload=payload)


class HookGuest(Guest):
    """One execution of it, which waits for payloads as long as its patience lasts, and for everything else."""

    def __init__(self, helper, patience_s=0.15):
        super().__init__(helper, patience_s)

    def create(self, number, *, token="", metadata=b""):
        """The id and the token of a new hook."""
        self.call(asked(number, "CreateHook", messages.CreateHookRequest(token=token, metadata=metadata)))
        answer = self.got(number, messages.CreateHookResponse)
        return answer.hook_id, answer.token

    def begin_wait(self, number, hook_id):
        """Begin to wait for the next payload of a hook."""
        self.call(self._await(number, hook_id))

    def begin_all(self, numbers, hook_id):
        """Begin to wait for several, in this order; the threads that do so come in the opposite one."""
        requests = [self._await(number, hook_id) for number in numbers]
        for request in requests:
            self.helper.begin_call(request)
        for request in reversed(requests):
            self.call(request)

    def wait_for(self, number, hook_id):
        """The next payload of a hook."""
        self.begin_wait(number, hook_id)
        return self.payload(number)

    def payload(self, number):
        """The payload that a wait has got."""
        return self.got(number, messages.AwaitHookResponse, self._patience_s).payload

    def is_answered(self, number, patience_s):
        """Whether a call has its answer, or gets it soon."""
        return self._answers[number][0].wait(patience_s)

    def dispose(self, number, hook_id):
        """Take a hook away."""
        self.call(asked(number, "DisposeHook", messages.DisposeHookRequest(hook_id=hook_id)))
        self.got(number, messages.DisposeHookResponse)

    def got(self, number, kind, patience_s=WAIT_S):
        """The answer to a call, waited for. Raises ``HookError``."""
        patience_before_s, self._patience_s = self._patience_s, patience_s
        if self.answer(number) == ["stopped"]:
            raise HookError("stopped")
        self._patience_s = patience_before_s
        response = self._answers[number][1][0]
        if response.error:
            raise HookError(response.error)
        message = kind()
        assert response.payload.Unpack(message)
        return message

    @staticmethod
    def _await(number, hook_id):
        return asked(number, "AwaitHook", messages.AwaitHookRequest(hook_id=hook_id))


def one_hook(request, helper):
    """A trigger handler that makes a hook with the token ``order-7`` and waits for one payload."""
    guest = HookGuest(helper)
    hook_id, _ = guest.create(1, token="order-7")
    return value(guest.wait_for(2, hook_id).decode())


def started(host, on_trigger):
    """The id of a run whose guest does that."""
    host.module.on_trigger = on_trigger
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return header.run_id


def asleep(host, run_id):
    """Wait until the run is the few bytes that a run is which waits."""
    until(lambda: run_id in host.engine.dispatcher._asleep and host.engine.get(run_id).status == "waiting")


def waiting_with(host, token, metadata=b""):
    """A run that waits at a hook, and the id of that."""

    def on_trigger(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token=token, metadata=metadata)
        return value(guest.wait_for(2, hook_id).decode())

    run_id = started(host, on_trigger)
    asleep(host, run_id)
    return run_id
