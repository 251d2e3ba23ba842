"""How a run ends, as an event of its journal."""

from typing import Final

from strongroom.engine.handles import End, Outcome
from strongroom.engine.lifecycle import RunEvent
from strongroom.errors import Cancelled, StrongroomError, TimedOut
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["cancelled", "end_of", "failed", "killed", "time_is_up"]

REPORTED: Final = "the workflow itself reported this"
AWAY: Final = ("the vault is not available", "capability unavailable: plugin ", "would offer it, and is ")
"""How this host tells a guest that a plugin is not there. A guest that only says so gets advice that does no harm."""
PLUGINS: Final = "; correct what `strongroom plugin list` shows as the last error, and start the run again"
ENDS: Final = {TimedOut: RunEvent.TIMED_OUT, Cancelled: RunEvent.CANCELLED}


def end_of(result: sdk_pb2.ExecutionResult) -> End:
    """The end of a run whose guest answered ``result``."""
    kind = result.WhichOneof("result")
    if kind == "value":
        content = journal_pb2.RunCompleted(result=result.SerializeToString(deterministic=True))
        return End(RunEvent.COMPLETED, content.SerializeToString(), "", Outcome(result, None))
    is_away = any(text in result.error for text in AWAY)
    failure = journal_pb2.Failure(code="SR-GUEST-031", error=result.error, help=REPORTED + (PLUGINS if is_away else ""))
    if kind != "error":
        failure = journal_pb2.Failure(
            code="SR-GUEST-032",
            error=f"the guest answered a trigger with {kind or 'an empty result'}",
            help="answer a trigger with a value or an error",
        )
    return End(RunEvent.FAILED, failure.SerializeToString(), failure.code, Outcome(None, failure))


def failed(error: StrongroomError) -> End:
    """The end of a run that ``error`` ended."""
    failure = journal_pb2.Failure(code=error.code, error=str(error), help=error.fix)
    event = ENDS.get(type(error), RunEvent.FAILED)
    return End(event, failure.SerializeToString(), error.code, Outcome(None, failure))


def cancelled(reason: str) -> End:
    """The end of a run that somebody asked to cancel."""
    return failed(Cancelled("SR-RUN-015", reason))


def killed(reason: str) -> End:
    """The end of a run that somebody killed."""
    return failed(Cancelled("SR-RUN-022", reason, fix="calls that it had sent may have had their effect"))


def time_is_up(limit_ms: int) -> TimedOut:
    """The error of a run whose time ran out while it waited."""
    return TimedOut(
        "SR-RUN-023",
        f"the run used up its time of {limit_ms} ms",
        why="executing and waiting count, and so does nothing while the host is down",
        fix="make the workflow do less in one run, or raise limits.run_timeout_ms",
        limit=limit_ms,
        setting="limits.run_timeout_ms",
    )
