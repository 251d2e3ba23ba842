"""``strongroom run cancel`` and ``strongroom run kill``: two ways to stop a run, and what each may leave behind."""

from typing import Final

import typer

from strongroom.cli import views
from strongroom.cli.caller import Caller, facts
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.run_calls import Reason, Run, events_of, runs_stub
from strongroom.cli.verbs import DryRun, Yes, verb
from strongroom.pb.strongroom.v1 import run_pb2

__all__ = ["add_to"]

EVENTS_MAX: Final = 1_000_000
SHOWN_MAX: Final = 20


def cancel(caller: Caller, run: Run, reason: Reason = "") -> int | None:
    """Ask a run to stop, and wait until it has.

    What its guest waits for ends with an error, calls that were sent are waited for, and the guest has
    limits.cancel_grace_ms to clean up; after that it is ended. May leave behind: the effects of the calls that it made,
    which are not undone. Nothing is left half answered, unless a call takes longer than that time.

    The exit code is 75 when the run has not ended within --timeout; it was asked to all the same.
    """
    with connect(caller) as host:
        header = host.call(runs_stub(host).Get, run_pb2.RunServiceGetRequest(run_id=run)).run
        already = views.is_final(header)
        if not already:
            header = host.call(runs_stub(host).Cancel, run_pb2.CancelRequest(run_id=run, reason=reason)).run
    caller.emit("run", {**views.run(header), "already_ended": already}, facts(views.run_facts(header)))
    if already:
        _say_already(caller, header)
    if not views.is_final(header):
        caller.note("it was asked to stop and has not ended yet: look again with strongroom run get")
        return Exit.TEMPORARY
    return None


def kill(caller: Caller, run: Run, reason: Reason = "", yes: Yes = False, dry_run: DryRun = False) -> None:
    """End a run now. Its guest is dropped and nothing is waited for; use cancel where you can.

    May leave behind: calls that were sent and have no answer yet. They may still take effect, nobody will hear of it,
    and the guest gets no moment to undo or finish anything. Their steps are shown.
    """
    if not dry_run:
        caller.confirm(f"Kill run {run}? Calls that it has sent may still take effect.", yes=yes)
    with connect(caller) as host:
        header = host.call(runs_stub(host).Get, run_pb2.RunServiceGetRequest(run_id=run)).run
        already = views.is_final(header)
        if not dry_run and not already:
            header = host.call(runs_stub(host).Kill, run_pb2.KillRequest(run_id=run, reason=reason)).run
        left = _unanswered(host, header.run_id)
    shown = ", ".join(left[:SHOWN_MAX]) + (" …" if len(left) > SHOWN_MAX else "")
    caller.emit(
        "run",
        {**views.run(header), "unanswered_steps": left, "dry_run": dry_run, "already_ended": already},
        facts([*views.run_facts(header), ("unanswered", shown)]),
    )
    if already:
        _say_already(caller, header)
    elif dry_run:
        caller.note("nothing was changed")
    if left:
        calls = (
            "1 call was sent and has no answer: it"
            if len(left) == 1
            else f"{len(left)} calls were sent and have no answer: they"
        )
        caller.note(f"{calls} may still take effect")


def _say_already(caller: Caller, header: run_pb2.Run) -> None:
    caller.note(f"it had already ended: {views.run_status(header.status)}")


def _unanswered(host: Host, run: str) -> list[str]:
    """Steps that were sent and have no answer, in the order in which they were made."""
    open_steps: dict[str, None] = {}
    events, _ = events_of(host, run, EVENTS_MAX)
    for event in events:
        if event.event_type == "step_created":
            open_steps[event.correlation_id] = None
        elif event.event_type == "step_completed":
            open_steps.pop(event.correlation_id, None)
    return list(open_steps)


def add_to(app: typer.Typer) -> None:
    """Add both commands."""
    verb(app, "cancel", example='strongroom run cancel wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D --reason "wrong input"')(cancel)
    verb(app, "kill", example="strongroom run kill wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D --yes")(kill)
