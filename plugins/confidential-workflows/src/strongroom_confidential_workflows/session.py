"""One execution from the plugin's side: hand it to a runner, relay what the runner asks, take the outcome.

The plugin sees sealed secrets only, and believes nothing that comes from the runner: calls are counted, capabilities
that a guest may not reach are refused here as well, and the deadline is kept by killing.
"""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from strongroom.plugin import CapabilityError, EvidenceRejected, LimitExceeded
from strongroom.plugin.messages import sdk_pb2
from strongroom_confidential_workflows.cancellation import Cancellation
from strongroom_confidential_workflows.launchers.runner import Runner
from strongroom_confidential_workflows.limits import CALLS_IN_FLIGHT_MAX, CALLS_MAX, CHUNK_BYTES, KILL_GRACE_S
from strongroom_confidential_workflows.messages import (
    BinaryChunk,
    CapabilityAnswer,
    CapabilityCall,
    ChallengeCall,
    Finished,
    FromEnclave,
    ReleaseCall,
    Start,
    ToEnclave,
    decode_from_enclave,
    encode,
)
from strongroom_confidential_workflows.relay import Relay
from strongroom_confidential_workflows.vault_relay import BrokenContract, VaultRelay

__all__ = ["Session"]


class Session:
    """Talks to ``runner`` for one execution. ``deadline`` is in monotonic seconds."""

    def __init__(
        self, runner: Runner, relay: Relay, vault: VaultRelay, cancellation: Cancellation, *, deadline: float
    ) -> None:
        self._runner = runner
        self._relay = relay
        self._vault = vault
        self._cancellation = cancellation
        self._deadline = deadline
        self._calls = 0

    def run(self, start: Start, binary: bytes) -> Finished:
        """The outcome. Raises ``CapabilityError`` when the runner dies, hangs or breaks its contract."""
        pool = ThreadPoolExecutor(CALLS_IN_FLIGHT_MAX, thread_name_prefix="relay")
        try:
            self._hand_over(start, binary)
            # Only now: a runner that is cancelled before it has started anything takes it for the end of its life.
            self._cancellation.on_cancel(self._runner.cancel)
            return self._converse(pool)
        except BrokenContract as broken:
            raise _broken(str(broken)) from broken
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _hand_over(self, start: Start, binary: bytes) -> None:
        try:
            first = encode(start)
        except EvidenceRejected as error:
            raise CapabilityError("Public", "User", "LimitExceeded", f"the request: {error}") from error
        with contextlib.suppress(OSError):  # a runner that is gone is noticed, with its reason, by reading
            self._runner.frames.send(first)
            for place in range(0, len(binary), CHUNK_BYTES):
                self._runner.frames.send(encode(BinaryChunk(data=binary[place : place + CHUNK_BYTES])))

    def _converse(self, pool: ThreadPoolExecutor) -> Finished:
        def submit(relay: Callable[..., None], *asked: object) -> None:
            # What is relayed belongs to the trace of this execution, whichever thread does it.
            pool.submit(copy_context().run, relay, *asked)

        while True:
            message = self._receive()
            match message:
                case Finished():
                    return message
                case ChallengeCall():
                    self._vault.check_challenge(message)
                    submit(self._relay_challenge, message)
                case ReleaseCall():
                    self._vault.check_release(message)
                    submit(self._relay_release, message)
                case CapabilityCall():
                    self._count_call()
                    request = self._relay.open(message, sig_pub=self._vault.sig_pub)
                    submit(self._relay_capability_call, message.call_id, request)
                case _:
                    raise _broken("it sent a message that has no place in an execution")

    def _receive(self) -> FromEnclave:
        try:
            data = self._runner.frames.receive(max(0.0, self._left_s() + KILL_GRACE_S))
            if data is not None:
                return decode_from_enclave(data)
        except (EvidenceRejected, LimitExceeded):
            raise _broken("it sent a frame that is not a message") from None
        if self._runner.frames.ended:
            # A runner that was killed because it did not end soon enough ended for the reason that it was told.
            self._cancellation.check()
            end = self._runner.end()
            code = "Unavailable" if self._runner.is_lost else "Aborted"
            raise CapabilityError("Public", "System", code, f"the enclave runner died: it {end}")
        raise CapabilityError(
            "Public", "System", "DeadlineExceeded", "the enclave runner did not end in time and was killed"
        )

    def _count_call(self) -> None:
        self._calls += 1
        if self._calls > CALLS_MAX:
            raise CapabilityError("Public", "User", "LimitExceeded", f"calls of one execution: more than {CALLS_MAX}")

    def _relay_challenge(self, call: ChallengeCall) -> None:
        self._answer(self._vault.challenge(call, timeout_s=self._left_s()))

    def _relay_release(self, call: ReleaseCall) -> None:
        self._answer(self._vault.release(call, timeout_s=self._left_s()))

    def _relay_capability_call(self, call_id: int, request: sdk_pb2.CapabilityRequest) -> None:
        response = self._relay.capability_call(request, timeout_s=self._left_s())
        self._answer(CapabilityAnswer(call_id=call_id, response=response))

    def _answer(self, message: ToEnclave) -> None:
        with contextlib.suppress(OSError):  # the runner ended meanwhile; nobody waits for this answer any more
            self._runner.frames.send(encode(message))

    def _left_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())


def _broken(why: str) -> CapabilityError:
    return CapabilityError("Public", "System", "Internal", f"the enclave runner broke its contract: {why}")
