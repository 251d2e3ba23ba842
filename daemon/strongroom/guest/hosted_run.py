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
from strongroom.guest.conduct import Conduct, frame_bytes_max
from strongroom.guest.execution_helper import CountsCalls, ExecutionHelper
from strongroom.guest.limits import GuestLimits
from strongroom.guest.outcome import result_of, text_for_guest, timed_out
from strongroom.guest.runner_process import RunnerDeathError, RunnerLostError, RunnerProcess
from strongroom.guest.starter.started import away
from strongroom.guest.watchdog import Watch, Watchdog
from strongroom.guest.workers import Workers
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from strongroom.telemetry import logs

__all__ = ["HostedRun"]

_LOG: Final = logs.get(__name__)

GRACE_S: Final = 2.0
"""A sound runner ends a guest within a tick of its deadline or a cancel; one that does not is killed after this."""

KILL_S: Final = 0.25
"""The thread that executes looks at the clock too; the watchdog is for one that hangs, so it comes a little later."""


class HostedRun:
    """A run in progress. ``execute`` is called once; the runner may serve again only if ``clean`` holds afterwards."""

    def __init__(
        self,
        runner: RunnerProcess,
        *,
        helper: ExecutionHelper,
        cancellation: Cancellation,
        workers: Workers,
        watchdog: Watchdog,
        limits: GuestLimits,
        allowed: tuple[int, str],
        kind: str,
        watch: Callable[[runner_pb2.FromRunner], None] | None = None,
    ) -> None:
        self._runner = runner
        self._helper = helper
        self._cancellation = cancellation
        self._workers = workers
        self._watchdog = watchdog
        self._limits = limits
        self._allowed = allowed
        self._kind = kind
        self._watch = watch
        self._sending = threading.Lock()  # may be held for as long as the runner does not read
        self._counting = threading.Lock()
        self._over = False
        self._suspended = False
        self._calls_open = 0
        self.clean = False
        """True when the runner ended the guest by itself and is idle again."""
        self.finished: runner_pb2.Finished | None = None
        """What the runner said at the end; nothing when it died."""

    def execute(self, order: runner_pb2.Execute, descriptor: int | None) -> bytes:
        """The serialized result. Raises ``GuestFault``, ``TimedOut``, ``Cancelled``, ``GuestSuspended``, ``Internal``.

        Raises ``Unavailable`` when the runner ended with the program that started it.

        After ``GuestSuspended`` the calls that are open or queued go on; only their answers are dropped here.
        """
        runner = self._runner
        runner.frames.frame_bytes_max = frame_bytes_max(self._limits)
        conduct = Conduct(self._limits, suspend_after_ms=order.suspend_after_ms)
        deadline_s = time.monotonic() + order.limits.timeout_ms / 1000 + GRACE_S
        watch = self._watchdog.watch(runner, deadline_s + KILL_S)
        try:
            runner.send(runner_pb2.ToRunner(execute=order), descriptor=descriptor)
            self._cancellation.listen(lambda reason, grace_ms: self._cancel(watch, reason, grace_ms))
            while True:
                message = runner.receive(deadline_s)
                if message is None:
                    raise timed_out(*self._allowed)
                conduct.check(message)
                if self._watch is not None:
                    self._watch(message)
                if message.WhichOneof("message") == "finished":
                    return self._finish(message.finished)
                self._handle(message, conduct)
        except RunnerDeathError as death:
            self._cancellation.check()
            if time.monotonic() >= deadline_s:
                raise timed_out(*self._allowed) from None
            _LOG.warning("a runner died during a run", extra={"pid": runner.pid, "reason": str(death)})
            if isinstance(death, RunnerLostError):
                raise away(str(death)) from None
            raise GuestFault(
                "SR-GUEST-015",
                "the runner that executed the guest died",
                why=str(death),
                fix="start the run again; if it happens again, the workflow uses the machine in a way it must not",
            ) from None
        finally:
            self._end(watch)

    def _finish(self, finished: runner_pb2.Finished) -> bytes:
        if finished.outcome == runner_pb2.OUTCOME_CANCELLED and not self._cancellation.reason:
            raise RunnerDeathError("it says that a run was cancelled which was not")
        self.finished = finished
        self.clean = finished.outcome != runner_pb2.OUTCOME_HOST_FAULT
        if finished.outcome == runner_pb2.OUTCOME_SUSPENDED:
            self._cancellation.check()
            self._suspended = True
        return result_of(finished, self._limits, self._allowed)

    def _handle(self, message: runner_pb2.FromRunner, conduct: Conduct) -> None:
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
                if moment is None:
                    conduct.refused_time()
                answer = runner_pb2.NowAnswer(unix_ns=moment or 0, refused=moment is None)
                self._runner.send(runner_pb2.ToRunner(now_answer=answer))
            case "log_line":
                self._helper.log(message.log_line.mode, message.log_line.line)
            case "metric":
                self._helper.metric(message.metric)

    def _begin(self, request: sdk_pb2.CapabilityRequest | sdk_pb2.GetSecretsRequest) -> None:
        if isinstance(self._helper, CountsCalls):
            self._helper.begin_call(request)

    def _start(self, job: Callable[[], None]) -> None:
        with self._counting:
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
        with self._counting:
            self._calls_open -= 1
        with self._sending:
            if self._over:
                return
            try:
                self._runner.send(message)
            except RunnerDeathError:
                # The thread that reads finds out by itself, and says so.
                return

    def _cancel(self, watch: Watch, reason: str, grace_ms: int) -> None:
        # The watchdog comes first: sending may hang on a runner that does not read.
        self._watchdog.shorten(watch, time.monotonic() + grace_ms / 1000 + GRACE_S)
        with self._sending:
            if self._over:
                return
            try:
                self._runner.send(runner_pb2.ToRunner(cancel=runner_pb2.Cancel(reason=reason, grace_ms=grace_ms)))
            except RunnerDeathError:
                return

    def _end(self, watch: Watch) -> None:
        """Nothing is sent any more when this returns. It does not wait for a runner that does not read."""
        self._over = True
        self._watchdog.leave(watch)
        if not self.clean:
            self._runner.kill()
        if not self._sending.acquire(timeout=GRACE_S):
            self.clean = False
            self._runner.kill()
            self._sending.acquire()
        self._sending.release()
