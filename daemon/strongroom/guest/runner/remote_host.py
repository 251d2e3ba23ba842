"""The host of a run when it is at the other end of a socket.

Nobody reads the socket but who has time for it: the guest's own thread while an import waits, the ticker while the
guest computes. So an answer wakes the guest without a detour through another thread.
"""

import os
import threading
import time
from collections.abc import Callable

from strongroom.guest.frames import Frames
from strongroom.guest.limits import REFUSALS_MAX
from strongroom.guest.runner.calls import Answer, Kind
from strongroom.guest.runner.execution import Execution
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["RemoteHost"]


class RemoteHost:
    """Sends what the guest asks for, and sorts what comes back."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._reading = threading.Lock()
        self._moment: runner_pb2.NowAnswer | None = None

    def start_capability(self, _execution: Execution, request: sdk_pb2.CapabilityRequest) -> None:
        """Send the call; its answer comes as a frame."""
        self._send(runner_pb2.FromRunner(capability_call=request))

    def start_secrets(self, _execution: Execution, request: sdk_pb2.GetSecretsRequest) -> None:
        """Send the fetch; its answer comes as a frame."""
        self._send(runner_pb2.FromRunner(secrets_call=request))

    def now_ns(self, execution: Execution, mode: int) -> int | None:
        """Ask, and wait for the answer; who was refused again and again does not ask any more."""
        if execution.is_over() or execution.refusals >= REFUSALS_MAX:
            return None
        self._moment = None
        self._send(runner_pb2.FromRunner(now_call=runner_pb2.NowCall(mode=sdk_pb2.Mode.ValueType(mode))))
        execution.wait(lambda: self._moment is not None)
        moment = self._moment
        if moment is not None and moment.refused:
            execution.refusals += 1
        return None if moment is None or moment.refused else moment.unix_ns

    def log(self, mode: int, line: str) -> None:
        """Send the line."""
        self._send(runner_pb2.FromRunner(log_line=runner_pb2.LogLine(mode=sdk_pb2.Mode.ValueType(mode), line=line)))

    def metric(self, payload: bytes) -> None:
        """Send the metric."""
        self._send(runner_pb2.FromRunner(metric=payload))

    def wait(self, execution: Execution, ready: Callable[[], bool], until_s: float) -> None:
        """Read frames until one of them makes ``ready()`` hold."""
        while not ready() and not execution.stopped:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            with self._reading:
                # The ticker may have read the answer while this thread waited for its turn.
                if not ready() and not execution.stopped:
                    self._take_in(execution, left_s)

    def poll(self, execution: Execution) -> None:
        """Take in what has arrived."""
        if self._reading.acquire(blocking=False):
            try:
                while self._take_in(execution, 0):
                    pass
            finally:
                self._reading.release()

    def _take_in(self, execution: Execution, timeout_s: float) -> bool:
        data = self._frames.receive(timeout_s)
        if data is None:
            if self._frames.ended:
                # Without a host there is nobody to run for, and a guest that computes would never notice.
                os._exit(0)
            return False
        frame = runner_pb2.ToRunner.FromString(data)
        kind = frame.WhichOneof("message")
        if kind == "capability_answer":
            given = frame.capability_answer
            answer = Answer(given.response, "", given.oversize, given.answered_unix_ns)
            execution.calls.complete(Kind.CAPABILITY, given.callback_id, answer)
        elif kind == "secrets_answer":
            secrets = frame.secrets_answer
            answer = Answer(secrets.responses, secrets.error, secrets.oversize, secrets.answered_unix_ns)
            execution.calls.complete(Kind.SECRETS, secrets.callback_id, answer)
        elif kind == "now_answer":
            self._moment = frame.now_answer
        elif kind == "cancel":
            execution.stop(frame.cancel.reason, frame.cancel.grace_ms)
        return True

    def _send(self, message: runner_pb2.FromRunner) -> None:
        self._frames.send(message.SerializeToString())
