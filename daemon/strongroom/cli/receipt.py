"""``strongroom receipt``: what shows, later and elsewhere, in what a confidential run executed."""

import base64
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli import receipt_verify
from strongroom.cli.caller import Caller
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.new_file import new_file
from strongroom.cli.run_calls import Decrypt, Run, Why, opening_reason, runs_stub
from strongroom.cli.run_end import note_fence
from strongroom.cli.verbs import a_path, group, verb
from strongroom.pb.strongroom.v1 import run_pb2

__all__ = ["app"]

EXAMPLE: Final = "strongroom receipt export wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D --output run.receipt"

_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to make; stdout if not given.", metavar="FILE", parser=a_path),
]
_ResultFile = Annotated[
    Path | None,
    typer.Option(
        "--result-file",
        help="File to make of the result that the receipt is about; needs --decrypt and --reason.",
        metavar="FILE",
        parser=a_path,
    ),
]

app = group("Take receipts of confidential runs out of the host, and check them anywhere.")


@verb(app, "export", example=EXAMPLE)
def export(
    caller: Caller,
    run: Run,
    output: _Output = None,
    result_file: _ResultFile = None,
    decrypt: Decrypt = False,
    reason: Why = "",
) -> None:
    """Write the receipt of a confidential run that has ended: the one that its last execution left.

    It is binary, for `strongroom receipt verify`. It holds digests, and names of secrets and capabilities, and no
    payload. A file is new, and only you may read it.

    With --result-file, --decrypt and a reason it also writes the result itself, byte for byte as the enclave signed it,
    for `strongroom receipt verify --result`; an execution without a result has no bytes. The host writes down that it
    was opened, when and why.
    """
    why = opening_reason(decrypt=decrypt, reason=reason)
    if (result_file is None) == bool(why):
        raise bad_data(
            "SR-CLI-140",
            "--result-file and --decrypt go together",
            why="the result is all that is sealed here",
            fix='--result-file run.result --decrypt --reason "for the auditor"; or neither',
            exit_code=Exit.USAGE,
        )
    if output is None and not caller.json and sys.stdout.isatty():
        raise bad_data(
            "SR-CLI-080",
            "a receipt is binary, and stdout is a terminal",
            fix="name a file: --output run.receipt; or add --json",
            exit_code=Exit.USAGE,
        )
    with connect(caller) as host:
        answer = host.call(runs_stub(host).GetReceipt, run_pb2.GetReceiptRequest(run_id=run, reason=why))
    document = {
        "run_id": answer.run.run_id,
        "file": None if output is None else str(output),
        "bytes": len(answer.receipt),
        "assurance": answer.run.assurance,
        "insecure": answer.run.insecure,
        "result_file": None if result_file is None else str(result_file),
        "result_bytes": None if result_file is None else len(answer.result),
    }
    with ExitStack() as made:
        if output is not None:
            made.enter_context(new_file(output))(answer.receipt)
        if result_file is not None:
            made.enter_context(new_file(result_file, "--result-file"))(answer.result)
    if output is not None:
        caller.emit("receipt-exported", document, str(output))
    elif caller.json:
        caller.emit("receipt-exported", {**document, "receipt": base64.b64encode(answer.receipt).decode()}, "")
    else:
        caller.emit_bytes(answer.receipt)
    note_fence(caller, answer.run)


receipt_verify.add_to(app)
