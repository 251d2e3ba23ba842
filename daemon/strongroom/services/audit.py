"""``strongroom.v1.AuditService``."""

import threading
from collections.abc import Callable, Iterator
from typing import Final

import grpc

from strongroom.audit.audit_log import AuditLog
from strongroom.audit.log_chain import parse_line
from strongroom.audit.record import Record, decode
from strongroom.audit.tail import newest
from strongroom.audit.verify import Report
from strongroom.errors import InvalidInput
from strongroom.pb.strongroom.v1 import audit_pb2, audit_pb2_grpc
from strongroom.services.places import Places

__all__ = ["AuditService"]

RECORDS_MAX: Final = 10_000
CALLS_MAX: Final = 4
"""Calls at once; to verify reads everything, and who follows holds a thread."""
LOOK_S: Final = 0.25
"""How often whoever follows is looked after: whether he is still there."""
Verify = Callable[[Callable[[int], None]], Report]


class AuditService(audit_pb2_grpc.AuditServiceServicer):
    """The audit log of this host. ``verify`` reads it all, and tells how far it is."""

    def __init__(self, log: AuditLog, verify: Verify, host: str, *, is_ending: Callable[[], bool]) -> None:
        self._log = log
        self._verify = verify
        self._host = host
        self._is_ending = is_ending
        self._places = Places(CALLS_MAX, "calls read the audit log", "wait for one of them to end")

    def Tail(
        self, request: audit_pb2.AuditServiceTailRequest, context: grpc.ServicerContext
    ) -> Iterator[audit_pb2.AuditServiceTailResponse]:
        """The newest records, and new ones as they come."""
        if request.records > RECORDS_MAX:
            raise InvalidInput(
                "SR-AUDIT-007",
                f"{request.records} records are more than {RECORDS_MAX}",
                why="they are read at once",
                fix="ask for fewer, or read the files of the log",
                field="records",
            )
        with self._places.taken():
            last = self._log.writer.number
            lines = newest(self._log, request.records)
            for raw in lines:
                yield _message(raw)
                parsed = parse_line(raw)
                last = parsed.number if parsed is not None else last
            while request.follow and context.is_active() and not self._is_ending():
                for written in self._log.behind(last, LOOK_S):
                    answer = _message(written.line)
                    if written.number > last + 1:
                        answer.problem = f"{written.number - last - 1} records came too fast to be shown"
                    yield answer
                    last = written.number

    def Verify(
        self, request: audit_pb2.AuditServiceVerifyRequest, context: grpc.ServicerContext
    ) -> Iterator[audit_pb2.AuditServiceVerifyResponse]:
        """Read everything, in a thread of its own, and tell how far it is meanwhile."""
        with self._places.taken():
            reading = _Reading(self._verify, context.is_active)
            while not reading.done.wait(LOOK_S):
                yield audit_pb2.AuditServiceVerifyResponse(records=reading.records)
            report = reading.report()
        answer = audit_pb2.AuditServiceVerifyResponse(
            records=report.records,
            done=True,
            files=report.files,
            number=report.number,
            unchecked=report.unchecked,
            breaks_seen=report.breaks_seen,
            host=self._host,
            restores=report.restores,
        )
        for each in report.breaks:
            answer.breaks.add(number=each.number, kind=each.kind, why=each.why)
        yield answer


class _GoneError(Exception):
    """Whoever asked does not wait any more."""


class _Reading:
    """One look at everything."""

    def __init__(self, verify: Verify, is_wanted: Callable[[], bool]) -> None:
        self.records = 0
        self.done = threading.Event()
        self._is_wanted = is_wanted
        self._report: Report | None = None
        self._failure: BaseException | None = None
        threading.Thread(target=self._run, args=(verify,), name="audit-verify", daemon=True).start()

    def report(self) -> Report:
        """What was found. Raises what reading raised."""
        if self._report is None:
            raise self._failure or RuntimeError("it has not ended")
        return self._report

    def _run(self, verify: Verify) -> None:
        try:
            self._report = verify(self._tell)
        except BaseException as error:  # the failure belongs to the call
            self._failure = error
        finally:
            self.done.set()

    def _tell(self, records: int) -> None:
        self.records = records
        if not self._is_wanted():
            raise _GoneError


def _message(raw: bytes) -> audit_pb2.AuditServiceTailResponse:
    line = parse_line(raw)
    record = decode(line.record) if line is not None else None
    if record is None:
        return audit_pb2.AuditServiceTailResponse(problem="a line of the log that is none: strongroom audit verify")
    return audit_pb2.AuditServiceTailResponse(record=_record_message(record))


def _record_message(record: Record) -> audit_pb2.AuditRecord:
    message = audit_pb2.AuditRecord(
        number=max(record.number, 0),
        host=record.host,
        caller=record.caller,
        action=record.action,
        subject=record.subject,
        owner=record.owner,
        outcome=record.outcome,
        reason=record.reason,
        facts={name: str(value) for name, value in record.facts.items()},
    )
    message.create_time.FromMilliseconds(record.time_ms)
    return message
