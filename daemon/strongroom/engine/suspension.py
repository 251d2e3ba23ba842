"""Writing down that a guest was dropped while it waits, so that it can be run again to where it was."""

import time
from typing import Final

from strongroom.engine.handles import RunHandle, Waits
from strongroom.engine.lifecycle import ANY_TIME_MS, RunEvent
from strongroom.engine.limits import EngineLimits
from strongroom.engine.recorded import Recorded
from strongroom.errors import GuestSuspended, LimitExceeded, StrongroomError
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.telemetry import logs

__all__ = ["suspend", "suspension_refusal", "until_there"]

NS_PER_MS: Final = 1_000_000
SETTLE_S: Final = 2.0
"""How long calls that look for payloads may take to say so; a busy host does without what that spares it."""
LOOK_S: Final = 1.0
"""How soon a run is woken that waits for a call which nobody has begun; with threads to spare there is no such call."""
log = logs.get("engine")


def suspension_refusal(recorded: Recorded, suspensions_max: int) -> LimitExceeded | None:
    """Why a run may not be suspended once more, if that is so."""
    if recorded.suspensions < suspensions_max:
        return None
    return LimitExceeded(
        "SR-RUN-062",
        f"the run was suspended {recorded.suspensions} times, as often as a run may",
        why="each suspension is written down, and a run that goes on reads all of them again",
        fix="wait less often in one run, or raise limits.steps_max",
        size=recorded.suspensions,
        limit=suspensions_max,
        setting="limits.steps_max",
    )


def suspend(handle: RunHandle, suspended: GuestSuspended, limits: EngineLimits) -> Waits:
    """Journal the suspension, and what the run waits for from now on. It is on disk when this returns.

    Raises ``StorageFault``; the run is executed again from what the disk has then.
    """
    # From here on answers are kept for the guest that comes.
    handle.calls.drop_guest()
    names = [*map(str, suspended.capabilities), *(f"s{number}" for number in suspended.secrets)]
    unanswered = [name for name in names if not _is_answered(handle.recorded, name)]
    laters = handle.calls.laters(unanswered, SETTLE_S)
    hooks = tuple(laters.values())
    open_names = tuple(name for name in unanswered if name not in laters)
    spent_ms = handle.spent_ms()
    content = journal_pb2.Suspended(
        spent_ms=spent_ms,
        sleeps_done=suspended.sleeps_done,
        wake_unix_ns=suspended.sleep_until_unix_ns,
        awaiting=names,
        hooks=[journal_pb2.HookWait(hook_id=each.hook_id, number=each.number) for each in hooks],
    )
    # Rounded up: it is better to sleep a little longer than not long enough.
    wake_at = -(-suspended.sleep_until_unix_ns // NS_PER_MS) or None
    if hooks and not open_names:
        # Nothing is lost with this host, so the next start need not run the guest again.
        wake_at = ANY_TIME_MS
    journal = handle.held_journal()
    journal.settle(journal.move(RunEvent.SUSPENDED, content.SerializeToString(), wake_at=wake_at))
    handle.recorded = None
    now_s = time.monotonic()
    due_s = now_s + (limits.run_timeout_ms - spent_ms) / 1000
    # A guest that waited has waited for so long; one whose runner says so sooner is slowed down to it.
    not_before_s = handle.began_s + limits.suspend_after_ms / 1000
    if suspended.sleep_until_unix_ns:
        slept_s = now_s + max(suspended.sleep_until_unix_ns - time.time_ns(), 0) / 1_000_000_000
        return Waits(due_s=min(due_s, max(slept_s, not_before_s)), sleeps=True)
    if suspended.slot:
        return Waits(due_s=due_s, not_before_s=not_before_s, slot_below=limits.guest.calls_in_flight_max)
    if not all(map(handle.calls.is_known, open_names)):
        due_s = min(due_s, now_s + LOOK_S)
    return Waits(due_s=due_s, not_before_s=not_before_s, awaiting=open_names, hooks=hooks)


def _is_answered(recorded: Recorded | None, name: str) -> bool:
    return recorded is not None and name in recorded.steps and recorded.steps[name].completed is not None


def until_there(handle: RunHandle, error: StrongroomError, limits: EngineLimits) -> Waits:
    """What a run waits for whose enclave cannot be asked now, or whose runner was taken from it: a moment, for as long
    as its time allows. Its guest is run again then; what it has under way goes on, and is not sent twice."""
    log.warning("a run cannot be executed now; it waits", extra={"run_id": handle.run_id, "why": str(error)})
    handle.calls.drop_guest()
    handle.recorded = None
    left_ms = max(limits.run_timeout_ms - handle.spent_ms(), 0)
    due_s = time.monotonic() + min(int(error.details.get("retry_ms", 1000)), left_ms) / 1000
    return Waits(due_s=due_s, awaiting=(handle.run_id,))
