"""What the host does with its audit log: policy, redaction, the sealed head, and refused calls that are not his to
fill the disk with."""

import pytest

from strongroom.audit.log_chain import Head, LogName
from strongroom.engine.auditing import CALLER
from strongroom.engine.host_audit import AuditKeys, HostAudit, SealedHeads
from strongroom.engine.record_budget import AT_ONCE_MAX
from strongroom.engine.refused_calls import RefusedCalls
from strongroom.errors import Forbidden, KeyMissing, Tampered, Unavailable
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets
from strongroom.storage import audit_heads
from strongroom.telemetry.redaction import Redaction
from tests.fakes.audit_book import AuditBook
from tests.fakes.audit_rig import Rig, SimulatedDisk

SECRETS = "1:" + "s" * 43
NAME = LogName("deployment-1", "host-1")


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path).open()
    yield made
    made.log.close()


def newest(rig):
    return rig.log.behind(0, 0)[-1].line


def test_a_caller_is_the_one_of_the_call_or_the_host_itself(rig):
    audit = HostAudit(rig.log, Redaction(), refuses=True)
    audit.record("run.start", subject="a")
    assert b'"caller":"host"' in newest(rig)
    token = CALLER.set("anna")
    audit.record("run.start", subject="a")
    CALLER.reset(token)
    assert b'"caller":"anna"' in newest(rig)


def test_what_was_registered_as_secret_is_in_no_record(rig):
    redaction = Redaction()
    redaction.register("c0ffee-c0ffee")
    HostAudit(rig.log, redaction, refuses=True).record(
        "run.start",
        subject="x c0ffee-c0ffee",
        reason="c0ffee-c0ffee",
        caller="c0ffee-c0ffee",
        password="hidden",
        step=3,
    )
    line = newest(rig)
    assert b"c0ffee" not in line
    assert b"open" not in line
    assert b'"step":3' in line


def test_a_record_is_on_the_disk_when_it_is_said_to_be(rig):
    HostAudit(rig.log, Redaction(), refuses=True).record("run.kill", subject="wrun_1")
    assert rig.path.read_bytes().splitlines()[-1] == newest(rig)


@pytest.mark.parametrize("fault", ["full", "sync"])
@pytest.mark.parametrize("policy", ["refuse", "degrade"])
def test_what_cannot_be_recorded_is_refused_or_goes_on_and_is_counted(tmp_path, fault, policy):
    disk = SimulatedDisk()
    rig = Rig(tmp_path, disk=disk).open()
    audit = HostAudit(rig.log, Redaction(), refuses=policy == "refuse")
    audit.record("run.start", subject="before")
    if fault == "full":
        disk.room = 0
    else:
        disk.sync_errors = 10_000
    for _ in range(3):
        if policy == "refuse":
            with pytest.raises(Unavailable) as refused:
                audit.record("run.start", subject="x")
            assert refused.value.code == "SR-AUDIT-010"
            with pytest.raises(Unavailable):
                audit.check()
        else:
            audit.record("run.start", subject="x")
            audit.check()
    assert audit.unrecorded == 3
    assert rig.log.failures >= 3
    assert rig.log.state().problems[0].startswith("it takes no record: ")
    disk.room, disk.sync_errors = None, 0
    audit.record("run.start", subject="after")
    audit.check()
    assert (rig.breaks(), rig.log.state().problems) == ([], ())
    rig.close()


def test_whoever_writes_no_log_is_told_when_it_ceases_and_when_it_begins_again(rig):
    heard = []
    rig.log.on_change = lambda: heard.append(rig.log.state().failing)
    rig.disk.write_errors = 1
    HostAudit(rig.log, Redaction(), refuses=False).record("run.start", subject="x")
    HostAudit(rig.log, Redaction(), refuses=False).record("run.start", subject="x")
    assert heard == ["Input/output error", ""]


def test_after_its_end_what_must_be_recorded_is_refused(rig):
    audit = HostAudit(rig.log, Redaction(), refuses=True)
    rig.close()
    with pytest.raises(Unavailable) as refused:
        audit.record("run.start", subject="x")
    assert refused.value.code == "SR-AUDIT-010"


def test_a_disk_that_does_not_answer_is_one_that_refuses(rig, monkeypatch):
    monkeypatch.setattr("strongroom.engine.host_audit.WAIT_S", 0.01)
    monkeypatch.setattr(rig.log, "append", lambda record: __import__("concurrent.futures").futures.Future())
    with pytest.raises(Unavailable) as refused:
        HostAudit(rig.log, Redaction(), refuses=True).record("run.start", subject="x")
    assert "has not answered" in refused.value.why


@pytest.fixture
def heads(database):
    return SealedHeads(NAME, database, RecordKeys(parse_secrets(SECRETS)))


def stored(database, name="host-1"):
    return database.read(lambda connection: audit_heads.get(connection, name))


def test_a_head_is_sealed_and_read_back(database, heads):
    assert heads.read() is None
    head = Head(7, bytes(range(32)), 7)
    heads.write(head).result(10)
    assert heads.read() == head
    assert bytes(range(32)).hex().encode() not in stored(database)
    closed = Head(9, bytes(32), 9, closed=True)
    heads.write(closed).result(10)
    assert heads.read() == closed
    assert list(database.read(audit_heads.all)) == ["host-1"]


@pytest.mark.parametrize("place", [LogName("deployment-1", "host-2"), LogName("deployment-2", "host-1")])
def test_a_head_opens_at_its_own_place_only(database, heads, place):
    heads.write(Head(7, bytes(32), 7)).result(10)
    sealed = stored(database)
    database.write(lambda connection: audit_heads.set(connection, place.host, sealed)).result()
    with pytest.raises(Tampered):
        SealedHeads(place, database, RecordKeys(parse_secrets(SECRETS))).read()


def test_a_head_of_another_key_or_of_none_does_not_open(database, heads):
    heads.write(Head(7, bytes(32), 7)).result(10)
    with pytest.raises((Tampered, KeyMissing)):
        SealedHeads(NAME, database, RecordKeys(parse_secrets("1:" + "t" * 43))).read()
    database.write(lambda connection: audit_heads.set(connection, "host-1", b"nothing")).result()
    with pytest.raises(Tampered):
        heads.read()


def test_records_are_linked_under_a_subroot_of_their_own():
    root = parse_secrets(SECRETS)
    keys = AuditKeys(root)
    assert keys.writing_version == 1
    assert keys.mac(1, b"x") == root.subroot("audit", 1).mac(b"x")
    with pytest.raises(KeyMissing):
        keys.mac(2, b"x")


def test_whoever_is_refused_again_and_again_does_not_fill_the_log():
    now_s = [100.0]
    book = AuditBook()
    refused = RefusedCalls(book, clock_s=lambda: now_s[0])
    for _ in range(AT_ONCE_MAX + 400):
        refused("/strongroom.v1.RunService/Kill", "anna", Forbidden("SR-AUTH-001", "anna has not the role run"))
    assert len(book.records) == AT_ONCE_MAX
    now_s[0] += 1
    refused("/strongroom.v1.RunService/Kill", "", Forbidden("SR-AUTH-003", "the token is not known here"))
    last = book.records[-1]
    assert (last.action, last.caller, last.outcome) == ("call.refused", "unknown", "SR-AUTH-003")
    assert last.facts["left_out_before"] == 400
