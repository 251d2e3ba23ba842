"""``strongroom run streams``, ``stream`` and ``stream-write``: what a run makes, while it makes it."""

import base64
import codecs
import re
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer
from ulid import ULID

from strongroom.cli import views
from strongroom.cli.caller import Caller
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.run_calls import Decrypt, Run, Why, followed, opening_reason, was_cut
from strongroom.cli.verbs import verb
from strongroom.pb.strongroom.v1 import stream_pb2
from strongroom.pb.strongroom.v1.stream_pb2_grpc import StreamServiceStub
from strongroom.telemetry.redaction import printable

__all__ = ["add_to", "sent"]

INDEX_MAX: Final = 2**62
PIECE_BYTES: Final = 262_144
"""Of what is written at once, a chunk holds this much: the most that a host takes."""
PAGE_SIZE: Final = 500
PAUSE_S: Final = 0.3
REQUEST_ID: Final = re.compile(r"[!-~]{1,100}", re.ASCII)

_Name = Annotated[str, typer.Argument(help="Name of the stream.", metavar="NAME")]
_Data = Annotated[str | None, typer.Argument(help="@file, - for stdin, or the text itself.", metavar="DATA")]
_From = Annotated[
    int,
    typer.Option(
        "--from",
        help="Index of the first chunk; below zero it counts from the end.",
        min=-INDEX_MAX,
        max=INDEX_MAX,
        metavar="N",
    ),
]
_Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is closed, or its run has ended.")]
_Close = Annotated[bool, typer.Option("--close", help="Close the stream; nothing can be written behind it.")]
_RequestId = Annotated[
    str,
    typer.Option("--request-id", help="Id of this writing; the same one again writes nothing twice.", metavar="ID"),
]


def streams(caller: Caller, run: Run) -> None:
    """List the streams of a run: how many chunks, how many bytes, and whether they are closed."""
    found: list[stream_pb2.StreamInfo] = []
    request = stream_pb2.StreamServiceListRequest(run_id=run, page_size=PAGE_SIZE)
    with connect(caller) as host:
        while True:
            page = host.call(host.stub(StreamServiceStub).List, request)
            found += page.streams
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
    caller.emit_table(
        "streams",
        {"run_id": run, "streams": [_info(each) for each in found]},
        ["STREAM", "CHUNKS", "BYTES", "STATE"],
        [[each.name, each.chunks, each.content_bytes, _state(each)] for each in found],
        nothing="it has no streams",
    )


def stream(
    caller: Caller,
    run: Run,
    name: _Name,
    start: _From = 0,
    follow: _Follow = False,
    decrypt: Decrypt = False,
    reason: Why = "",
) -> None:
    """Show a stream of a run. Its chunks stay sealed unless --decrypt and a reason are given.

    With those stdout gets the bytes as they were written, and with --json one document for each chunk. With --follow it
    goes on until the stream is closed, also across a restart of the host; --from N goes on after chunk N - 1. A stream
    that its run left without an end is an error (74), after everything that is there.
    """
    why = opening_reason(decrypt=decrypt, reason=reason)
    shown = _Shown(caller, run, name, is_opened=bool(why))
    with connect(caller) as host:
        for chunk in _chunks(caller, host, run, name, start, why, is_followed=follow):
            shown.add(chunk)
    shown.end()
    if not why:
        caller.note('they are sealed: add --decrypt --reason "..." to read them')


def _chunks(
    caller: Caller, host: Host, run: str, name: str, start: int, why: str, *, is_followed: bool
) -> Iterator[stream_pb2.StreamChunk]:
    """Every chunk once, wherever the way to the host is cut."""
    place = start

    def request() -> stream_pb2.StreamServiceReadRequest:
        return stream_pb2.StreamServiceReadRequest(
            run_id=run, name=name, start_index=place, follow=is_followed, reason=why
        )

    method = host.stub(StreamServiceStub).Read
    answers = followed(caller, host, method, request, lambda: True) if is_followed else host.stream(method, request())
    for answer in answers:
        place = answer.chunk.index + 1
        yield answer.chunk


