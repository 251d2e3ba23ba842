"""``strongroom audit``: who did what on a host, and whether the record of it holds."""

from typing import Annotated, Final

import typer

from strongroom.cli import views
from strongroom.cli.caller import Caller
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.verbs import group, verb
from strongroom.pb.strongroom.v1 import audit_pb2, audit_pb2_grpc
from strongroom.telemetry.redaction import printable

__all__ = ["app"]

FOLLOW_S: Final = 86_400.0
"""As long as somebody may want to watch."""
VERIFY_S: Final = 3_600.0
"""A log of some hundred million records."""
SHOWN: Final = 20
RECORDS_MAX: Final = 10_000
TOLD_EVERY: Final = 200_000
"""Records between two words about how far it is."""

app = group("See who did what on a host, and check that the record of it holds.")


def _stub(host: Host) -> audit_pb2_grpc.AuditServiceStub:
    return host.stub(audit_pb2_grpc.AuditServiceStub)


@verb(app, "tail", example="strongroom audit tail -n 50 --follow")
def tail(
    caller: Caller,
    records: Annotated[
        int, typer.Option("--records", "-n", help="So many of the newest.", metavar="N", min=0, max=RECORDS_MAX)
    ] = SHOWN,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay, and show new ones.")] = False,
) -> None:
    """Show the newest records of the audit log, oldest first.

    With --follow and --json each line is one document.
    """
    request = audit_pb2.AuditServiceTailRequest(records=records, follow=follow)
    with connect(caller) as host:
        answers = host.stream(_stub(host).Tail, request, timeout_s=FOLLOW_S if follow else None)
        if caller.json and not follow:
            caller.emit("audit", {"records": [_document(each) for each in answers]}, "")
            return
        for answer in answers:
            if answer.problem:
                caller.warn(answer.problem)
            if answer.HasField("record") or caller.json:
                caller.emit_line("audit-record", _document(answer), _line(answer.record))


@verb(app, "verify", example="strongroom audit verify")
def verify(caller: Caller) -> int:
    """Read the whole audit log, and say whether a record was altered, inserted, removed, moved or cut off.

    The host reads it, which alone has the key. It ends with 65 when the log does not hold.
    """
    answer, told = audit_pb2.AuditServiceVerifyResponse(), 0
    with connect(caller) as host:
        for answer in host.stream(_stub(host).Verify, audit_pb2.AuditServiceVerifyRequest(), timeout_s=VERIFY_S):
            if not answer.done and answer.records >= told + TOLD_EVERY:
                told = answer.records
                caller.note(f"{told} records read")
    document = {
        "holds": not answer.breaks_seen,
        "host": answer.host,
        "records": answer.records,
        "files": answer.files,
        "last_number": answer.number,
        "unchecked": answer.unchecked,
        "restores": list(answer.restores),
        "breaks": [{"number": each.number, "kind": each.kind, "why": each.why} for each in answer.breaks],
        "breaks_seen": answer.breaks_seen,
    }
    caller.emit("audit-verified", document, _verdict(answer))
    if answer.unchecked:
        caller.note(
            f"{answer.unchecked} records are under a key that was retired: the digest of their file vouches for them"
        )
    for number in answer.restores:
        caller.note(
            f"record {number}: the state was restored from a backup; what was recorded between the two is in the log"
            " of the host before"
        )
    return Exit.DATA if answer.breaks_seen else Exit.OK


def _verdict(answer: audit_pb2.AuditServiceVerifyResponse) -> str:
    files = f"{answer.files} file" if answer.files == 1 else f"{answer.files} files"
    if not answer.breaks_seen:
        return f"holds: {answer.records} records in {files}, the last is number {answer.number}"
    lines = [f"DOES NOT HOLD: {answer.records} records in {files}"]
    lines += [f"  record {each.number}: {each.kind}: {each.why}" for each in answer.breaks]
    if answer.breaks_seen > len(answer.breaks):
        lines.append(f"  and {answer.breaks_seen - len(answer.breaks)} more")
    return "\n".join(printable(line) for line in lines)


def _document(answer: audit_pb2.AuditServiceTailResponse) -> dict[str, object]:
    record = answer.record
    return {
        "number": record.number,
        "time": views.optional_time(record, "create_time"),
        "host": record.host,
        "caller": record.caller,
        "action": record.action,
        "subject": record.subject,
        "owner": record.owner,
        "outcome": record.outcome,
        "reason": record.reason,
        "facts": {name: record.facts[name] for name in sorted(record.facts)},
        "problem": answer.problem,
    }


def _line(record: audit_pb2.AuditRecord) -> str:
    facts = " ".join(f"{name}={record.facts[name]}" for name in sorted(record.facts))
    reason = f'"{record.reason}"' if record.reason else ""
    time = views.optional_time(record, "create_time") or ""
    outcome = "" if record.outcome == "done" else record.outcome
    parts = [f"{record.number:>6}", time, f"{record.caller:<12}", f"{record.action:<18}", record.subject, outcome]
    return printable("  ".join(part for part in [*parts, reason, facts] if part))
