"""The receipts of a run: kept in its journal with the bytes of the results that they are about, and read back.

What the end of a run holds, byte for byte, is not kept twice.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.engine.ends import end_of
from strongroom.engine.event_types import RECEIPT_KEPT
from strongroom.engine.external import EXTERNAL
from strongroom.engine.handles import RunHandle
from strongroom.engine.history import History
from strongroom.engine.lifecycle import FINAL, RunEvent
from strongroom.engine.recorded import Recorded
from strongroom.errors import NotFound, WrongState
from strongroom.modules.route import LOCAL
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage.runs import RunRow

__all__ = ["LastReceipt", "keep", "last_receipt", "mark_started"]

NO_RECEIPT: Final = "none"
"""The class of a confidential run that has left no receipt: nothing shows in what it executed."""


@dataclass(frozen=True, slots=True)
class LastReceipt:
    """The receipt that the last execution of a run left, with the header of the run.

    ``result`` are the bytes that it is about, none of an execution without a result; None where they are not kept.
    """

    header: RunRow
    receipt: bytes
    result: bytes | None = field(repr=False)

    def kept_result(self) -> bytes:
        """Those bytes. Raises ``NotFound``."""
        if self.result is None:
            raise NotFound(
                "SR-RUN-073",
                f"the result that the receipt of run {self.header.run_id} is about was not kept",
                why=f"the run ended as {self.header.status}, or its plugin gave no bytes to compare",
                fix="export the receipt without the result",
                run_id=self.header.run_id,
            )
        return self.result


def keep(
    handle: RunHandle, recorded: Recorded, receipt: bytes, assurance: str, result: bytes | None, *, is_end: bool
) -> None:
    """Have ``receipt`` on disk, and its class in the header, unless it is the one that was kept last.

    ``result`` are the bytes that it is about. They go with it, unless the run ends with them (``is_end``) and its end
    keeps them as they are.

    A plugin that is asked after an execution which left none answers with the one of the attempt before.
    """
    digest = hashlib.sha256(receipt).digest()
    if digest == recorded.receipt_sha256:
        return
    journal = handle.held_journal()
    kept = journal_pb2.ReceiptKept(receipt=receipt)
    if result is not None and not (is_end and _ends_with(result)):
        kept.result = result
    content = kept.SerializeToString(deterministic=True)
    journal.settle(journal.note(RECEIPT_KEPT, "", content, assurance=assurance))
    recorded.receipt_sha256 = digest


def _ends_with(result: bytes) -> bool:
    """Whether the end of a run whose guest answered this holds these very bytes."""
    try:
        end = end_of(sdk_pb2.ExecutionResult.FromString(result))
    except DecodeError:
        return False
    return end.event == RunEvent.COMPLETED and journal_pb2.RunCompleted.FromString(end.content).result == result


def mark_started(handle: RunHandle) -> None:
    """Note that the run executes, in what, and what may be said of it as long as there is no receipt."""
    journal = handle.held_journal()
    header = journal.header
    assurance = header.assurance or (LOCAL if header.module == LOCAL else NO_RECEIPT)
    journal.move(RunEvent.STARTED, assurance=assurance, **handle.marks)


def last_receipt(history: History, run_id: str) -> LastReceipt:
    """The receipt that the last execution of a run that has ended left.

    Raises ``NotFound`` for a run that is not there or has none, ``WrongState`` for one that goes on, ``Tampered``.
    """
    header = history.header(run_id)
    if header.module in (LOCAL, EXTERNAL):
        raise NotFound(
            "SR-RUN-071",
            f"run {header.run_id} is {header.module} and has no receipt",
            why="only what an enclave executed leaves one",
            fix="register the workflow with the attribute confidential",
            run_id=header.run_id,
        )
    if header.status not in FINAL:
        raise WrongState(
            "SR-RUN-070",
            f"run {header.run_id} has not ended",
            why=f"it is {header.status}, and may leave another receipt",
            fix=f"wait for its end: strongroom run get {header.run_id}",
            run_id=header.run_id,
        )
    kept, end = journal_pb2.ReceiptKept(), None
    for event in history.stored(header):
        if event.row.event_type == RECEIPT_KEPT:
            kept = journal_pb2.ReceiptKept.FromString(event.content or b"")
        elif event.row.event_type == RunEvent.COMPLETED:
            end = journal_pb2.RunCompleted.FromString(event.content or b"").result
    if not kept.receipt:
        raise NotFound(
            "SR-RUN-072",
            f"run {header.run_id} left no receipt",
            why="it ended before it was attested, or its plugin makes no receipts",
            fix=f"strongroom run get {header.run_id} shows how it ended",
            run_id=header.run_id,
        )
    return LastReceipt(header, kept.receipt, kept.result if kept.HasField("result") else end)
