"""Whole executions: real enclave runners and guests, and a vault in memory that releases by the production verifier."""

import logging
import threading

import pytest

from strongroom.guest.ids import name_hash, workflow_id
from strongroom.modules.vault_reads import not_listed
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import basic_action_pb2
from strongroom_confidential_workflows import runner_process
from tests.fakes.enclave_host import (
    EXECUTION,
    WORKFLOW,
    EnclaveHost,
    missing_vault,
    request_for,
    subscribing,
    triggered,
)
from tests.fakes.vault_owner import ALICE, BOB
from tests.guests.build import wasm

CANARY = "canary-7b1e55aa"
ACTION = "basic-test-action@1.0.0"


def seen_secret(result):
    """What the guest hello says of its secret."""
    fields = result.value.map_value.fields
    assert fields["greeting"].string_value == "hello, x"
    return next(value.string_value for name, value in fields.items() if name != "greeting")


@pytest.mark.parametrize("dialect", ["both", "seed", "later"])
def test_a_run_gets_its_secret_in_every_dialect(host, vault, hello, dialect):
    vault.create("API_KEY", b"s3cret")
    request = request_for(hello, triggered(), secrets=["API_KEY"], dialect=dialect)
    assert seen_secret(host.run(request)) == "present, 6 bytes"


def test_a_brotli_binary_runs_and_its_hash_is_over_the_stored_bytes(host, vault):
    brotli = pytest.importorskip("brotli")
    vault.create("API_KEY", b"v")
    stored = host.artifacts.add(brotli.compress(wasm("hello")))
    assert seen_secret(host.run(request_for(stored, triggered(), secrets=["API_KEY"]))) == "present, 1 bytes"


def test_another_binary_is_refused_with_both_hashes_before_any_secret_is_asked_for(host, vault, hello):
    vault.create("API_KEY", b"s3cret")
    other = host.artifacts.add(wasm("greet"))
    host.artifacts.lies[hello] = wasm("greet")
    error = host.refusal(request_for(hello, triggered(), secrets=["API_KEY"]))
    assert (error.origin, error.name) == ("System", "DataLoss")
    assert error.message.startswith("binary hash mismatch")
    assert hello in error.message
    assert other in error.message
    assert vault.asked == []


def test_subscribe_runs_in_the_enclave_and_a_missing_secret_is_the_guests_to_judge(host, hello):
    result = host.run(request_for(hello, subscribing(), secrets=["API_KEY"]))
    assert result.trigger_subscriptions.subscriptions[0].id == "http-trigger@1.0.0-alpha"
    at_subscribe = host.artifacts.add(wasm("secrets-at-subscribe"))
    assert host.run(request_for(at_subscribe, subscribing(), secrets=["Foo"])).HasField("trigger_subscriptions")


@pytest.mark.parametrize(
    ("secret", "name"),
    [("API_KEY", "main/API_KEY"), (("K", "custom"), "custom/K")],
    ids=["default namespace", "own namespace"],
)
def test_a_missing_secret_fails_a_run_and_is_named_with_what_to_do(host, hello, secret, name):
    error = host.refusal(request_for(hello, triggered(), secrets=[secret]))
    assert (error.visibility, error.origin, error.name) == ("Public", "User", "PermissionDenied")
    assert error.message.startswith("SR-ATTEST-030: evidence refused at manifest secret")
    assert f"a grant of {name} to this workflow, and the secret in the vault" in error.message
    assert "`strongroom secret set`" in error.message


def test_a_list_is_the_whole_of_what_a_guest_may_have(host, vault, hello):
    vault.create("API_KEY", b"v")
    vault.create("OTHER", b"w")
    request = request_for(hello, triggered(config=b"OTHER"), secrets=["API_KEY"])
    assert seen_secret(host.run(request)) == "absent"
    assert vault.released[0].secrets == (("main", "API_KEY"),)
    secrets = host.artifacts.add(wasm("secrets"))
    result = host.run(request_for(secrets, triggered(), secrets=["API_KEY"]))
    assert result.error == not_listed("main", "Foo")


@pytest.mark.parametrize("request_", [triggered, subscribing], ids=["run", "subscribe"])
def test_without_a_list_and_a_grant_a_guest_gets_no_secret(host, vault, request_):
    vault.create("Foo", b"bar")
    secrets = host.artifacts.add(wasm("secrets"))
    for_run = request_ is triggered
    result = host.run(request_for(secrets, request_()))
    assert not for_run or result.error == not_listed("main", "Foo")
    assert vault.released[0].secrets == ()


