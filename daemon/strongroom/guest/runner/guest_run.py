"""Compile one module in this process and run one guest against a host that blocks.

This is the entry for the enclave runner, whose process executes one run and exits. Local runners do not come here:
they load native code that another runner compiled, and their host is at the other end of a socket.
"""

from strongroom.guest.execution_helper import ExecutionHelper
from strongroom.guest.limits import GuestLimits

__all__ = ["run_guest"]


def run_guest(wasm: bytes, request: bytes, helper: ExecutionHelper, *, limits: GuestLimits) -> bytes:
    """The serialized ``sdk.v1alpha.ExecutionResult`` of one guest.

    ``wasm`` is the raw module (``binary.StoredBinary.wasm()`` gives it), ``request`` a serialized
    ``sdk.v1alpha.ExecuteRequest``; ``max_response_size`` in it is overwritten with ``limits.response_bytes_max``.
    The guest may take ``helper.timeout_ms`` or ``limits.timeout_ms``, whichever is smaller; compiling is not counted.
    ``helper`` is called from a few threads of this process, never after this function has returned a result, except
    for a call that was open at that time.

    Call it from the main thread (small thread stacks crash the engine), one at a time, after ``sandbox.apply()``: it
    opens no file and no socket, and needs no privilege. Importing this module before the sandbox is applied is enough.

    Raises ``InvalidInput`` when the module is not admissible (not wasm, no memory, unknown import, legacy guest),
    ``GuestFault`` when the guest broke its contract, ``TimedOut`` and ``Cancelled``.
    """
    raise NotImplementedError