class _Shown:
    """Chunks on their way to stdout: documents, descriptions, text for a terminal, or the bytes themselves."""

    def __init__(self, caller: Caller, run: str, name: str, *, is_opened: bool) -> None:
        self._caller = caller
        self._of = {"run_id": run, "name": name}
        self._is_opened = is_opened
        # Chunks may part a character; a terminal gets it whole, and nothing that it would obey.
        self._text = codecs.getincrementaldecoder("utf-8")("replace") if sys.stdout.isatty() else None

    def add(self, chunk: stream_pb2.StreamChunk) -> None:
        """Show one."""
        if not self._is_opened or self._caller.json:
            self._caller.emit_line("stream", self._of | _chunk(chunk), _line(chunk))
        elif self._text is not None:
            self._say(self._text.decode(chunk.data))
        else:
            self._caller.emit_bytes(chunk.data)

    def end(self) -> None:
        """What is left of a character that was cut off."""
        if self._text is not None:
            self._say(self._text.decode(b"", final=True))

    def _say(self, text: str) -> None:
        self._caller.emit_raw("\n".join(map(printable, text.split("\n"))).encode())


def stream_write(
    caller: Caller, run: Run, name: _Name, data: _Data = None, close: _Close = False, request_id: _RequestId = ""
) -> None:
    """Write to a stream of a run that goes on, and close it with --close.

    What has more than 256 KiB becomes several chunks. When the host is ended meanwhile, it is waited for and what it
    has not is sent again, until --timeout; --request-id lets you do the same.
    """
    if request_id and not REQUEST_ID.fullmatch(request_id):
        raise bad_data(
            "SR-CLI-197",
            "--request-id is not 1 to 100 printable characters of ASCII without space",
            fix="use a ULID or a UUID",
            exit_code=Exit.USAGE,
        )
    content = caller.read("DATA", data) if data is not None else b""
    if not content and not close:
        raise bad_data("SR-CLI-196", "there is nothing to write", fix="give DATA, or --close", exit_code=Exit.USAGE)
    pieces = [content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES)]
    made = request_id or str(ULID())
    with connect(caller) as host:
        stub = host.stub(StreamServiceStub)
        indexes = []
        for number, piece in enumerate(pieces):
            write = stream_pb2.StreamServiceWriteRequest(
                run_id=run, name=name, data=piece, request_id=f"{made}.{number}", last=close and piece is pieces[-1]
            )
            indexes.append(sent(caller, host, stub.Write, write).index)
        if close and not pieces:
            end = stream_pb2.StreamServiceCloseRequest(run_id=run, name=name, request_id=f"{made}.end")
            sent(caller, host, stub.Close, end)
    document = {"run_id": run, "name": name, "indexes": indexes, "bytes": len(content), "closed": close}
    caller.emit("stream-written", document, " ".join(map(str, indexes)))
    caller.note(f"{len(indexes)} chunks, {len(content)} bytes" + (", and it is closed" if close else ""))


def sent(caller: Caller, host: Host, method: Any, request: Any) -> Any:  # Any: generated methods and messages
    """The answer. What was cut off goes out again: its request id makes it the same write."""
    until = time.monotonic() + caller.timeout_s
    cut: Failure | None = None
    while True:
        try:
            return host.call(method, request, timeout_s=max(until - time.monotonic(), PAUSE_S))
        except Failure as failure:
            away = cut is not None and failure.exit_code in {Exit.UNAVAILABLE, Exit.TEMPORARY}
            if not (was_cut(failure) or away):
                raise
            cut = cut or failure
            if time.monotonic() > until:
                raise cut from None
        time.sleep(PAUSE_S)


def _info(info: stream_pb2.StreamInfo) -> dict[str, Any]:  # Any: JSON
    return {
        "name": info.name,
        "chunks": info.chunks,
        "bytes": info.content_bytes,
        "closed": info.closed,
        "tampered": info.tampered,
    }


def _state(info: stream_pb2.StreamInfo) -> str:
    return "TAMPERED" if info.tampered else "closed" if info.closed else "open"


def _chunk(chunk: stream_pb2.StreamChunk) -> dict[str, Any]:  # Any: JSON
    is_sealed = chunk.HasField("sealed")
    return {
        "index": chunk.index,
        "create_time": views.optional_time(chunk, "create_time"),
        "final": chunk.final,
        "data": None if is_sealed else base64.b64encode(chunk.data).decode(),
        "content": views.sealed(chunk.sealed) if is_sealed else None,
    }


def _line(chunk: stream_pb2.StreamChunk) -> str:
    when = views.optional_time(chunk, "create_time") or ""
    return f"{chunk.index:>5}  {when:<24}  {views.sealed(chunk.sealed)}{'  the last' if chunk.final else ''}"


def add_to(app: typer.Typer) -> None:
    """Add the three commands."""
    verb(app, "streams", example="strongroom run streams wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D")(streams)
    verb(
        app,
        "stream",
        example='strongroom run stream wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D out --follow --decrypt --reason "a look"',
    )(stream)
    verb(
        app,
        "stream-write",
        example="strongroom run stream-write wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D in @page.html --close",
    )(stream_write)
