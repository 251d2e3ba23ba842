"""``strongroom receipt``: what shows, later and elsewhere, in what a confidential run executed."""

import base64
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli import receipt_verify
from strongroom.cli.caller import Caller
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.new_file import new_file
from strongroom.cli.run_calls import Run, runs_stub
from strongroom.cli.run_end import note_fence
from strongroom.cli.verbs import a_path, group, verb
from strongroom.pb.strongroom.v1 import run_pb2

__all__ = ["app"]

EXAMPLE: Final = "strongroom receipt export wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D --output run.receipt"

_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to make; stdout if not given.", metavar="FILE", parser=a_path),
]

app = group("Take receipts of confidential runs out of the host, and check them anywhere.")


@verb(app, "export", example=EXAMPLE)
def export(caller: Caller, run: Run, output: _Output = None) -> None:
    """Write the receipt of a confidential run that has ended: the one that its last execution left.

    It is binary, for `strongroom receipt verify`. It holds digests, and names of secrets and capabilities, and no
    payload. A file is new, and only you may read it.
    """
    if output is None and not caller.json and sys.stdout.isatty():
        raise bad_data(
            "SR-CLI-080",
            "a receipt is binary, and stdout is a terminal",
            fix="name a file: --output run.receipt; or add --json",
            exit_code=Exit.USAGE,
        )
    with connect(caller) as host:
        answer = host.call(runs_stub(host).GetReceipt, run_pb2.GetReceiptRequest(run_id=run))
    document = {
        "run_id": answer.run.run_id,
        "file": None if output is None else str(output),
        "bytes": len(answer.receipt),
        "assurance": answer.run.assurance,
        "insecure": answer.run.insecure,
    }
    if output is not None:
        with new_file(output) as write:
            write(answer.receipt)
        caller.emit("receipt-exported", document, str(output))
    elif caller.json:
        caller.emit("receipt-exported", {**document, "receipt": base64.b64encode(answer.receipt).decode()}, "")
    else:
        caller.emit_bytes(answer.receipt)
    note_fence(caller, answer.run)


receipt_verify.add_to(app)
