"""The host of a guest under test: an author's functions answer what the guest asks.

Rule 1: whatever a function does, the guest gets an answer, as it would from a capability that fails.
Rule 2: what is not an ``Exception`` (an interrupt, the ``fail`` of a test) ends the run and goes to the author.
"""

import inspect
import secrets as randomness
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from strongroom.errors import CapabilityError
from strongroom.guest.cancellation import Stop
from strongroom.modules.attributes import DEFAULT_NAMESPACE
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from strongroom.plugin.error_text import format_error
from strongroom.registry.ids import nothing_for
from strongroom.telemetry import logs
from strongroom.testing.async_calls import AsyncCalls

__all__ = ["NOT_FOUND", "OWNER", "AuthorsHost", "Begun", "CapabilityFunction"]

CapabilityFunction = Callable[
    [sdk_pb2.CapabilityRequest], sdk_pb2.CapabilityResponse | Awaitable[sdk_pb2.CapabilityResponse]
]
Begun = sdk_pb2.CapabilityRequest | sdk_pb2.GetSecretsRequest

OWNER: Final = "0x" + "0" * 40
"""The owner in answers to secrets fetches: a guest under test belongs to nobody."""
NO_CALLS: Final = "capability calls cannot be made during this execution"
NO_CAPABILITY: Final = "action capability not found"
NOT_FOUND: Final = "could not find secret"
"""Texts of the guest contract, which guests compare."""
NS_MAX: Final = (1 << 63) - 1
"""A moment travels as a signed 64-bit number."""
UNREADABLE: Final = "strongroom: a log line could not be read"
"""How the runner's own note begins that stands where the guest pointed beside its memory."""

_LOG: Final = logs.get(__name__)


class AuthorsHost:
    """An ``ExecutionHelper`` for one run, and the record of what the guest did. Times are Unix nanoseconds."""

    def __init__(
        self,
        *,
        function_of: Callable[[str], CapabilityFunction | None],
        secrets: Mapping[tuple[str, str], str],
        execution_id: str,
        timeout_ms: int,
        timeout_setting: str,
        log_lines_max: int,
        don_time: Callable[[], int] | None = None,
        node_time: Callable[[], int] | None = None,
        may_call: bool = True,
    ) -> None:
        self._function_of = function_of
        self._secrets = {(namespace or DEFAULT_NAMESPACE, key): value for (namespace, key), value in secrets.items()}
        self._don_time = don_time
        self._node_time = node_time
        self._may_call = may_call
        self._log_lines_max = log_lines_max
        self._async_calls = AsyncCalls()
        self._lock = threading.Lock()
        self._stop: Stop | None = None
        self.execution_id = execution_id
        self.node_seed = int.from_bytes(randomness.token_bytes(8), "big", signed=True)
        self.timeout_ms = timeout_ms
        self.timeout_setting = timeout_setting
        self.entropy = randomness.token_bytes(32)
        self.clock_unix_ns = time.time_ns() if node_time is None else 0
        self.sleeps_done = 0
        self.suspend_after_ms = 0
        self.calls: list[sdk_pb2.CapabilityRequest] = []
        self.lines: list[str] = []
        self.lines_by_mode: dict[int, int] = {}
        self.finished = runner_pb2.Finished()
        self.raised: BaseException | None = None
        self.begin: Callable[[Begun], None] | None = None
        """Told of each call and fetch when the guest starts it, in the guest's order."""

    def watch(self, message: runner_pb2.FromRunner) -> None:
        """Note what the runner says, in its order."""
        match message.WhichOneof("message"):
            case "capability_call":
                call = sdk_pb2.CapabilityRequest()
                call.CopyFrom(message.capability_call)
                self.calls.append(call)
                if self.begin is not None:
                    self.begin(message.capability_call)
            case "secrets_call":
                if self.begin is not None:
                    self.begin(message.secrets_call)
            case "finished":
                self.finished = message.finished

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """What the author's function answers, or the error that stands for what it did instead."""
        if not self._may_call:
            return sdk_pb2.CapabilityResponse(error=NO_CALLS)
        function = self._function_of(request.id)
        if function is None:
            return _failed("Public", "NotFound", f"{NO_CAPABILITY}: {nothing_for(request.id)}")
        try:
            answer: object = function(request)
            if inspect.isawaitable(answer):
                answer = self._async_calls.result_of(answer)
        except CapabilityError as error:
            return sdk_pb2.CapabilityResponse(error=format_error(error))
        except Exception as error:  # what a function raises is a failed call, as it is with a plugin
            self.note(f"the function of {request.id} raised", error)
            return _failed("Private", "Unknown", f"{type(error).__name__}: {error}")
        except BaseException as error:
            self._end(error)
            return _failed("Private", "Aborted", "the test ended")
        if not isinstance(answer, sdk_pb2.CapabilityResponse):
            text = f"the function of {request.id} returned {type(answer).__name__}, not a CapabilityResponse"
            self.note(text)
            return _failed("Private", "Internal", text)
        return answer

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """One answer for each request, in order; a secret that was not given does not exist."""
        return sdk_pb2.SecretResponses(responses=[self._secret(asked) for asked in request.requests])

    def log(self, mode: int, line: str) -> None:
        """Keep a line of the guest. What the runner adds, one notice at the limit, is no line of the guest."""
        with self._lock:
            count = self.lines_by_mode[mode] = self.lines_by_mode.get(mode, 0) + 1
            if count <= self._log_lines_max and not line.startswith(UNREADABLE):
                self.lines.append(line)
                return
        self.note(line)

    def metric(self, untrusted_metric: bytes) -> None:
        """Dropped: metrics are off."""

    def now_ns(self, mode: int) -> int | None:
        """The author's time, or this machine's; ``None``, which the guest hears as EINVAL, when theirs fails."""
        ask = self._don_time if mode == sdk_pb2.MODE_DON else self._node_time
        if ask is None:
            return time.time_ns()
        try:
            moment = ask()
        except Exception as error:
            self.note("a function of the time raised", error)
            return None
        except BaseException as error:
            self._end(error)
            return None
        if not isinstance(moment, int) or not 0 <= moment <= NS_MAX:
            self.note("a function of the time returned no Unix nanoseconds")
            return None
        return moment

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """Unknown: the guest's clock moves by itself."""
        del kind, callback_id
        return 0

    def on_cancel(self, stop: Stop) -> None:
        """Keep the way to end the run."""
        self._stop = stop

    def note(self, what: str, error: Exception | None = None) -> None:
        """Tell the author, whose test shows it when it fails."""
        _LOG.warning(what, exc_info=error)

    def close(self) -> None:
        """Let go of calls that nobody waits for any more."""
        self._async_calls.close()

    def _secret(self, asked: sdk_pb2.SecretRequest) -> sdk_pb2.SecretResponse:
        namespace = asked.namespace or DEFAULT_NAMESPACE
        value = self._secrets.get((namespace, asked.id))
        if value is None:
            missing = sdk_pb2.SecretError(id=asked.id, namespace=namespace, owner=OWNER, error=NOT_FOUND)
            return sdk_pb2.SecretResponse(error=missing)
        secret = sdk_pb2.Secret(id=asked.id, namespace=namespace, owner=OWNER, value=value)
        return sdk_pb2.SecretResponse(secret=secret)

    def _end(self, error: BaseException) -> None:
        self.raised = self.raised or error
        if self._stop is not None:
            self._stop("the test ended", grace_ms=0)


def _failed(visibility: str, name: str, text: str) -> sdk_pb2.CapabilityResponse:
    return sdk_pb2.CapabilityResponse(error=format_error(CapabilityError(visibility, "System", name, text)))
