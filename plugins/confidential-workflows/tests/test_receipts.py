"""Every attested execution leaves a receipt, however it ended; the plugin keeps the last of each for a moment."""

import hashlib
import threading

import pytest

from strongroom.attest.evidence import EvidenceLimits
from strongroom.attest.receipt import decode_receipt
from strongroom.attest.receipt_check import check_receipt
from strongroom.attest.result import check_result
from strongroom.attest.runtime_data import decode_runtime_data
from strongroom.attest.software import KIND
from strongroom.attest.verifiers import VERIFIERS
from strongroom.plugin.messages import backend_pb2, basic_action_pb2, sdk_pb2, values_pb2
from strongroom_confidential_workflows.receipts import Receipts
from tests.fakes.attested_runner import executed
from tests.fakes.enclave_host import EXECUTION, request_for, subscribing, triggered
from tests.guests.build import wasm

ACTION = "basic-test-action@1.0.0"
NOTHING = hashlib.sha256(b"").digest()


def checked(host, vault, result_bytes=None):
    """The result that the receipt holds, after everything in it was checked."""
    findings = check_receipt(
        decode_receipt(host.receipt()),
        verifiers=VERIFIERS,
        anchors={KIND: frozenset({vault.authority.fingerprint})},
        limits=EvidenceLimits(),
        result_bytes=result_bytes,
    )
    assert findings.holds, [each for each in findings.checks if not each.is_passed]
    return findings.result


def test_a_run_that_succeeds_leaves_a_receipt_of_its_result_and_its_secrets(host, vault, hello):
    vault.create("API_KEY", b"v")
    answer = host.call("Execute", request_for(hello, triggered(), secrets=["API_KEY"]))
    result = checked(host, vault, answer.execution_result)
    assert (result.status, result.execution_id, result.attempt) == ("succeeded", EXECUTION, 1)
    assert result.secrets == (("main", "API_KEY", 1),)
    assert result.calls == ()
    receipt = decode_receipt(host.receipt())
    assert (receipt.assurance, receipt.vault, receipt.protocol) == ("none", "co-located", "native")


def test_calls_are_in_the_receipt_in_their_order_with_what_went_out_and_came_back(host, vault):
    host.registry.add(ACTION, lambda call: basic_action_pb2.Outputs(adapted_thing=call.metadata.reference_id))
    host.run(request_for(host.artifacts.add(wasm("async-calls")), triggered()))
    calls = checked(host, vault).calls
    relayed = [call for call in host.registry.calls if call.capabilityId == ACTION]
    assert {each.ref for each in calls} == {call.metadata.reference_id for call in relayed}
    assert [(each.capability_id, each.trust) for each in calls] == [(ACTION, "host")] * len(relayed)
    for call in relayed:
        sent = sdk_pb2.CapabilityRequest(
            id=ACTION, method=call.method, payload=call.payload, callback_id=int(call.metadata.reference_id)
        )
        (recorded,) = (each for each in calls if each.ref == call.metadata.reference_id)
        assert recorded.request_sha256 == hashlib.sha256(sent.SerializeToString()).digest()
        assert recorded.response_sha256 != NOTHING


def test_a_guest_that_answers_with_an_error_has_failed(host, vault):
    guest = host.artifacts.add(wasm("secrets"))
    answer = host.call("Execute", request_for(guest, triggered()))
    assert checked(host, vault, answer.execution_result).status == "failed"


@pytest.mark.parametrize(("guest", "status"), [("trap", "failed"), ("loop", "timed_out")])
def test_a_run_without_a_result_leaves_a_receipt_of_how_it_ended(host, vault, guest, status):
    refused = host.refusal_in_the_middle if guest == "loop" else host.refusal
    refused(request_for(host.artifacts.add(wasm(guest)), triggered()))
    result = checked(host, vault, b"")
    assert (result.status, result.result_sha256) == (status, NOTHING)


