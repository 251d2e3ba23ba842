"""One execution from the plugin's side: hand it to a runner, relay what the runner asks, take the outcome.

The plugin sees sealed secrets only, and believes nothing that comes from the runner: calls are counted, capabilities
that a guest may not reach are refused here as well, and the deadline is kept by killing.
"""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

from google.protobuf.message import DecodeError

from strongroom.plugin import CapabilityError, LimitExceeded
from strongroom.plugin.messages import enclave_pb2, sdk_pb2
from strongroom_confidential_workflows.cancellation import Cancellation
from strongroom_confidential_workflows.limits import CALLS_IN_FLIGHT_MAX, CALLS_MAX, KILL_GRACE_S
from strongroom_confidential_workflows.relay import Relay
from strongroom_confidential_workflows.runner_process import RunnerProcess

__all__ = ["Session"]


class Session:
    """Talks to ``runner`` for one execution. ``deadline`` is in monotonic seconds."""

    def __init__(self, runner: RunnerProcess, relay: Relay, cancellation: Cancellation, *, deadline: float) -> None:
        self._runner = runner
        self._relay = relay
        self._cancellation = cancellation
        self._deadline = deadline
        self._calls = 0

    def run(self, start: enclave_pb2.Start) -> enclave_pb2.Finished:
        """The outcome. Raises ``CapabilityError`` when the runner dies, hangs or breaks its contract."""
        pool = ThreadPoolExecutor(CALLS_IN_FLIGHT_MAX, thread_name_prefix="relay")
        try:
            with contextlib.suppress(OSError):  # a runner that is gone is noticed, with its reason, by reading
                self._runner.frames.send(enclave_pb2.ToEnclave(start=start).SerializeToString())
            # Only now: a runner that is cancelled before it has started anything takes it for the end of its life.
            self._cancellation.on_cancel(self._runner.cancel)
            return self._converse(pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _converse(self, pool: ThreadPoolExecutor) -> enclave_pb2.Finished:
        while True:
            message = self._receive()
            match message.WhichOneof("message"):
                case "finished":
                    return message.finished
                case "vault_call":
                    self._count_call()
                    pool.submit(self._relay_vault_call, message.vault_call)
                case "capability_call":
                    self._count_call()
                    pool.submit(self._relay_capability_call, message.capability_call)
                case _:
                    raise _broken("it sent a message that has no place in an execution")

    def _receive(self) -> enclave_pb2.FromEnclave:
        try:
            data = self._runner.frames.receive(max(0.0, self._left_s() + KILL_GRACE_S))
            if data is not None:
                return enclave_pb2.FromEnclave.FromString(data)
        except (DecodeError, LimitExceeded):
            raise _broken("it sent a frame that is not a message") from None
        if self._runner.frames.ended:
            raise CapabilityError("Public", "System", "Aborted", f"the enclave runner died: it {self._runner.end()}")
        raise CapabilityError(
            "Public", "System", "DeadlineExceeded", "the enclave runner did not end in time and was killed"
        )

    def _count_call(self) -> None:
        self._calls += 1
        if self._calls > CALLS_MAX:
            raise CapabilityError("Public", "User", "LimitExceeded", f"calls of one execution: more than {CALLS_MAX}")

    def _relay_vault_call(self, call: enclave_pb2.VaultCall) -> None:
        answer = self._relay.vault_call(call, timeout_s=self._left_s())
        self._answer(enclave_pb2.ToEnclave(vault_answer=answer))

    def _relay_capability_call(self, call: sdk_pb2.CapabilityRequest) -> None:
        response = self._relay.capability_call(call, timeout_s=self._left_s())
        answer = enclave_pb2.CapabilityAnswer(callback_id=call.callback_id, response=response.SerializeToString())
        self._answer(enclave_pb2.ToEnclave(capability_answer=answer))

    def _answer(self, message: enclave_pb2.ToEnclave) -> None:
        with contextlib.suppress(OSError):  # the runner ended meanwhile; nobody waits for this answer any more
            self._runner.frames.send(message.SerializeToString())

    def _left_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())


def _broken(why: str) -> CapabilityError:
    return CapabilityError("Public", "System", "Internal", f"the enclave runner broke its contract: {why}")
