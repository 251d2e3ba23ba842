"""``strongroom run retry`` and ``strongroom run replay``: a run once more, for its effect or for the comparison."""

from typing import Annotated

import typer
from ulid import ULID

from strongroom.cli import views
from strongroom.cli.caller import Caller, facts
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.run_begin import looked_for, named
from strongroom.cli.run_calls import Run, RunId, runs_stub
from strongroom.cli.verbs import verb
from strongroom.pb.strongroom.v1 import run_pb2

__all__ = ["add_to"]

_Step = Annotated[
    str, typer.Option("--from", help="First step that is done anew, as run events names it; all if not given.")
]


def retry(caller: Caller, run: Run, step: _Step = "", run_id: RunId = "") -> None:
    """Start a new run of the same workflow with the same input, and print its id. It names the run that it repeats.

    Without --from everything is done anew, at the time of now. With --from STEP the new run is the old one up to there:
    it sees the same time and randomness, and the steps that were made before STEP keep their recorded answers and are
    not sent again. STEP and what follows are sent again, so they should bear being done twice.

    Secrets are never taken over: the new run asks for them anew and gets what the workflow may have now. Where that is
    something else, and the guest asks otherwise before STEP for it, the new run ends as not deterministic and names the
    step.
    """
    request = run_pb2.RetryRequest(run_id=run, from_step=step, new_run_id=run_id or f"wrun_{ULID()}")
    with looked_for(caller, request.new_run_id), connect(caller) as host, named(request.new_run_id):
        answer = host.call(runs_stub(host).Retry, request)
    caller.emit(
        "run",
        {**views.run(answer.run), "created": answer.created, "steps_kept": answer.steps_kept},
        answer.run.run_id,
    )
    if not answer.created:
        caller.note("this run was there before; nothing new was started")
    elif step:
        caller.note(f"answers taken over: {answer.steps_kept}")


def replay(caller: Caller, run: Run) -> int | None:
    """Execute a run again against its journal and compare every step, and its end.

    Nothing is sent and nothing is stored: every answer is the recorded one. Works for runs that have ended and were
    executed locally; of a run that was cut off the part before that is compared. The exit code is 1 when the guest did
    anything else than before, which means that it cannot be resumed safely.
    """
    with connect(caller) as host:
        answer = host.call(runs_stub(host).Replay, run_pb2.ReplayRequest(run_id=run))
    document = {
        "run_id": answer.run.run_id,
        "equal": answer.equal,
        "steps": answer.steps,
        "time_reads": answer.time_reads,
        "log_lines": answer.log_lines,
        "cut_off": answer.cut_off,
        "differs_at": answer.differs_at,
        "difference": answer.difference,
        "run": views.run(answer.run),
    }
    verdict = "equal" if answer.equal else f"DIFFERENT at {answer.differs_at}: {answer.difference}"
    pairs: list[tuple[str, object]] = [
        ("run", answer.run.run_id),
        ("workflow", answer.run.workflow_name),
        ("compared", f"{answer.steps} steps, {answer.time_reads} readings of time, {answer.log_lines} log lines"),
        ("only begun", answer.cut_off),
        ("replay", verdict),
    ]
    caller.emit("run-replay", document, facts(pairs))
    return None if answer.equal else Exit.RUN_FAILED


def add_to(app: typer.Typer) -> None:
    """Add both commands."""
    verb(app, "retry", example="strongroom run retry wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D --from 7")(retry)
    verb(app, "replay", example="strongroom run replay wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D")(replay)
