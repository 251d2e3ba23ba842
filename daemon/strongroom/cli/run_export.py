"""``strongroom run export``: a run as lines of JSON, sealed as it is stored or opened for a reason."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.channel import connect
from strongroom.cli.new_file import new_file
from strongroom.cli.run_calls import Decrypt, Run, Why, opening_reason, runs_stub
from strongroom.cli.verbs import a_path, verb
from strongroom.pb.strongroom.v1 import run_pb2

__all__ = ["add_to"]

_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to make; stdout if not given.", metavar="FILE", parser=a_path),
]


def export(caller: Caller, run: Run, output: _Output = None, decrypt: Decrypt = False, reason: Why = "") -> None:
    """Write a run as lines of JSON: its header, which says how many events there are, then the events in order.

    Contents are base64 of the sealed bytes. With --decrypt and a reason they are opened, which the host writes down;
    secrets that the guest read are never among them. The file is new, and only you may read it.
    """
    why = opening_reason(decrypt=decrypt, reason=reason)
    with connect(caller) as host:
        request = run_pb2.ExportRequest(run_id=run, reason=why)
        pieces = (piece.lines for piece in host.stream(runs_stub(host).Export, request))
        if output is None:
            for piece in pieces:
                caller.emit_raw(piece)
            return
        lines, size = _written(output, pieces)
    document = {"run_id": run, "file": str(output), "lines": lines, "bytes": size, "opened": bool(why)}
    caller.emit("run-exported", document, str(output))
    caller.note(f"{lines} lines, {size} bytes" + (", with what was sealed in the clear" if why else ""))


def _written(output: Path, pieces: Iterator[bytes]) -> tuple[int, int]:
    """Lines and bytes that went into the new file. Nothing is left of it when not all of them did."""
    # The host says first whether there is anything to write: a run that does not exist makes no file.
    first = next(pieces, b"")
    lines = size = 0
    with new_file(output) as write:
        for piece in chain((first,), pieces):
            write(piece)
            lines += piece.count(b"\n")
            size += len(piece)
    return lines, size


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    verb(app, "export", example="strongroom run export wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D --output run.jsonl")(export)
