"""What the end of a run means to its host: a result, or the error that says who is at fault."""

from dataclasses import replace
from typing import Final

from strongroom.errors import (
    Cancelled,
    GuestFault,
    GuestSuspended,
    Internal,
    InvalidInput,
    StrongroomError,
    TimedOut,
)
from strongroom.guest.execution_helper import ExecutionHelper
from strongroom.guest.limits import GuestLimits
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = [
    "check_memory",
    "execute_order",
    "limits_for",
    "not_admitted",
    "result_of",
    "text_for_guest",
    "time_of",
    "timed_out",
    "wire_limits",
]

RUN_SETTING: Final = "limits.run_timeout_ms"
_PHASES: Final = {"limits.subscribe_timeout_ms": "subscribe", "limits.pre_hook_timeout_ms": "the pre-hook"}


def execute_order(
    request: bytes, helper: ExecutionHelper, limits: GuestLimits, *, timeout_ms: int
) -> runner_pb2.Execute:
    """What a runner is told to execute, but for the module: what the guest may see, and how far it may go."""
    return runner_pb2.Execute(
        request=request,
        execution_id=helper.execution_id,
        node_seed=helper.node_seed,
        entropy=helper.entropy,
        clock_unix_ns=helper.clock_unix_ns,
        sleeps_done=helper.sleeps_done,
        suspend_after_ms=helper.suspend_after_ms,
        limits=wire_limits(limits, timeout_ms=timeout_ms),
    )


def limits_for(helper: ExecutionHelper, limits: GuestLimits) -> GuestLimits:
    """``limits``, but for those that the run of ``helper`` was accepted with."""
    own = {name: getattr(helper, name, 0) for name in ("response_bytes_max", "log_lines_max", "log_line_bytes_max")}
    return replace(limits, **{name: value for name, value in own.items() if value})


def time_of(helper: ExecutionHelper, limits: GuestLimits) -> tuple[int, tuple[int, str]]:
    """How long the guest may take, and what its error names: the whole limit and its setting."""
    if limits.timeout_ms < helper.timeout_ms:
        return limits.timeout_ms, (limits.timeout_ms, RUN_SETTING)
    named_ms = getattr(helper, "timeout_limit_ms", 0) or helper.timeout_ms
    return helper.timeout_ms, (named_ms, getattr(helper, "timeout_setting", RUN_SETTING))


def wire_limits(limits: GuestLimits, *, timeout_ms: int) -> runner_pb2.Limits:
    """``limits`` as a runner takes them, for a run that has ``timeout_ms`` left."""
    return runner_pb2.Limits(
        memory_bytes_max=limits.memory_bytes_max,
        timeout_ms=max(timeout_ms, 0),
        response_bytes_max=limits.response_bytes_max,
        log_line_bytes_max=limits.log_line_bytes_max,
        log_lines_max=limits.log_lines_max,
        calls_in_flight_max=limits.calls_in_flight_max,
        poll_subscriptions_max=limits.poll_subscriptions_max,
        metric_bytes_max=limits.metric_bytes_max,
        metric_name_bytes_max=limits.metric_name_bytes_max,
        metric_labels_max=limits.metric_labels_max,
        metric_label_bytes_max=limits.metric_label_bytes_max,
        table_elements_max=limits.table_elements_max,
        capability_request_bytes_max=limits.capability_request_bytes_max,
    )


def result_of(finished: runner_pb2.Finished, limits: GuestLimits, allowed: tuple[int, str]) -> bytes:
    """The serialized result. Raises ``GuestFault``, ``TimedOut``, ``Cancelled``, ``GuestSuspended`` or ``Internal``."""
    match finished.outcome:
        case runner_pb2.OUTCOME_RESULT:
            if len(finished.result) > limits.response_bytes_max:
                raise Internal("SR-GUEST-019", "a runner handed over a result that is larger than its limit")
            return finished.result
        case runner_pb2.OUTCOME_TIMED_OUT:
            raise timed_out(*allowed)
        case runner_pb2.OUTCOME_CANCELLED:
            raise Cancelled("SR-GUEST-013", "the run was cancelled", why=finished.error)
        case runner_pb2.OUTCOME_GUEST_FAULT:
            raise GuestFault(
                "SR-GUEST-011",
                "the guest ended without a result",
                why=finished.error,
                fix="see what the workflow does at that point; its log may say more",
            )
        case runner_pb2.OUTCOME_SUSPENDED:
            waits = finished.waits
            raise GuestSuspended(
                capabilities=tuple(waits.capabilities),
                secrets=tuple(waits.secrets),
                slot=waits.slot,
                sleep_until_unix_ns=waits.sleep_until_unix_ns,
                sleeps_done=waits.sleeps_done,
            )
        case _:
            raise Internal("SR-GUEST-014", "the runner failed", why=finished.error)


def timed_out(timeout_ms: int, setting: str) -> TimedOut:
    """The error of a run that used up its time, which ``setting`` limits."""
    return TimedOut(
        "SR-GUEST-012",
        f"{_PHASES.get(setting, 'the run')} used up its time of {timeout_ms} ms",
        why="context deadline exceeded",
        fix=f"make the workflow do less at once, or raise {setting}",
        limit=timeout_ms,
        setting=setting,
    )


def not_admitted(why: str) -> InvalidInput:
    """The error of a module that no runner will execute."""
    return InvalidInput(
        "SR-GUEST-010",
        "the module was not admitted",
        why=why,
        fix="build the workflow with a supported SDK",
        field="binary",
    )


def check_memory(info: runner_pb2.ModuleInfo, limits: GuestLimits) -> None:
    """Raises ``InvalidInput`` for a module that begins with more memory than any run of it may have."""
    if info.memory_bytes_min > limits.memory_bytes_max:
        raise InvalidInput(
            "SR-GUEST-025",
            "the module was not admitted",
            why=f"it begins with {info.memory_bytes_min} bytes of memory, the limit is {limits.memory_bytes_max} bytes",
            fix="build the workflow with a smaller initial memory, or raise limits.memory_bytes_max",
            field="binary",
            size=info.memory_bytes_min,
            limit=limits.memory_bytes_max,
            setting="limits.memory_bytes_max",
        )


def text_for_guest(error: Exception) -> str:
    """What a guest may read of an error: our own texts hold no secret, those of others may."""
    return str(error) if isinstance(error, StrongroomError) else f"internal error ({type(error).__name__})"
