"""The enclave's end of the socket pair: questions go out from several threads, one thread reads the answers.

When the other end closes, this process ends at once: nobody is left to take the result, and secrets must not outlive
their execution.
"""

import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from google.protobuf.message import DecodeError

from strongroom.guest.frames import Frames
from strongroom.plugin import Cancelled, CapabilityError, LimitExceeded, TimedOut
from strongroom.plugin.messages import enclave_pb2, sdk_pb2, vault_pb2

__all__ = ["Link"]

EXIT_LINK_ENDED: Final = 75
EXIT_LINK_BROKEN: Final = 76

T = TypeVar("T")


class Link:
    """Talks to the plugin. ``exit_process`` is called with an exit code when the link ends."""

    def __init__(self, frames: Frames, *, exit_process: Callable[[int], object] = os._exit) -> None:
        self._frames = frames
        self._exit = exit_process
        self._lock = threading.Lock()
        self._starts: queue.SimpleQueue[enclave_pb2.Start] = queue.SimpleQueue()
        self._vault_calls: dict[int, Future[enclave_pb2.VaultAnswer]] = {}
        self._capability_calls: dict[int, Future[bytes]] = {}
        self._stop: Callable[[str], None] | None = None
        self._started = False
        self._cancelled = ""
        self.deadline = float("inf")
        """Monotonic seconds; set when the execution is known."""

    def open(self) -> None:
        """Start reading."""
        threading.Thread(target=self._read, name="link", daemon=True).start()

    def send(self, **fields: object) -> None:
        """Send one frame; ``fields`` are those of ``FromEnclave``."""
        try:
            self._frames.send(enclave_pb2.FromEnclave(**fields).SerializeToString())  # type: ignore[arg-type]  # fields of a oneof
        except OSError:
            self._exit(EXIT_LINK_ENDED)

    def wait_for_start(self) -> enclave_pb2.Start:
        """The execution. Waits as long as it takes: a spare runner has no other work."""
        return self._starts.get()

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """Have ``stop`` called with the reason when the plugin cancels; at once when it already has."""
        with self._lock:
            self._stop = stop
            cancelled = self._cancelled
        if cancelled:
            stop(cancelled)

    def call_vault(self, request: vault_pb2.GetSecretsRequest) -> vault_pb2.GetSecretsResponse:
        """Relay ``vault.secrets.get``. Raises ``CapabilityError`` when the call as a whole fails."""
        answered = self._asked_vault(request=request.SerializeToString())
        try:
            return vault_pb2.GetSecretsResponse.FromString(answered)
        except DecodeError:
            raise _another_answer() from None

    def call_opened(self) -> vault_pb2.ListSecretIdentifiersResponse:
        """What the vault's configuration opens to the workflow. Raises ``CapabilityError`` as ``call_vault``."""
        answered = self._asked_vault(opened=True)
        try:
            return vault_pb2.ListSecretIdentifiersResponse.FromString(answered)
        except DecodeError:
            raise _another_answer() from None

    def _asked_vault(self, *, request: bytes = b"", opened: bool = False) -> bytes:
        answer: Future[enclave_pb2.VaultAnswer] = Future()
        with self._lock:
            self.check_cancelled()
            call_id = len(self._vault_calls) + 1
            self._vault_calls[call_id] = answer
        self.send(vault_call=enclave_pb2.VaultCall(call_id=call_id, request=request, opened=opened))
        answered = self._wait(answer)
        if answered.error:
            raise CapabilityError("Public", "System", "Unavailable", f"the vault could not be asked: {answered.error}")
        return answered.response

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """Relay a call of the guest. A failed call is an answer with ``error`` set."""
        answer: Future[bytes] = Future()
        try:
            with self._lock:
                self.check_cancelled()
                self._capability_calls[request.callback_id] = answer
            self.send(capability_call=request)
            return sdk_pb2.CapabilityResponse.FromString(self._wait(answer))
        except DecodeError:
            return sdk_pb2.CapabilityResponse(error="the answer of the capability is not readable")
        except (TimedOut, Cancelled) as error:
            return sdk_pb2.CapabilityResponse(error=str(error))

    def check_cancelled(self) -> None:
        """Raise ``Cancelled`` when the plugin has cancelled."""
        if self._cancelled:
            raise _cancelled(self._cancelled)

    def _wait(self, answer: "Future[T]") -> T:
        left = self.deadline - time.monotonic()
        try:
            return answer.result(None if left == float("inf") else max(0.0, left))
        except TimeoutError:
            raise TimedOut("SR-ENCL-004", "the execution used up its time while it waited for an answer") from None

    def _read(self) -> None:
        try:
            while (data := self._frames.receive(None)) is not None:
                self._take(enclave_pb2.ToEnclave.FromString(data))
        except (DecodeError, LimitExceeded, OSError):
            self._exit(EXIT_LINK_BROKEN)
        self._exit(EXIT_LINK_ENDED)

    def _take(self, message: enclave_pb2.ToEnclave) -> None:
        match message.WhichOneof("message"):
            case "start":
                self._started = True
                self._starts.put(message.start)
            case "vault_answer":
                self._resolve(self._vault_calls.get(message.vault_answer.call_id), message.vault_answer)
            case "capability_answer":
                pending = self._capability_calls.get(message.capability_answer.callback_id)
                self._resolve(pending, message.capability_answer.response)
            case "cancel" if not self._started:
                self._exit(0)  # a spare that is not needed any more
            case "cancel":
                self._cancel(message.cancel.reason)
            case _:
                self._exit(EXIT_LINK_BROKEN)

    @staticmethod
    def _resolve(pending: "Future[T] | None", answer: T) -> None:
        """Keep the first answer. One that nobody waits for, or a second one, is dropped: it can change nothing."""
        if pending is not None and not pending.done():
            pending.set_result(answer)

    def _cancel(self, reason: str) -> None:
        with self._lock:
            self._cancelled = self._cancelled or reason or "cancelled"
            stop = self._stop
            waiting: list[Future[enclave_pb2.VaultAnswer] | Future[bytes]] = []
            waiting += self._vault_calls.values()
            waiting += self._capability_calls.values()
        # The guest is stopped first: an answer that woke it would let it end as if nothing had happened.
        if stop is not None:
            stop(self._cancelled)
        for call in waiting:
            if not call.done():
                call.set_exception(_cancelled(self._cancelled))


def _another_answer() -> CapabilityError:
    return CapabilityError("Public", "System", "Internal", "the vault answered something else")


def _cancelled(reason: str) -> Cancelled:
    return Cancelled("SR-ENCL-005", f"the execution was cancelled: {reason}")