def test_without_a_list_a_guest_gets_what_its_owners_manifest_grants_and_the_vault_holds(host, vault):
    vault.create("Foo", b"bar")
    vault.create("OTHER", b"w")
    secrets = host.artifacts.add(wasm("secrets"))
    vault.grant(WORKFLOW, secrets, b"", ("main", "Foo"), ("main", "MISSING"))
    assert host.run(request_for(secrets, triggered())).value.string_value == "bar"
    assert vault.released[0].secrets == (("main", "Foo"),)
    other_config = host.run(request_for(secrets, triggered(config=b"other")))
    assert other_config.error == not_listed("main", "Foo")


def test_subscribing_asks_for_the_named_secrets_that_are_there_and_granted(host, vault):
    vault.create("Foo", b"bar")
    vault.create("NOT_GRANTED", b"bar")
    at_subscribe = host.artifacts.add(wasm("secrets-at-subscribe"))
    vault.grant(WORKFLOW, at_subscribe, b"", ("main", "Foo"), ("main", "GONE"), ("main", "UNNAMED"))
    host.run(request_for(at_subscribe, subscribing(), secrets=["Foo", "NOT_GRANTED", "GONE"]))
    assert vault.released[0].secrets == (("main", "Foo"),)


def test_a_vault_that_knows_no_manifests_grants_nothing(vault):
    host = EnclaveHost(vault=vault)
    foreign = {"vault.manifests.get", "vault.secrets.status"}

    def call(call):
        if call.method in foreign:
            raise CapabilityError("Public", "User", "Unimplemented", "no such method")
        return vault.call(call)

    host.registry.add("vault@1.0.0", call)
    result = host.run(request_for(host.artifacts.add(wasm("secrets")), triggered()))
    host.close()
    assert result.error == not_listed("main", "Foo")


def test_an_id_that_owner_name_binary_and_configuration_give_is_computed_in_the_enclave(host, hello, vault):
    ours = workflow_id(owner=ALICE, name="billing", binary=wasm("hello"), config=b"c")
    request = request_for(hello, triggered(config=b"c"), workflow_id=ours)
    host.run(request, workflow_name="billing", workflow_id=ours)
    host.run(request, decoded_workflow_name="billing", workflow_name=name_hash("billing"), workflow_id=ours)
    host.run(request, workflow_name=name_hash("billing"), workflow_id=ours)
    assert len(vault.released) == 3
    error = host.refusal(request, workflow_name="other", workflow_id=ours)
    assert (error.origin, error.name) == ("System", "DataLoss")
    assert error.message.startswith("workflow id mismatch")
    assert len(vault.released) == 3


def test_an_owner_never_gets_the_secrets_of_another_one(host, vault, hello):
    vault.create("API_KEY", b"v", owner=BOB)
    error = host.refusal(request_for(hello, triggered(), secrets=["API_KEY"]))
    assert error.message.startswith("SR-ATTEST-030")


@pytest.mark.parametrize("answer", [None, missing_vault], ids=["no vault", "vault fails"])
@pytest.mark.parametrize("secrets", [["API_KEY"], []], ids=["a list", "no list"])
def test_a_vault_that_cannot_be_asked_fails_every_run_and_says_so(vault, answer, secrets):
    host = EnclaveHost(vault=vault, vault_is_up=False)
    if answer:
        host.registry.add("vault@1.0.0", answer)
    stored = host.artifacts.add(wasm("hello"))
    error = host.refusal(request_for(stored, triggered(), secrets=secrets))
    host.close()
    assert (error.origin, error.name) == ("System", "Unavailable")
    assert error.message.startswith("SR-ATTEST-035 the confidential backend is away (CONFIDENTIAL_BACKEND_UNAVAILABLE)")


