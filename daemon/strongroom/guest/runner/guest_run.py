"""Compile one module in this process and run one guest against a host that blocks.

This is the entry for the enclave runner, whose process executes one run and exits. Local runners do not come here:
they load native code that another runner compiled, and their host is at the other end of a socket.
"""

import threading
import time
from collections.abc import Callable

from strongroom.guest.cancellation import Cancellation
from strongroom.guest.execution_helper import CountsCalls, ExecutionHelper
from strongroom.guest.limits import GuestLimits
from strongroom.guest.outcome import (
    check_memory,
    execute_order,
    limits_for,
    not_admitted,
    result_of,
    text_for_guest,
    time_of,
)
from strongroom.guest.runner.calls import Answer, Kind
from strongroom.guest.runner.engine import AdmissionError, Engine, Loaded
from strongroom.guest.runner.execution import Execution
from strongroom.guest.workers import Workers
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["OneGuest"]


class OneGuest:
    """One module, compiled here and run once. Nothing is compiled before ``sandbox.apply()`` that is not believed.

    Call everything from the main thread (small thread stacks crash the engine), after ``sandbox.apply()``: it opens no
    file and no socket, and needs no privilege. Importing this module before the sandbox is applied is enough.
    """

    def __init__(self) -> None:
        """Nothing is taken yet."""
        self._engine: Engine | None = None
        self._loaded: Loaded | None = None

    def compile(self, wasm: bytes) -> None:
        """Compile the raw module (``binary.StoredBinary.wasm()`` gives it), which may take a second for a large one.

        Raises ``InvalidInput`` when it is not admissible (not wasm, no memory, unknown import, legacy guest).
        """
        self._engine = Engine()
        try:
            self._loaded = self._engine.compile(wasm)
        except AdmissionError as refusal:
            self.close()
            raise not_admitted(str(refusal)) from None

    def run(self, request: bytes, helper: ExecutionHelper, *, limits: GuestLimits) -> bytes:
        """The serialized ``sdk.v1alpha.ExecutionResult`` of the guest that was compiled.

        ``request`` is a serialized ``sdk.v1alpha.ExecuteRequest``; ``max_response_size`` in it is overwritten with
        ``limits.response_bytes_max``. The guest may take ``helper.timeout_ms`` or ``limits.timeout_ms``, whichever is
        smaller. ``helper`` is called from a few threads of this process, never after this function has returned a
        result, except for a call that was open at that time.

        Raises ``InvalidInput`` for a module that wants more memory than it may have, ``GuestFault`` when the guest
        broke its contract, ``TimedOut``, ``Cancelled``, and ``GuestSuspended`` for a guest that waits for longer than
        ``helper.suspend_after_ms``.
        """
        engine, loaded = self._engine, self._loaded
        if engine is None or loaded is None:
            raise RuntimeError("a guest is compiled before it is run")
        limits = limits_for(helper, limits)
        timeout_ms, allowed = time_of(helper, limits)
        cancellation = Cancellation(limits.cancel_grace_ms)
        host = _BlockingHost(helper, limits.calls_in_flight_max)
        try:
            check_memory(loaded.info, limits)
            execution = Execution(execute_order(request, helper, limits, timeout_ms=timeout_ms), host)
            helper.on_cancel(cancellation.cancel)
            cancellation.listen(lambda reason, grace_ms: host.stop(execution, reason, grace_ms))
            return result_of(engine.run(loaded, execution), limits, allowed)
        except AdmissionError as refusal:
            raise not_admitted(str(refusal)) from None
        finally:
            host.close()
            self.close()

    def close(self) -> None:
        """Let go of the engine. Safe more than once."""
        if self._engine is not None:
            self._engine.close()
        self._engine = self._loaded = None


class _BlockingHost:
    """Answers imports from an ``ExecutionHelper``: each call runs on a thread, so several are open at once."""

    def __init__(self, helper: ExecutionHelper, calls_max: int) -> None:
        self._helper = helper
        self._workers = Workers(calls_max, name="call")
        self._changed = threading.Condition()

    def start_capability(self, execution: Execution, request: sdk_pb2.CapabilityRequest) -> None:
        """Begin the call on a thread."""
        self._begin(request)
        self._start(execution, Kind.CAPABILITY, request.callback_id, lambda: self._call(request))

    def start_secrets(self, execution: Execution, request: sdk_pb2.GetSecretsRequest) -> None:
        """Begin the fetch on a thread."""
        self._begin(request)
        self._start(execution, Kind.SECRETS, request.callback_id, lambda: self._fetch(request))

    def now_ns(self, execution: Execution, mode: int) -> int | None:
        """Ask the helper."""
        return None if execution.is_over() else self._helper.now_ns(mode)

    def log(self, mode: int, line: str) -> None:
        """Hand the line on."""
        self._helper.log(mode, line)

    def metric(self, payload: bytes) -> None:
        """Hand the metric on."""
        self._helper.metric(payload)

    def wait(self, execution: Execution, ready: Callable[[], bool], until_s: float) -> None:
        """Sleep until an answer changes something."""
        with self._changed:
            self._changed.wait_for(
                lambda: ready() or bool(execution.stopped), timeout=max(0.0, until_s - time.monotonic())
            )

    def poll(self, execution: Execution) -> None:
        """Answers arrive by themselves."""

    def stop(self, execution: Execution, reason: str, grace_ms: int) -> None:
        """Stop the run from another thread."""
        with self._changed:
            execution.stop(reason, grace_ms)
            self._changed.notify_all()

    def close(self) -> None:
        """Let idle threads go; a call that is open ends by itself."""
        self._workers.close()

    def _begin(self, request: sdk_pb2.CapabilityRequest | sdk_pb2.GetSecretsRequest) -> None:
        if isinstance(self._helper, CountsCalls):
            self._helper.begin_call(request)

    def _start(self, execution: Execution, kind: Kind, call_id: int, call: Callable[[], Answer]) -> None:
        def work() -> None:
            answer = call()
            with self._changed:
                execution.calls.complete(kind, call_id, answer)
                self._changed.notify_all()

        self._workers.submit(work)

    def _call(self, request: sdk_pb2.CapabilityRequest) -> Answer:
        try:
            response = self._helper.call_capability(request).SerializeToString()
        except Exception as error:  # a helper must not raise; a guest that waits must hear of it all the same
            response = sdk_pb2.CapabilityResponse(error=text_for_guest(error)).SerializeToString()
        return Answer(response, answered_unix_ns=self._helper.answered_unix_ns("capability", request.callback_id))

    def _fetch(self, request: sdk_pb2.GetSecretsRequest) -> Answer:
        try:
            response = self._helper.get_secrets(request).SerializeToString()
        except Exception as error:  # the same, and a failed fetch raises by contract
            return Answer(error=text_for_guest(error))
        return Answer(response, answered_unix_ns=self._helper.answered_unix_ns("secrets", request.callback_id))
