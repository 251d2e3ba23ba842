"""``strongroom run events`` and ``strongroom run logs``: what happened in a run, now or as it happens."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from strongroom.cli import unsealed, views
from strongroom.cli.caller import Caller, table
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.run_calls import (
    Decrypt,
    Fields,
    Run,
    Why,
    events_of,
    followed,
    opened_fields,
    opening_reason,
    runs_stub,
)
from strongroom.cli.verbs import verb
from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.telemetry.redaction import printable

__all__ = ["add_to"]

INDEX_MAX = 2**62

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")]
From = Annotated[int, typer.Option("--from", help="Index of the first event.", min=0, max=INDEX_MAX, metavar="N")]
_Limit = Annotated[int | None, typer.Option("--limit", help="How many at most; 1000.", min=1, max=1_000_000)]


def events(
    caller: Caller,
    run: Run,
    follow: Follow = False,
    start: From = 0,
    limit: _Limit = None,
    decrypt: Decrypt = False,
    reason: Why = "",
    field: Fields = None,
) -> None:
    """Show the journal of a run, in order. Contents stay sealed unless --decrypt and a reason are given.

    Then each event is followed by what it says: inputs and results of the run and of its steps, errors, lines of its
    guest, hooks and their payloads; secrets stay ***. --field opens some of them only. The host writes down which were
    opened, when and why. What does not open says why in its place, and the rest is shown.

    With --follow each event is shown when it is stored, also across a restart of the host; with --json each is then one
    line, and the last line is the run. --from N goes on after event N - 1.
    """
    if follow and limit is not None:
        raise bad_data("SR-CLI-013", "--follow has no --limit", fix="leave one of them out", exit_code=Exit.USAGE)
    why, wanted = opening_reason(decrypt=decrypt, reason=reason), opened_fields(field, decrypt=decrypt)
    with connect(caller) as host:
        if follow:
            _follow_events(caller, host, run, _Seen(start, why, wanted))
            return
        limit = limit or 1_000
        found, more = events_of(host, run, limit, start, reason=why, fields=wanted)
    documents = [views.event(item) for item in found[:limit]]
    caller.emit(
        "events",
        {"run_id": run, "opened": bool(why), "events": documents, "more": more},
        _text(found[:limit]) if found else "",
    )
    unsealed.note_unreadable(caller, found[:limit])
    if more:
        caller.note(f"there are more than {limit}: raise --limit")
    elif not found and not caller.json:
        caller.note(f"it has no event {start} or later")


def _row(item: run_pb2.Event) -> list[object]:
    document = views.event(item)
    content = unsealed.unreadable_mark(item) or ("TAMPERED" if item.tampered else document["content"] or "")
    return [item.index, document["create_time"] or "", item.event_type, item.correlation_id, content]


def _text(found: list[run_pb2.Event]) -> str:
    """The events as a table, each with what it says below it where that was opened."""
    heading, *lines = table(["#", "TIME", "EVENT", "STEP", "CONTENT"], [_row(item) for item in found]).split("\n")
    shown = [heading]
    for item, line in zip(found, lines, strict=True):
        shown.append(line)
        if item.HasField("opened"):
            shown.append(unsealed.block(unsealed.content(item.opened)))
    return "\n".join(shown)


def _follow_events(caller: Caller, host: Host, run: str, seen: "_Seen") -> None:
    for answer in followed(caller, host, runs_stub(host).Watch, lambda: seen.request(run), lambda: False):
        if answer.HasField("run"):
            _say_end(caller, answer.run)
            return
        seen.place = answer.event.index + 1
        index, time, kind, step, content = _row(answer.event)
        text = printable(f"{index:>5}  {time:<24}  {kind:<17}  {step:<6}  {content}".rstrip())
        if answer.event.HasField("opened"):
            text += "\n" + unsealed.block(unsealed.content(answer.event.opened))
        caller.emit_line("event", views.event(answer.event), text)
        unsealed.note_unreadable(caller, [answer.event])


def _say_end(caller: Caller, header: run_pb2.Run) -> None:
    """The last line of what was followed."""
    caller.emit_line("run", views.run(header), f"the run is {views.run_status(header.status)}")


@dataclass(slots=True)
class _Seen:
    """How far a stream of events has come, and what of it is opened, and why."""

    place: int
    reason: str
    fields: list[str]

    def request(self, run: str) -> run_pb2.WatchRequest:
        """What is missing."""
        return run_pb2.WatchRequest(run_id=run, from_index=self.place, reason=self.reason, fields=self.fields)


def logs(
    caller: Caller,
    run: Run,
    follow: Follow = False,
    start: From = 0,
    decrypt: Decrypt = False,
    reason: Why = "",
) -> None:
    """Show what the guest of a run logged. It stays sealed unless --decrypt and a reason are given.

    The host writes down that the lines of the run were opened, when and why. With --follow and --json each line is one
    document, and the last is the run.
    """
    why = opening_reason(decrypt=decrypt, reason=reason)
    with connect(caller) as host:
        if follow:
            for line in _followed_lines(caller, host, run, start, why):
                caller.emit_line("log-line", views.log_line(line), _shown(line))
            _say_end(caller, host.call(runs_stub(host).Get, run_pb2.RunServiceGetRequest(run_id=run)).run)
            return
        request = run_pb2.LogsRequest(run_id=run, from_index=start, reason=why)
        found: list[run_pb2.LogsResponse] = list(host.stream(runs_stub(host).Logs, request))
    caller.emit(
        "logs",
        {"run_id": run, "opened": bool(why), "lines": [views.log_line(line) for line in found]},
        "\n".join(_shown(line) for line in found),
    )
    unsealed.note_unreadable(caller, found)
    if not found:
        caller.note(f"its guest logged nothing after event {start - 1}" if start else "its guest logged nothing")
    elif not why:
        caller.note('they are sealed: add --decrypt --reason "..." to read them')


def _followed_lines(caller: Caller, host: Host, run: str, start: int, why: str) -> Iterator[run_pb2.LogsResponse]:
    """Every line once: an event of several lines that was cut in the middle is asked for again from its beginning."""
    last = (start, -1)

    def request() -> run_pb2.LogsRequest:
        index = last[0] if why or last[1] < 0 else last[0] + 1
        return run_pb2.LogsRequest(run_id=run, from_index=index, follow=True, reason=why)

    def ended() -> bool:
        header = host.call(runs_stub(host).Get, run_pb2.RunServiceGetRequest(run_id=run)).run
        return views.is_final(header)

    for line in followed(caller, host, runs_stub(host).Logs, request, ended):
        if (line.index, line.position) > last:
            last = (line.index, line.position)
            yield line


def _shown(line: run_pb2.LogsResponse) -> str:
    time = views.optional_time(line, "create_time") or ""
    if line.HasField("sealed"):
        return f"{time}  {unsealed.unreadable_mark(line) or views.sealed(line.sealed)}"
    return f"{time}  {line.mode:<4}  {printable(line.line)}"


def add_to(app: typer.Typer) -> None:
    """Add both commands."""
    verb(app, "events", example="strongroom run events wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D --follow")(events)
    verb(
        app,
        "logs",
        example='strongroom run logs wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D --follow --decrypt --reason "wrong total"',
    )(logs)
