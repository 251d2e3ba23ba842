"""Guests that make calls, in this process, and the host that answers them."""

from strongroom.guest.limits import GuestLimits
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.one_guest import run_guest
from tests.guests.host import PretendedHost

__all__ = ["Host", "awaited", "capability", "run"]

REQUEST = sdk_pb2.ExecuteRequest(subscribe={}).SerializeToString()


def run(program, host=None, **limits):
    answer = run_guest(program.wasm(), REQUEST, host or PretendedHost(), limits=GuestLimits(**limits))
    return program.reply(answer)


def capability(call_id, name="echo@1.0.0"):
    return sdk_pb2.CapabilityRequest(id=name, method="Do", callback_id=call_id)


def awaited(*ids):
    return sdk_pb2.AwaitCapabilitiesRequest(ids=ids)


class Host(PretendedHost):
    """A host whose calls are answered by a function of the test."""

    def __init__(self, answer=None, **fields):
        super().__init__(**fields)
        self._answer = answer or (lambda request: sdk_pb2.CapabilityResponse(error="none"))

    def call_capability(self, request):
        return self._answer(request)
