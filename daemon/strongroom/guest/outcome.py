"""What the end of a run means to its host: a result, or the error that says who is at fault."""

from strongroom.errors import Cancelled, GuestFault, Internal, InvalidInput, StrongroomError, TimedOut
from strongroom.guest.limits import GuestLimits
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["not_admitted", "result_of", "text_for_guest", "timed_out", "wire_limits"]


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
    )


def result_of(finished: runner_pb2.Finished, *, limits: GuestLimits, timeout_ms: int) -> bytes:
    """The serialized result. Raises ``GuestFault``, ``TimedOut``, ``Cancelled`` or ``Internal``."""
    match finished.outcome:
        case runner_pb2.OUTCOME_RESULT:
            if len(finished.result) > limits.response_bytes_max:
                raise Internal("SR-GUEST-019", "a runner handed over a result that is larger than its limit")
            return finished.result
        case runner_pb2.OUTCOME_TIMED_OUT:
            raise timed_out(timeout_ms)
        case runner_pb2.OUTCOME_CANCELLED:
            raise Cancelled("SR-GUEST-013", "the run was cancelled", why=finished.error)
        case runner_pb2.OUTCOME_GUEST_FAULT:
            raise GuestFault(
                "SR-GUEST-011",
                "the guest ended without a result",
                why=finished.error,
                fix="see what the workflow does at that point; its log may say more",
            )
        case _:
            raise Internal("SR-GUEST-014", "the runner failed", why=finished.error)


def timed_out(timeout_ms: int) -> TimedOut:
    """The error of a run that used up its time."""
    return TimedOut(
        "SR-GUEST-012",
        f"the run used up its time of {timeout_ms} ms",
        why="context deadline exceeded",
        fix="make the workflow do less in one run, or raise limits.run_timeout_ms",
        limit=timeout_ms,
        setting="limits.run_timeout_ms",
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


def text_for_guest(error: Exception) -> str:
    """What a guest may read of an error: our own texts hold no secret, those of others may."""
    return str(error) if isinstance(error, StrongroomError) else f"internal error ({type(error).__name__})"
