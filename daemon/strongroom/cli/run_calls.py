"""What the commands of ``strongroom run`` share: which run, how its host is asked, and how one stream is followed."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.channel import Host
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.pb.strongroom.v1.run_pb2_grpc import RunServiceStub

__all__ = [
    "Decrypt",
    "Fields",
    "Reason",
    "Run",
    "RunId",
    "Why",
    "events_of",
    "followed",
    "opened_fields",
    "opening_reason",
    "runs_stub",
    "was_cut",
]

PAGE_SIZE_MAX: Final = 500
STREAM_S: Final = 600.0
"""A stream is opened anew after this, so that a host which forgot it is noticed."""
PAUSE_S: Final = 0.3
GONE: Final = frozenset({"SR-CLI-020", "SR-CLI-021", "SR-API-007", "SR-LIMIT-004"})
"""The host is away, the stream was old, or all streams are taken: it may be there again in a moment."""
CUT: Final = "SR-GRPC-"
"""So begins what is no answer of a host: the stream was cut on the way."""

Run = Annotated[str, typer.Argument(help="Run id.", metavar="RUN")]
Why = Annotated[str, typer.Option("--reason", help="Why it is opened; the host writes it down.", metavar="TEXT")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the run.")]
RunId = Annotated[
    str,
    typer.Option(
        "--run-id", help="Id for the run, from run new-id; the same one again answers with the same run.", metavar="ID"
    ),
]
Decrypt = Annotated[bool, typer.Option("--decrypt", help="Open what is sealed; needs --reason.")]


Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        help="Open only this field, such as input; may be repeated, or name several.",
        metavar="NAME",
    ),
]


def opened_fields(names: list[str] | None, *, decrypt: bool) -> list[str]:
    """The names of the fields to open; the host knows which there are."""
    if names and not decrypt:
        raise bad_data("SR-CLI-199", "--field says what is opened", fix="add --decrypt --reason", exit_code=Exit.USAGE)
    return [part.strip() for name in names or () for part in name.split(",") if part.strip()]


def runs_stub(host: Host) -> RunServiceStub:
    """The service that knows runs."""
    return host.stub(RunServiceStub)


def opening_reason(*, decrypt: bool, reason: str) -> str:
    """The reason for opening what is sealed; empty when it stays so."""
    if decrypt and not reason.strip():
        raise bad_data(
            "SR-CLI-011",
            "--decrypt needs --reason",
            why="the host writes down that it was opened, when and why",
            fix='--decrypt --reason "ticket 4711: wrong total"',
            exit_code=Exit.USAGE,
        )
    if reason and not decrypt:
        raise bad_data("SR-CLI-012", "--reason says why something is opened", fix="add --decrypt", exit_code=Exit.USAGE)
    return reason


def events_of(
    host: Host, run: str, limit: int, start: int = 0, *, reason: str = "", fields: Sequence[str] = ()
) -> tuple[list[run_pb2.Event], bool]:
    """Up to ``limit`` events of a run from index ``start``, opened for a ``reason``, and whether there are more."""
    found: list[run_pb2.Event] = []
    request = run_pb2.ListEventsRequest(run_id=run, from_index=start, reason=reason, fields=fields)
    while True:
        request.page_size = min(limit - len(found), PAGE_SIZE_MAX)
        page = host.call(runs_stub(host).ListEvents, request)
        found.extend(page.events)
        request.page_token = page.next_page_token
        if not page.next_page_token or not page.events or len(found) >= limit:
            return found, bool(page.next_page_token)


def followed(
    caller: Caller,
    host: Host,
    method: Any,  # Any: a generated method, its request and its answers, of whatever messages
    request: Callable[[], Any],
    complete: Callable[[], bool],
) -> Iterator[Any]:
    """The answers of a stream, opened again wherever it was cut, until it ends and is ``complete``.

    ``request`` says where to go on. Raises ``Failure`` when the host stays away for longer than ``--timeout``.
    """
    heard_s = time.monotonic()
    told = False
    while True:
        try:
            for answer in host.stream(method, request(), timeout_s=STREAM_S):
                heard_s, told = time.monotonic(), False
                yield answer
            if complete():
                return
        except Failure as failure:
            if failure.error.code == "SR-CLI-021":
                heard_s = time.monotonic()
            if not _passes(failure) or time.monotonic() - heard_s > caller.timeout_s:
                raise
            if not told and failure.error.code != "SR-CLI-021":
                caller.note("the host is away; going on when it is back")
                told = True
        time.sleep(PAUSE_S)


def was_cut(failure: Failure) -> bool:
    """Whether the host went away while it had the request."""
    code = failure.error.code
    return code == "SR-CLI-023" or (code.startswith(CUT) and failure.exit_code is Exit.TEMPORARY)


def _passes(failure: Failure) -> bool:
    """Whether it may be over in a moment."""
    return failure.error.code in GONE or was_cut(failure)
