"""What a confidential execution leaves behind is in the journal of its run, sealed, and its class in the header."""

import json

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.export import export_lines
from strongroom.engine.history import History
from strongroom.engine.limits import EngineLimits
from strongroom.engine.receipts import last_receipt
from strongroom.errors import LimitExceeded, NotFound, Tampered, Unavailable, WrongState
from strongroom.storage import journal
from tests.fakes.scripted_guest import WAIT_S
from tests.fakes.workflow_host import OWNER, Gate, WorkflowHost, value

CONFIDENTIAL = json.dumps({"confidential": True, "retry": {"backoff_ms": 1}}).encode()
RECEIPT, LATER = b"receipt one", b"receipt two"


def begin(host, on_trigger, attributes=CONFIDENTIAL):
    host.module.on_trigger = on_trigger
    host.register(attributes=attributes)
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def run(host, on_trigger, attributes=CONFIDENTIAL):
    return host.engine.wait(begin(host, on_trigger, attributes), WAIT_S)[0]


def leaves(*receipts, assurance="none", answer=None, result=None):
    def on_trigger(request, helper):
        for receipt in receipts:
            helper.keep_receipt(receipt, assurance, result)
        if isinstance(answer, Exception):
            raise answer
        return answer or value("done")

    return on_trigger


def kinds(host, header):
    return [event.row.event_type for event in host.host.journals.read(header)]


def history(host):
    return History(host.host.journals)


def test_a_receipt_is_on_disk_before_its_result_and_its_class_is_in_the_header(host):
    header = run(host, leaves(RECEIPT, assurance="vtpm"))
    assert (header.status, header.assurance) == ("completed", "vtpm")
    assert kinds(host, header) == ["run_created", "run_started", "receipt_kept", "run_completed"]
    found = last_receipt(history(host), header.run_id)
    assert (found.header.run_id, found.receipt) == (header.run_id, RECEIPT)


def test_the_receipt_is_sealed_and_the_header_that_names_its_class_is_authentic(host):
    header = run(host, leaves(RECEIPT))
    rows = host.database.read(lambda conn: journal.events(conn, header.run_id, start=0, limit=10))
    assert all(RECEIPT not in row.sealed for row in rows)
    host.database.write(lambda conn: conn.exec_driver_sql("UPDATE runs SET assurance = 'hardware'")).result()
    with pytest.raises(Tampered):
        last_receipt(history(host), header.run_id)


def test_a_run_that_failed_keeps_its_receipt(host):
    header = run(
        host,
        leaves(RECEIPT, answer=Unavailable("SR-ATTEST-035", "away")),
        b'{"confidential": true, "retry": {"attempts_max": 1}}',
    )
    assert (header.status, header.error_code, header.assurance) == ("failed", "SR-ATTEST-035", "none")
    assert last_receipt(history(host), header.run_id).receipt == RECEIPT


def test_each_attempt_leaves_its_own_and_the_last_one_counts(host):
    tries = []

    def on_trigger(request, helper):
        tries.append(helper.execution_id)
        helper.keep_receipt((RECEIPT, LATER)[len(tries) - 1], "none", None)
        if len(tries) == 1:
            raise Unavailable("SR-ATTEST-035", "away")
        return value("done")

    header = run(host, on_trigger)
    assert tries == [header.execution_id] * 2
    assert kinds(host, header).count("receipt_kept") == 2
    assert last_receipt(history(host), header.run_id).receipt == LATER


def test_the_same_receipt_again_is_written_once(host):
    assert kinds(host, run(host, leaves(RECEIPT, RECEIPT))).count("receipt_kept") == 1


def test_after_a_crash_the_next_attempt_leaves_another_one(host):
    gate = Gate()

    def on_trigger(request, helper):
        helper.keep_receipt(RECEIPT, "none", None)
        return gate(request, helper)

    run_id = begin(host, on_trigger)
    assert gate.entered.wait(WAIT_S)
    host.cut_off()
    after = WorkflowHost(host.database)
    after.module.on_trigger = leaves(RECEIPT, LATER, assurance="hardware")
    after.engine.resume()
    header, _ = after.engine.wait(run_id, WAIT_S)
    gate.release.set()
    assert kinds(after, header).count("receipt_kept") == 2, "the first one was known from the journal"
    assert (header.assurance, last_receipt(history(after), run_id).receipt) == ("hardware", LATER)
    after.close()


def test_a_confidential_run_without_a_receipt_shows_nothing_and_a_local_one_needs_none(host):
    header = run(host, leaves())
    assert header.assurance == "none"
    with pytest.raises(NotFound, match="left no receipt") as caught:
        last_receipt(history(host), header.run_id)
    assert caught.value.code == "SR-RUN-072"


def test_a_local_run_has_no_receipt(host):
    header = run(host, leaves(), b"")
    assert header.assurance == "local"
    with pytest.raises(NotFound, match="is local and has no receipt") as caught:
        last_receipt(history(host), header.run_id)
    assert caught.value.code == "SR-RUN-071"


def test_the_receipt_of_a_run_that_goes_on_is_not_given_out(host):
    gate = Gate()
    run_id = begin(host, gate)
    assert gate.entered.wait(WAIT_S)
    with pytest.raises(WrongState, match="may leave another receipt") as caught:
        last_receipt(history(host), run_id)
    assert caught.value.code == "SR-RUN-070"
    gate.release.set()
    host.engine.wait(run_id, WAIT_S)


def test_a_run_that_is_not_there_has_none(host):
    with pytest.raises(NotFound, match="there is no run"):
        last_receipt(history(host), "wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D")


def test_receipts_count_against_the_size_of_a_journal(database):
    host = WorkflowHost(database, limits=EngineLimits(journal_bytes_max=100_000))
    header = run(host, leaves(b"x" * 100_001))
    assert (header.status, header.error_code) == ("failed", "SR-RUN-061")
    host.close()


def test_an_export_has_the_receipt_among_its_events(host):
    header = run(host, leaves(RECEIPT))
    lines = [json.loads(line) for line in export_lines(history(host), header, opened=True)]
    assert lines[0]["assurance"] == "none"
    (kept,) = [line for line in lines if line.get("event_type") == "receipt_kept"]
    assert kept["content"] == {"receipt": "cmVjZWlwdCBvbmU="}


def test_a_journal_that_is_full_is_said_to_whoever_keeps_a_receipt(database):
    host, heard = WorkflowHost(database, limits=EngineLimits(journal_bytes_max=1_000)), []

    def on_trigger(request, helper):
        try:
            helper.keep_receipt(b"x" * 2_000, "none", None)
        except LimitExceeded as error:
            heard.append(error.details["setting"])
            raise
        return value("done")

    run(host, on_trigger)
    assert heard == ["limits.journal_bytes_max"]
    host.close()
