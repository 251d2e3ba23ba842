"""A scripted guest that makes hooks of its run and waits for them, as one in a runner does."""

from google.protobuf import any_pb2

from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.run.v1 import run_capability_pb2 as messages
from tests.fakes.scripted_guest import Guest


class HookError(Exception):
    """What the run capability refused, as the guest reads it."""


def asked(number, method, message, capability="run@1.0.0"):
    """A call of the run capability."""
    payload = any_pb2.Any()
    payload.Pack(message)
    return sdk_pb2.CapabilityRequest(id=capability, method=method, callback_id=number, payload=payload)


class HookGuest(Guest):
    """One execution of it."""

    def create(self, number, *, token="", metadata=b""):
        """The id and the token of a new hook."""
        self.call(asked(number, "CreateHook", messages.CreateHookRequest(token=token, metadata=metadata)))
        answer = self.got(number, messages.CreateHookResponse)
        return answer.hook_id, answer.token

    def begin_wait(self, number, hook_id):
        """Begin to wait for the next payload of a hook."""
        self.call(asked(number, "AwaitHook", messages.AwaitHookRequest(hook_id=hook_id)))

    def wait_for(self, number, hook_id):
        """The next payload of a hook."""
        self.begin_wait(number, hook_id)
        return self.got(number, messages.AwaitHookResponse).payload

    def dispose(self, number, hook_id):
        """Take a hook away."""
        self.call(asked(number, "DisposeHook", messages.DisposeHookRequest(hook_id=hook_id)))
        self.got(number, messages.DisposeHookResponse)

    def got(self, number, kind):
        """The answer to a call, waited for. Raises ``HookError``."""
        self.answer(number)
        response = self._answers[number][1][0]
        if response.error:
            raise HookError(response.error)
        message = kind()
        assert response.payload.Unpack(message)
        return message
