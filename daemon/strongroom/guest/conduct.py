"""What a sound runner sends during one run. Whoever sends anything else is not one, and is ended for it.

A guest that broke out of the engine speaks with the voice of its runner, so what the runner checked is checked again.
Sizes are cut or refused before a helper hears of them.
"""

import time
from typing import Final

from strongroom.guest.limits import (
    CALLS_MAX,
    ERROR_CHARS_MAX,
    LOG_LINE_CUT,
    METRICS_MAX,
    REFUSALS_MAX,
    SECRETS_PER_FETCH_MAX,
    GuestLimits,
)
from strongroom.guest.runner_process import RunnerDeathError
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["Conduct", "frame_bytes_max"]

FRAME_SLACK_BYTES: Final = 1 << 16
"""What stands around the payload of a frame, and whatever is small in any case, such as the text of an error."""

NOTICE_CHARS_MAX: Final = 200
"""A runner's own lines in a log may be longer than a guest's, whose limit an operator may have made tiny."""

REENCODED_BYTES: Final = 16
"""A number that a guest wrote in an unusual way takes a few bytes more when it is written anew."""

SLEEPS_MAX: Final = (1 << 31) - 1
NS_PER_S: Final = 1_000_000_000
_MODES: Final = (sdk_pb2.MODE_DON, sdk_pb2.MODE_NODE)


def frame_bytes_max(limits: GuestLimits) -> int:
    """The largest frame of a run: nothing larger is read, let alone parsed."""
    payload = max(
        limits.capability_request_bytes_max,
        limits.response_bytes_max,
        limits.metric_bytes_max,
        3 * limits.log_line_bytes_max,  # a byte that is no text becomes a character of three
        24 * limits.calls_in_flight_max,  # the ids that a suspended guest waits for
    )
    return payload + FRAME_SLACK_BYTES


class Conduct:
    """What the runner of one execution has sent so far. ``check`` is called with each message, in order."""

    def __init__(self, limits: GuestLimits, *, suspend_after_ms: int) -> None:
        self._limits = limits
        self._suspend_after_ms = suspend_after_ms
        self._began_s = time.monotonic()
        self._ids: dict[str, set[int]] = {"capability": set(), "secrets": set()}
        self._lines = 0
        self._metrics = 0
        self._refusals = 0

    def check(self, message: runner_pb2.FromRunner) -> None:
        """Cut what is too long, raise ``RunnerDeathError`` for what no sound runner sends."""
        match message.WhichOneof("message"):
            case "capability_call":
                self._call("capability", message.capability_call)
            case "secrets_call":
                if len(message.secrets_call.requests) > SECRETS_PER_FETCH_MAX:
                    raise RunnerDeathError("it asked for more secrets at once than a guest may")
                self._call("secrets", message.secrets_call)
            case "now_call":
                pass  # the helper refuses what is too much
            case "log_line":
                self._line(message.log_line)
            case "metric":
                self._metrics += 1
                if self._metrics > METRICS_MAX or len(message.metric) > self._limits.metric_bytes_max:
                    raise RunnerDeathError("it sent more metrics, or a larger one, than a guest may")
            case "finished":
                message.finished.error = message.finished.error[:ERROR_CHARS_MAX]
                if message.finished.outcome == runner_pb2.OUTCOME_SUSPENDED:
                    self._suspended(message.finished.waits)
            case unexpected:
                raise RunnerDeathError(f"it sent {unexpected} during a run")

    def refused_time(self) -> None:
        """Count that the runner was not told the time. A sound one asks only so often after that."""
        self._refusals += 1
        if self._refusals > REFUSALS_MAX:
            raise RunnerDeathError("it asked for the time again and again after it was refused")

    def _call(self, kind: str, request: sdk_pb2.CapabilityRequest | sdk_pb2.GetSecretsRequest) -> None:
        if request.ByteSize() > self._limits.capability_request_bytes_max + REENCODED_BYTES:
            raise RunnerDeathError("it sent a larger request than a guest may")
        ids = self._ids[kind]
        if request.callback_id in ids:
            raise RunnerDeathError(f"it used callback id {request.callback_id} twice")
        if self._calls() >= CALLS_MAX:
            raise RunnerDeathError("it made more calls than a guest may")
        ids.add(request.callback_id)

    def _calls(self) -> int:
        return sum(map(len, self._ids.values()))

    def _line(self, line: runner_pb2.LogLine) -> None:
        self._lines += 1
        # Two modes, and one warning for each.
        if self._lines > 2 * (self._limits.log_lines_max + 1) + 2 or line.mode not in _MODES:
            raise RunnerDeathError("it sent log lines that no guest may write")
        most = self._limits.log_line_bytes_max
        if len(line.line) > max(most + len(LOG_LINE_CUT), NOTICE_CHARS_MAX):
            line.line = line.line[:most] + LOG_LINE_CUT

    def _suspended(self, waits: runner_pb2.Waits) -> None:
        """A run is executed again once what it waits for is there, so a wait that is over at once would be a loop."""
        if not self._suspend_after_ms:
            raise RunnerDeathError("it suspended a guest that may wait")
        if waits.sleeps_done > SLEEPS_MAX:
            raise RunnerDeathError("it counted more sleeps than there is time for")
        names = [*(("capability", one) for one in waits.capabilities), *(("secrets", one) for one in waits.secrets)]
        if waits.sleep_until_unix_ns:
            self._sleeps(waits, more=waits.slot or bool(names))
            return
        if time.monotonic() - self._began_s < self._suspend_after_ms / 1000:
            raise RunnerDeathError("it suspended a guest that has not waited")
        if len(names) > self._limits.calls_in_flight_max or len(set(names)) < len(names):
            raise RunnerDeathError("it waits for more calls than a guest may have open")
        if not all(one in self._ids[kind] for kind, one in names):
            raise RunnerDeathError("it waits for a call that it did not make")
        if not names and not waits.slot:
            raise RunnerDeathError("it waits for nothing")
        if waits.slot and self._calls() < self._limits.calls_in_flight_max:
            raise RunnerDeathError("it waits for a slot although one was free")

    def _sleeps(self, waits: runner_pb2.Waits, *, more: bool) -> None:
        if more or waits.sleep_until_unix_ns < 0:
            raise RunnerDeathError("it suspended a guest for a sleep that was over")
        # By the clock as it is now: it may have been set since the run began, which is nobody's lie.
        left_s = max(self._suspend_after_ms / 1000 - (time.monotonic() - self._began_s), 0)
        waits.sleep_until_unix_ns = max(waits.sleep_until_unix_ns, time.time_ns() + int(left_s * NS_PER_S))
