"""Runs through a pool, for the tests of this folder."""

from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guest.program import Program
from tests.guests.build import wasm
from tests.guests.host import PretendedHost

__all__ = ["REQUEST", "Calling", "busy", "calling", "execute", "runners", "text_of"]

REQUEST = sdk_pb2.ExecuteRequest(config=b"config", trigger=sdk_pb2.Trigger(id=0)).SerializeToString()


def execute(pool, name, *, owner="a", host=None, module=None):
    raw = module or wasm(name)
    answer = pool.execute(
        owner=owner,
        module_key=pool.key_of(raw),
        wasm=lambda: raw,
        request=REQUEST,
        helper=host or PretendedHost(),
    )
    return sdk_pb2.ExecutionResult.FromString(answer)


def text_of(result):
    return result.value.bytes_value or result.value.string_value


def runners(pool):
    """Owners of the runners that wait for work."""
    return sorted(runner.owner for runner in pool._fleet._idle)


def busy(pool):
    return next(iter(pool._fleet._busy))


class Calling(PretendedHost):
    """A host that does something in the middle of a call."""

    def __init__(self, action, **fields):
        super().__init__(**fields)
        self._action = action

    def call_capability(self, request):
        self._action(self, request)
        return sdk_pb2.CapabilityResponse(error="done")


def calling(*, then="", ids=(1,)):
    """A guest that opens calls, waits for them, and goes on with ``then``."""
    program = Program()
    error, out = program.buffer(64), program.buffer(4096)
    for call_id in ids:
        message = sdk_pb2.CapabilityRequest(id="x@1.0.0", method="Do", callback_id=call_id)
        program.env("call_capability", *program.message(message), error, 64)
    program.env("await_capabilities", *program.message(sdk_pb2.AwaitCapabilitiesRequest(ids=ids)), out, 4096)
    if then:
        program.raw(then)
    return program
