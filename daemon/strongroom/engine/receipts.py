"""The receipts of a run: kept in its journal, and read back for whoever exports the last one."""

import hashlib
from typing import Final

from strongroom.engine.event_types import RECEIPT_KEPT
from strongroom.engine.handles import RunHandle
from strongroom.engine.history import History
from strongroom.engine.lifecycle import FINAL, RunEvent
from strongroom.engine.recorded import Recorded
from strongroom.errors import NotFound, WrongState
from strongroom.modules.route import LOCAL
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage.runs import RunRow

__all__ = ["keep", "last_receipt", "mark_started"]

NO_RECEIPT: Final = "none"
"""The class of a confidential run that has left no receipt: nothing shows in what it executed."""


def keep(handle: RunHandle, recorded: Recorded, receipt: bytes, assurance: str) -> None:
    """Have ``receipt`` on disk, and its class in the header, unless it is the one that was kept last.

    A plugin that is asked after an execution which left none answers with the one of the attempt before.
    """
    digest = hashlib.sha256(receipt).digest()
    if digest == recorded.receipt_sha256:
        return
    journal = handle.held_journal()
    content = journal_pb2.ReceiptKept(receipt=receipt).SerializeToString(deterministic=True)
    journal.settle(journal.note(RECEIPT_KEPT, "", content, assurance=assurance))
    recorded.receipt_sha256 = digest


def mark_started(handle: RunHandle) -> None:
    """Note that the run executes, in what, and what may be said of it as long as there is no receipt."""
    journal = handle.held_journal()
    header = journal.header
    assurance = header.assurance or (LOCAL if header.module == LOCAL else NO_RECEIPT)
    journal.move(RunEvent.STARTED, assurance=assurance, **handle.marks)


def last_receipt(history: History, run_id: str) -> tuple[RunRow, bytes]:
    """The header of a run that has ended, and the receipt that its last execution left.

    Raises ``NotFound`` for a run that is not there or has none, ``WrongState`` for one that goes on, ``Tampered``.
    """
    header = history.header(run_id)
    if header.module == LOCAL:
        raise NotFound(
            "SR-RUN-071",
            f"run {header.run_id} is local and has no receipt",
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
    found = b""
    for event in history.stored(header):
        if event.row.event_type == RECEIPT_KEPT:
            found = journal_pb2.ReceiptKept.FromString(event.content or b"").receipt
    if not found:
        raise NotFound(
            "SR-RUN-072",
            f"run {header.run_id} left no receipt",
            why="it ended before it was attested, or its plugin makes no receipts",
            fix=f"strongroom run get {header.run_id} shows how it ended",
            run_id=header.run_id,
        )
    return header, found