def test_a_run_that_is_cancelled_leaves_a_receipt_with_the_call_that_nobody_answered(host, vault):
    inside, leave = threading.Event(), threading.Event()

    def waits(call):
        inside.set()
        assert leave.wait(30)
        return basic_action_pb2.Outputs()

    host.registry.add(ACTION, waits)
    request = request_for(host.artifacts.add(wasm("async-calls")), triggered())
    running = threading.Thread(target=lambda: host.refusal(request))
    running.start()
    assert inside.wait(30)
    host.call("Cancel", backend_pb2.CancelExecution(execution_id=EXECUTION, reason="a person asked"))
    running.join(30)
    leave.set()
    result = checked(host, vault, b"")
    assert result.status == "cancelled"
    assert {each.response_sha256 for each in result.calls} == {NOTHING}


def test_what_ended_before_it_was_attested_leaves_none_and_not_that_of_an_earlier_attempt(host, vault, hello):
    host.run(request_for(hello, triggered()))
    assert host.receipt()
    host.refusal(request_for(hello, triggered(), secrets=["MISSING"]))
    assert host.receipt() == b""


def test_a_second_attempt_replaces_the_receipt_of_the_first(host, vault, hello):
    for attempt in (1, 2):
        host.run(request_for(hello, triggered()))
        assert checked(host, vault).attempt == attempt


def test_subscribing_leaves_no_receipt_to_fetch(host, hello):
    host.run(request_for(hello, subscribing()))
    assert host.receipt("") == b""


def test_the_oldest_receipts_go_first_by_count_and_by_size():
    kept = Receipts(count_max=2, bytes_max=10)
    for name in ("a", "b", "c"):
        kept.keep(name, name.encode())
    assert [kept.of(name) for name in "abc"] == [b"", b"b", b"c"]
    kept.keep("d", b"123456789")
    assert [kept.of(name) for name in "bcd"] == [b"", b"c", b"123456789"]
    kept.keep("d", b"1")
    kept.keep("e", b"22222222222")
    assert [kept.of(name) for name in "cde"] == [b"", b"", b""], "one that is too large is not kept"
    kept.forget("never there")


def executed_with(vault, result):
    """What leaves the enclave when its guest answers with these bytes."""
    return executed(vault, guest=lambda *_, **__: result, secrets=())


def signed(finished):
    """The digest of the result in the receipt."""
    receipt = decode_receipt(finished.receipt)
    return check_result(receipt.result, sig_pub=decode_runtime_data(receipt.runtime_data).sig_pub).result_sha256


def test_a_result_is_signed_and_leaves_the_enclave_in_the_one_form_that_hosts_store(vault):
    wanted = sdk_pb2.ExecutionResult(value=values_pb2.Value(string_value="done")).SerializeToString(deterministic=True)
    before = sdk_pb2.ExecutionResult(value=values_pb2.Value(string_value="before")).SerializeToString()
    finished = executed_with(vault, before + wanted)
    assert (finished.outcome, finished.result) == ("result", wanted)
    assert signed(finished) == hashlib.sha256(wanted).digest()


def test_a_map_in_a_result_has_one_order_whatever_its_guest_wrote(vault):
    maps = [values_pb2.Map(fields={name: values_pb2.Value(string_value=name)}) for name in "badc"]
    # Messages one after the other are one message, with all entries in this order.
    pieces = [
        sdk_pb2.ExecutionResult(value=values_pb2.Value(map_value=each)).SerializeToString(deterministic=True)
        for each in maps
    ]
    written = [b"".join(pieces), b"".join(reversed(pieces))]
    found = [executed_with(vault, each).result for each in written]
    assert found[0] == found[1]
    assert set(sdk_pb2.ExecutionResult.FromString(found[0]).value.map_value.fields) == set("abcd")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (b"\xff\xff", "the guest's result is not an ExecutionResult"),
        (b"\x0a" * 5, "the guest's result is not an ExecutionResult"),
        (bytes(6 * 1024 * 1024), "the result has 6291456 bytes, and 5242880 is the limit"),
    ],
    ids=["no message", "cut short", "too large"],
)
def test_what_is_no_result_leaves_a_receipt_of_none(vault, result, reason):
    finished = executed_with(vault, result)
    assert (finished.outcome, finished.result, finished.error) == ("guest_fault", b"", reason)
    assert signed(finished) == NOTHING
