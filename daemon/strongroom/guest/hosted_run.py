"""One run on one runner: what the guest asks is answered, and it ends in time whatever the runner does.

The thread that executes reads the runner's frames itself; only calls, which block, go to other threads.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from google.protobuf.message import Message

from strongroom.errors import GuestFault
from strongroom.guest.cancellation import Cancellation
from strongroom.guest.execution_helper import CountsCalls, ExecutionHelper
from strongroom.guest.limits import GuestLimits
from strongroom.guest.outcome import result_of, text_for_guest, timed_out
from strongroom.guest.runner_process import RunnerDeathError, RunnerProcess
from strongroom.guest.workers import Workers
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from strongroom.telemetry import logs

__all__ = ["HostedRun"]

_LOG: Final = logs.get(__name__)

GRACE_S: Final = 2.0
"""A sound runner ends a guest within a tick of its deadline or a cancel; one that does not is killed after this."""

MESSAGE_SLACK_BYTES: Final = 1 << 16
"""A message of a guest fits into its memory; its frame is a little larger."""


class HostedRun:
    """A run in progress. ``execute`` is called once; the runner may serve again only if ``clean`` holds afterwards."""

    def __init__(
        self,
        runner: RunnerProcess,
        *,
        helper: ExecutionHelper,
        cancellation: Cancellation,
        workers: Workers,
        limits: GuestLimits,
        allowed: tuple[int, str],
        kind: str,
        watch: Callable[[runner_pb2.FromRunner], None] | None = None,
    ) -> None:
        self._runner = runner
        self._helper = helper
        self._cancellation = cancellation
        self._workers = workers
        self._limits = limits
        self._allowed = allowed
        self._kind = kind
        self._watch = watch
        self._lock = threading.Lock()
        self._ending = threading.Lock()  # not the other one, which a thread may hold that sends to a hung runner
        self._over = False
        self._suspended = False
        self._reaper: threading.Timer | None = None
        self._calls_open = 0
        self._lines = 0
        self.clean = False
        """True when the runner ended the guest by itself and is idle again."""
        self.finished: runner_pb2.Finished | None = None
        """What the runner said at the end; nothing when it died."""

    def execute(self, order: runner_pb2.Execute, descriptor: int | None) -> bytes:
        """The serialized result. Raises ``GuestFault``, ``TimedOut``, ``Cancelled``, ``GuestSuspended``, ``Internal``.

        After ``GuestSuspended`` the calls that are open or queued go on; only their answers are dropped here.
        """
        runner = self._runner
        runner.frames.frame_bytes_max = self._limits.memory_bytes_max + MESSAGE_SLACK_BYTES
        deadline_s = time.monotonic() + order.limits.timeout_ms / 1000 + GRACE_S
        try:
            runner.send(runner_pb2.ToRunner(execute=order), descriptor=descriptor)
            self._cancellation.listen(self._cancel)
            while True:
                message = runner.receive(deadline_s)
                if message is None:
                    raise timed_out(*self._allowed)
                if self._watch is not None:
                    self._watch(message)
                if message.WhichOneof("message") == "finished":
                    return self._finish(message.finished)
                self._handle(message)
        except RunnerDeathError as death:
            self._cancellation.check()
            _LOG.warning("a runner died during a run", extra={"pid": runner.pid, "reason": str(death)})
            raise GuestFault(
                "SR-GUEST-015",
                "the runner that executed the guest died",
                why=str(death),
                fix="start the run again; if it happens again, the workflow uses the machine in a way it must not",
            ) from None
        finally:
            self._end()

    def _finish(self, finished: runner_pb2.Finished) -> bytes:
        self.finished = finished
        self.clean = finished.outcome != runner_pb2.OUTCOME_HOST_FAULT
        if finished.outcome == runner_pb2.OUTCOME_SUSPENDED:
            self._cancellation.check()
            self._suspended = True
        return result_of(finished, self._limits, self._allowed)

    def _handle(self, message: runner_pb2.FromRunner) -> None:
        match message.WhichOneof("message"):
            case "capability_call":
                request = message.capability_call
                self._begin(request)
                self._start(lambda: self._capability(request))
            case "secrets_call":
                fetch = message.secrets_call
                self._begin(fetch)
                self._start(lambda: self._secrets(fetch))
            case "now_call":
                moment = self._helper.now_ns(1 if message.now_call.mode == sdk_pb2.MODE_DON else 2)
                answer = runner_pb2.NowAnswer(unix_ns=moment or 0, refused=moment is None)
                self._runner.send(runner_pb2.ToRunner(now_answer=answer))
            case "log_line":
                self._lines += 1
                # Two modes, and one warning for each.
                if self._lines > 2 * (self._limits.log_lines_max + 1) + 2:
                    raise RunnerDeathError("it sent more log lines than a guest may")
                self._helper.log(message.log_line.mode, message.log_line.line)
            case "metric":
                self._helper.metric(message.metric)
            case unexpected:
                raise RunnerDeathError(f"it sent {unexpected} during a run")

    def _begin(self, request: sdk_pb2.CapabilityRequest | sdk_pb2.GetSecretsRequest) -> None:
        if isinstance(self._helper, CountsCalls):
            self._helper.begin_call(request)

    def _start(self, job: Callable[[], None]) -> None:
        with self._lock:
            self._calls_open += 1
            if self._calls_open > self._limits.calls_in_flight_max:
                raise RunnerDeathError("it has more calls open than a guest may")
        self._workers.submit(job, kind=self._kind)

    def _capability(self, request: sdk_pb2.CapabilityRequest) -> None:
        if self._is_dropped():
            return
        try:
            response = self._helper.call_capability(request)
        except Exception as error:  # a helper must not raise; a guest that waits must hear of it all the same
            response = sdk_pb2.CapabilityResponse(error=text_for_guest(error))
        if self._over:
            return
        answer = runner_pb2.CapabilityAnswer(callback_id=request.callback_id)
        answer.answered_unix_ns = self._helper.answered_unix_ns("capability", request.callback_id)
        answer.oversize = self._fits_not(response)
        if not answer.oversize:
            answer.response = response.SerializeToString()
        self._answer(runner_pb2.ToRunner(capability_answer=answer))

    def _secrets(self, request: sdk_pb2.GetSecretsRequest) -> None:
        if self._is_dropped():
            return
        answer = runner_pb2.SecretsAnswer(callback_id=request.callback_id)
        try:
            responses = self._helper.get_secrets(request)
            answer.answered_unix_ns = self._helper.answered_unix_ns("secrets", request.callback_id)
            answer.oversize = self._fits_not(responses)
            if not answer.oversize:
                answer.responses = responses.SerializeToString()
        except Exception as error:  # the fetch as a whole failed, and the guest is told so
            answer.error = text_for_guest(error)
        self._answer(runner_pb2.ToRunner(secrets_answer=answer))

    def _is_dropped(self) -> bool:
        """True for a call that waited for a thread while its run ended: nobody will ever ask for its answer."""
        return self._over and not self._suspended

    def _fits_not(self, response: Message) -> bool:
        return response.ByteSize() > self._limits.memory_bytes_max

    def _answer(self, message: runner_pb2.ToRunner) -> None:
        with self._lock:
            self._calls_open -= 1
            if self._over:
                return
            try:
                self._runner.send(message)
            except RunnerDeathError:
                # The thread that reads finds out by itself, and says so.
                return

    def _cancel(self, reason: str, grace_ms: int) -> None:
        # The timer comes first: sending may block on a runner that does not read.
        reaper = threading.Timer(grace_ms / 1000 + GRACE_S, self._reap)
        reaper.daemon = True
        with self._ending:
            if self._over:
                return
            if self._reaper is not None:
                self._reaper.cancel()
            self._reaper = reaper
            reaper.start()
        with self._lock:
            if self._over:
                return
            try:
                self._runner.send(runner_pb2.ToRunner(cancel=runner_pb2.Cancel(reason=reason, grace_ms=grace_ms)))
            except RunnerDeathError:
                return

    def _reap(self) -> None:
        with self._ending:
            if not self._over:
                self._runner.kill()

    def _end(self) -> None:
        if not self.clean:
            self._runner.kill()
        with self._lock, self._ending:
            self._over = True
            if self._reaper is not None:
                self._reaper.cancel()
