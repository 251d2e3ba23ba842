"""The bytes that a receipt is about are kept with the run, once, and read back as they were signed."""

import json

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.event_types import RECEIPT_KEPT
from strongroom.engine.export import export_lines
from strongroom.engine.history import History
from strongroom.engine.receipts import last_receipt
from strongroom.errors import Cancelled, NotFound, Unavailable
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage import journal
from tests.engine.test_pre_hook import restrictions, with_pre_hook
from tests.fakes.scripted_guest import WAIT_S
from tests.fakes.workflow_host import OWNER, value

CONFIDENTIAL = json.dumps({"confidential": True, "retry": {"attempts_max": 1}}).encode()
RECEIPT, LATER = b"receipt one", b"receipt two"
DONE = value("done")
SIGNED = DONE.SerializeToString(deterministic=True)
WRITTEN_OTHERWISE = value("before").SerializeToString() + SIGNED


def keeps(result, answer=DONE, receipt=RECEIPT):
    """What an execution does whose enclave signed ``result``."""

    def execute(_request, helper):
        helper.keep_receipt(receipt, "none", result)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return execute


def run(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register(attributes=CONFIDENTIAL)
    return ended(host)


def ended(host):
    run_id = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id
    return host.engine.wait(run_id, WAIT_S)[0]


def last(host, header):
    return last_receipt(History(host.host.journals), header.run_id)


def kept(host, header):
    """The contents of the events that keep receipts, in order."""
    events = host.host.journals.read(header)
    found = [event.content for event in events if event.row.event_type == RECEIPT_KEPT]
    return [journal_pb2.ReceiptKept.FromString(content) for content in found]


def test_what_the_enclave_signed_is_what_the_end_of_the_run_keeps_and_stands_there_once(host):
    header = run(host, keeps(SIGNED))
    assert header.status == "completed"
    assert last(host, header).kept_result() == SIGNED
    assert [each.HasField("result") for each in kept(host, header)] == [False]


def test_bytes_that_this_host_would_have_written_otherwise_are_kept_as_they_came(host):
    assert sdk_pb2.ExecutionResult.FromString(WRITTEN_OTHERWISE) == DONE
    header = run(host, keeps(WRITTEN_OTHERWISE))
    assert header.status == "completed"
    assert last(host, header).kept_result() == WRITTEN_OTHERWISE


@pytest.mark.parametrize(
    "answer", [sdk_pb2.ExecutionResult(error="no"), sdk_pb2.ExecutionResult()], ids=["an error", "an empty result"]
)
def test_a_result_that_fails_the_run_is_kept_with_its_receipt(host, answer):
    signed = answer.SerializeToString(deterministic=True)
    header = run(host, keeps(signed, answer))
    assert header.status == "failed"
    assert last(host, header).kept_result() == signed


def test_an_execution_without_a_result_has_one_of_no_bytes(host):
    header = run(host, keeps(b"", Unavailable("SR-ATTEST-035", "away")))
    assert header.status == "failed"
    assert last(host, header).kept_result() == b""


def test_a_run_that_was_cancelled_after_its_enclave_had_ended_says_that_its_result_was_not_kept(host):
    header = run(host, keeps(SIGNED, Cancelled("SR-RUN-018", "a person asked")))
    assert header.status == "cancelled"
    assert last(host, header).receipt == RECEIPT
    with pytest.raises(NotFound, match="the run ended as cancelled") as caught:
        last(host, header).kept_result()
    assert caught.value.code == "SR-RUN-073"


def test_bytes_that_nobody_has_are_not_made_up_where_the_run_has_no_result(host):
    header = run(host, keeps(None, Unavailable("SR-ATTEST-035", "away")))
    with pytest.raises(NotFound) as caught:
        last(host, header).kept_result()
    assert caught.value.code == "SR-RUN-073"


def test_the_result_of_a_pre_hook_is_kept_as_long_as_its_receipt_is_the_last(host):
    answer = restrictions()
    signed = answer.SerializeToString(deterministic=True)
    away = Unavailable("SR-ATTEST-035", "away")

    def refused(request, helper):
        raise away

    host.module.on_trigger = refused
    with_pre_hook(host, keeps(signed, answer), attributes=CONFIDENTIAL)
    header = ended(host)
    assert header.status == "failed"
    assert last(host, header).kept_result() == signed
    host.module.on_trigger = keeps(SIGNED, receipt=LATER)
    header = ended(host)
    assert [each.result for each in kept(host, header)] == [signed, b""]
    assert (last(host, header).receipt, last(host, header).kept_result()) == (LATER, SIGNED)


def test_what_is_kept_of_a_result_is_sealed_and_opened_with_the_rest_only(host):
    error = sdk_pb2.ExecutionResult(error="a text of the guest")
    header = run(host, keeps(error.SerializeToString(deterministic=True), error))
    rows = host.database.read(lambda conn: journal.events(conn, header.run_id, start=0, limit=10))
    assert all(b"a text of the guest" not in row.sealed for row in rows)
    sealed, opened = (
        [json.loads(line) for line in export_lines(History(host.host.journals), header, opened=is_opened)]
        for is_opened in (False, True)
    )
    assert "content" not in next(line for line in sealed if line.get("event_type") == RECEIPT_KEPT)
    shown = next(line for line in opened if line.get("event_type") == RECEIPT_KEPT)["content"]
    assert set(shown) == {"receipt", "result"}
