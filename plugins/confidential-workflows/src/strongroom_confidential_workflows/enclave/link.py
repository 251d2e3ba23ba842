"""The enclave's end of the socket pair: questions go out from several threads, one thread reads the answers.

When the other end closes, this process ends at once: nobody is left to take the result, and secrets must not outlive
their execution. A frame that is no message, or that has no place, ends it too.
"""

import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from strongroom.guest.frames import Frames
from strongroom.plugin import Cancelled, EvidenceRejected, LimitExceeded, TimedOut
from strongroom_confidential_workflows.messages import (
    BinaryChunk,
    Cancel,
    CapabilityAnswer,
    CapabilityCall,
    ChallengeAnswer,
    ChallengeCall,
    Configure,
    FromEnclave,
    ReleaseAnswer,
    ReleaseCall,
    Start,
    ToEnclave,
    decode_to_enclave,
    encode,
)

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
        self._starts: queue.SimpleQueue[tuple[Start, bytes]] = queue.SimpleQueue()
        self._start: Start | None = None
        self._binary = bytearray()
        self._asked: tuple[type[ChallengeAnswer | ReleaseAnswer], Future[Any]] | None = None
        self._calls: dict[int, Future[bytes]] = {}
        self._stop: Callable[[str], None] | None = None
        self._cancelled = ""
        self.deadline = float("inf")
        """Monotonic seconds; set when the execution is known."""

    def configure(self) -> Configure:
        """The first message, read in this thread. Ends the process when another one comes, or none."""
        message = self._receive()
        if isinstance(message, Cancel):
            self._exit(0)  # it is not needed any more
        if not isinstance(message, Configure):
            self._exit(EXIT_LINK_BROKEN)
        return message  # type: ignore[return-value]  # the process has ended otherwise

    def open(self) -> None:
        """Start reading what comes after the configuration."""
        threading.Thread(target=self._read, name="link", daemon=True).start()

    def send(self, message: FromEnclave) -> None:
        """Send one frame."""
        try:
            self._frames.send(encode(message))
        except OSError:
            self._exit(EXIT_LINK_ENDED)

    def wait_for_start(self) -> tuple[Start, bytes]:
        """The execution and its binary. Waits as long as it takes: a spare runner has no other work."""
        return self._starts.get()

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """Have ``stop`` called with the reason when the plugin cancels; at once when it already has."""
        with self._lock:
            self._stop = stop
            cancelled = self._cancelled
        if cancelled:
            stop(cancelled)

    def challenge(self, call: ChallengeCall) -> ChallengeAnswer:
        """The vault's challenge, or its error in the answer. One question at a time."""
        return self._ask(call, ChallengeAnswer)

    def release(self, call: ReleaseCall) -> ReleaseAnswer:
        """The vault's envelope, or its error in the answer."""
        return self._ask(call, ReleaseAnswer)

    def call_capability(self, call: CapabilityCall) -> bytes:
        """Relay a call of the guest: the serialized answer. Raises ``TimedOut`` or ``Cancelled``."""
        answer: Future[bytes] = Future()
        with self._lock:
            self.check_cancelled()
            self._calls[call.call_id] = answer
        self.send(call)
        return self._wait(answer)

    def check_cancelled(self) -> None:
        """Raise ``Cancelled`` when the plugin has cancelled."""
        if self._cancelled:
            raise _cancelled(self._cancelled)

    def _ask(self, call: ChallengeCall | ReleaseCall, kind: type[T]) -> T:
        answer: Future[Any] = Future()
        with self._lock:
            self.check_cancelled()
            self._asked = (kind, answer)  # type: ignore[assignment]  # one of the two answers, see the callers
        self.send(call)
        answered: T = self._wait(answer)
        return answered

    def _wait(self, answer: "Future[T]") -> T:
        left = self.deadline - time.monotonic()
        try:
            return answer.result(None if left == float("inf") else max(0.0, left))
        except TimeoutError:
            raise TimedOut("SR-ENCL-004", "the execution used up its time while it waited for an answer") from None

    def _receive(self) -> ToEnclave | None:
        try:
            data = self._frames.receive(None)
            if data is not None:
                return decode_to_enclave(data)
        except (EvidenceRejected, LimitExceeded, OSError):
            self._exit(EXIT_LINK_BROKEN)
            return None
        self._exit(EXIT_LINK_ENDED)
        return None

    def _read(self) -> None:
        while (message := self._receive()) is not None:
            self._take(message)

    def _take(self, message: ToEnclave) -> None:
        match message:
            case Start() if self._start is None:
                self._start = message
                self._take_binary(message, b"")
            case BinaryChunk() if self._start is not None and message.data:
                self._take_binary(self._start, message.data)
            case ChallengeAnswer() | ReleaseAnswer() if self._asked is not None and self._asked[0] is type(message):
                self._resolve(self._asked[1], message)
            case CapabilityAnswer():
                self._resolve(self._calls.get(message.call_id), message.response)
            case Cancel() if self._start is None:
                self._exit(0)  # a spare that is not needed any more
            case Cancel():
                self._cancel(message.reason)
            case _:
                self._exit(EXIT_LINK_BROKEN)

    def _take_binary(self, start: Start, data: bytes) -> None:
        """Hand the execution over when the last piece is there. More than was announced ends the process."""
        if (data and len(self._binary) == start.binary_bytes) or len(self._binary) + len(data) > start.binary_bytes:
            self._exit(EXIT_LINK_BROKEN)
            return
        self._binary += data
        if len(self._binary) == start.binary_bytes:
            self._starts.put((start, bytes(self._binary)))

    @staticmethod
    def _resolve(pending: "Future[T] | None", answer: T) -> None:
        """Keep the first answer. One that nobody waits for, or a second one, is dropped: it can change nothing."""
        if pending is not None and not pending.done():
            pending.set_result(answer)

    def _cancel(self, reason: str) -> None:
        with self._lock:
            self._cancelled = self._cancelled or reason or "cancelled"
            stop = self._stop
            waiting: list[Future[Any]] = [*self._calls.values()]
            if self._asked is not None:
                waiting.append(self._asked[1])
        # The guest is stopped first: an answer that woke it would let it end as if nothing had happened.
        if stop is not None:
            stop(self._cancelled)
        for call in waiting:
            if not call.done():
                call.set_exception(_cancelled(self._cancelled))


def _cancelled(reason: str) -> Cancelled:
    return Cancelled("SR-ENCL-005", f"the execution was cancelled: {reason}")