def test_everything_outside_of_the_runner_and_the_vault_sees_sealed_bytes_only(vault, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    crossed = bytearray()

    class RecordingFrames(runner_process.Frames):
        def send(self, message, **arguments):
            crossed.extend(message)
            super().send(message, **arguments)

        def receive(self, timeout_s):
            message = super().receive(timeout_s)
            crossed.extend(message or b"")
            return message

    monkeypatch.setattr(runner_process, "Frames", RecordingFrames)
    vault.create("API_KEY", CANARY.encode())
    host = EnclaveHost(vault=vault)
    hello = host.artifacts.add(wasm("hello"))
    for _ in range(2):
        assert seen_secret(host.run(request_for(hello, triggered(), secrets=["API_KEY"]))) == "present, 15 bytes"
    host.close()
    outside = bytes(crossed) + bytes(host.registry.seen) + caplog.text.encode()
    assert b"API_KEY" in outside
    for spelling in (CANARY.encode(), CANARY.encode().hex().encode(), CANARY.encode().hex().upper().encode()):
        assert spelling not in outside
    assert len({each.kem_pub for each in vault.released}) == 2, "each execution has a key of its own"


def test_a_workflow_that_its_host_names_in_plain_is_named_to_others_as_by_any_host(host):
    host.registry.add(ACTION, lambda call: basic_action_pb2.Outputs())
    guest = wasm("async-calls")
    ours = workflow_id(owner=ALICE, name="hello", binary=guest, config=b"")
    request = request_for(host.artifacts.add(guest), triggered(), workflow_id=ours)
    host.run(request, workflow_name="hello", workflow_id=ours)
    stamped = next(call.metadata for call in host.registry.calls if call.capabilityId == ACTION)
    assert (stamped.workflow_name, stamped.decoded_workflow_name) == (name_hash("hello"), "hello")


def test_a_capability_call_is_relayed_with_the_metadata_of_the_execution(host):
    host.registry.add(ACTION, lambda call: basic_action_pb2.Outputs(adapted_thing=call.metadata.reference_id))
    binary = wasm("async-calls")
    metadata = {
        "workflow_id": workflow_id(owner=ALICE, name="hello", binary=binary, config=b""),
        "workflow_name": name_hash("hello"),
        "decoded_workflow_name": "hello",
        "workflow_tag": "t1",
        "org_id": "org",
        "engine_version": "v2",
    }
    request = request_for(host.artifacts.add(binary), triggered(), workflow_id=metadata["workflow_id"])
    assert host.run(request, **metadata).value.string_value == "01"
    call = next(call for call in host.registry.calls if call.metadata.reference_id == "1")
    assert (call.capabilityId, call.method) == (ACTION, "PerformAction")
    assert call.metadata.workflow_execution_id == EXECUTION
    assert call.metadata.workflow_owner == ALICE
    assert {name: getattr(call.metadata, name) for name in metadata} == metadata


def test_a_failed_capability_call_reaches_the_guest_as_an_error(host):
    def fails(call):
        raise CapabilityError("Public", "User", "InvalidArgument", "not that")

    guest = host.artifacts.add(wasm("async-calls"))
    missing = host.run(request_for(guest, triggered())).error
    host.registry.add(ACTION, fails)
    failing = host.run(request_for(guest, triggered())).error
    assert "no compatible capability found" in missing
    assert failing == "Public:User:InvalidArgument:not that"


def test_capability_calls_are_closed_during_subscribe(host):
    host.registry.add(ACTION, lambda call: basic_action_pb2.Outputs())
    guest = host.artifacts.add(wasm("call-at-subscribe"))
    assert "capability calls cannot be made during this execution" in str(host.run(request_for(guest, subscribing())))
    assert ACTION not in [call.capabilityId for call in host.registry.calls]


def test_log_lines_stay_inside_and_only_their_number_comes_out(host, caplog):
    caplog.set_level(logging.DEBUG)
    guest = host.artifacts.add(wasm("logging"))
    host.run(request_for(guest, triggered()))
    (ended,) = [record for record in caplog.records if hasattr(record, "guest_log_lines")]
    assert ended.guest_log_lines == 1
    assert "log from wasm!" not in caplog.text


def test_executions_side_by_side_get_their_own_secrets_and_answers(vault):
    host = EnclaveHost(vault=vault, executions_max=6, spare_runners=2)
    secrets = host.artifacts.add(wasm("secrets"))
    for number in range(6):
        vault.create("Foo", f"value {number}".encode(), namespace=f"n{number}")
    hello = host.artifacts.add(wasm("hello"))
    vault.create("API_KEY", b"v")
    results = {}

    def run(number):
        if number % 2:
            results[number] = seen_secret(host.run(request_for(hello, triggered(), secrets=["API_KEY"])))
        else:
            request = request_for(secrets, triggered(), secrets=[("Foo", f"n{number}")])
            results[number] = host.run(request).error

    threads = [threading.Thread(target=run, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    host.close()
    assert [results[number] for number in (1, 3, 5)] == ["present, 1 bytes"] * 3
    assert [results[number] for number in (0, 2, 4)] == [not_listed("main", "Foo")] * 3
