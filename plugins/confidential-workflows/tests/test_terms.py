"""Requirements and restrictions of an execution: held in the enclave, and by the relay against a lying runner."""

import pytest

from strongroom.plugin.messages import (
    basic_action_pb2,
    basic_trigger_pb2,
    capabilities_pb2,
    enclave_pb2,
    sdk_pb2,
    vault_pb2,
)
from strongroom_confidential_workflows.enclave.execution import execute
from strongroom_confidential_workflows.relay import Relay
from strongroom_confidential_workflows.request import ConfidentialExecution
from tests.fakes.enclave_host import (
    EXECUTION,
    WORKFLOW,
    RecordingRegistry,
    missing_vault,
    packed,
    request_for,
    subscribing,
    triggered,
)
from tests.fakes.vault_owner import ALICE, ALICE_SUMMED, BOB
from tests.guests.build import wasm

ACTION = "basic-test-action@1.0.0"
DENIED = "call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"
NO_CALLS = sdk_pb2.Restrictions(capabilities=sdk_pb2.CapabilityRestrictions())
NITRO = sdk_pb2.Requirements(
    tee=sdk_pb2.Tee(
        tee_types_and_regions=sdk_pb2.TeeTypesAndRegions(
            tee_type_and_regions=[sdk_pb2.TeeTypeAndRegions(type=sdk_pb2.TEE_TYPE_AWS_NITRO)]
        )
    )
)
EVENT = basic_trigger_pb2.Outputs(cool_output="test value")


def of_secrets(*keys):
    entries = [sdk_pb2.SecretRestriction(exact_secret=sdk_pb2.Secret(id=key)) for key in keys]
    return sdk_pb2.Restrictions(secrets=sdk_pb2.SecretsRestritions(restrictions=entries, max_secrets=9))


def pre_hook(execute_request):
    return sdk_pb2.ExecuteRequest(config=execute_request.config, pre_hook=execute_request.trigger)


class Silent:
    """The link of a runner that must ask for nothing."""

    deadline = float("inf")

    def call_vault(self, request):
        pytest.fail("a secret was asked for")

    call_opened = call_vault

    def check_cancelled(self):
        """Nobody cancels."""


def test_a_tee_is_required_of_a_backend_that_has_none_and_nothing_is_fetched(host, hello):
    error = host.refusal(request_for(hello, triggered(), secrets=["API_KEY"], requirements=NITRO))
    assert (error.origin, error.name) == ("User", "FailedPrecondition")
    assert error.message == "execution.requirements cannot be satisfied: this backend is not a TEE"
    assert host.registry.calls == []


def test_the_enclave_runner_checks_requirements_itself_before_it_asks_for_secrets_or_runs_anything(hello):
    request = request_for(hello, triggered(), secrets=["API_KEY"], requirements=NITRO)
    start = enclave_pb2.Start(
        request=request.SerializeToString(), binary=wasm("hello"), owner=ALICE, timeout_ms=1000, execution_id=EXECUTION
    )
    finished = execute(start, Silent(), lambda *_, **__: pytest.fail("the guest was run"))
    assert finished.outcome == enclave_pb2.OUTCOME_REFUSED
    assert "this backend is not a TEE" in finished.error


def test_a_pre_hook_runs_in_the_enclave_and_its_restrictions_hold_there(host):
    guest = host.artifacts.add(wasm("restrictions"))
    called = []
    host.registry.add(ACTION, lambda call: called.append(call) or basic_action_pb2.Outputs(adapted_thing="x"))
    assert host.run(request_for(guest, subscribing())).trigger_subscriptions.subscriptions[0].pre_hook
    asked = host.run(request_for(guest, pre_hook(triggered(EVENT))))
    assert asked.restrictions == NO_CALLS
    denied = host.run(request_for(guest, triggered(EVENT), restrictions=asked.restrictions))
    assert DENIED in denied.error
    assert called == []
    assert host.run(request_for(guest, triggered(EVENT))).value.string_value == "x"


def test_a_secret_that_restrictions_deny_is_denied_in_the_enclave(host, owner):
    owner.create("Foo", b"bar")
    guest = host.artifacts.add(wasm("secrets"))
    text = 'secret "Foo" in namespace "main" denied by user pre-hook restrictions'
    assert host.run(request_for(guest, triggered(), secrets=["Foo"], restrictions=of_secrets("Other"))).error == text
    assert host.registry.calls == []
    allowed = request_for(guest, triggered(), secrets=["Foo"], restrictions=of_secrets("Foo"))
    assert host.run(allowed).value.string_value == "bar"


def test_a_named_secret_that_restrictions_deny_is_not_even_fetched(host, owner):
    owner.create("Foo", b"bar")
    guest = host.artifacts.add(wasm("secrets"))
    named = request_for(guest, triggered(), secrets=["Foo", "Missing"], restrictions=of_secrets("Foo"))
    assert host.run(named).value.string_value == "bar"
    (call,) = host.registry.calls
    asked = vault_pb2.GetSecretsRequest.FromString(call.payload.value)
    assert [request.id.key for request in asked.requests] == ["Foo"]


def relay(registry, *, secrets=(), restrictions=None):
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_id=WORKFLOW)
    request = request_for("ab" * 32, triggered(), secrets=secrets, restrictions=restrictions)
    return Relay(registry, metadata, ConfidentialExecution.from_wire(request, metadata=metadata))


def test_a_runner_that_lets_a_denied_call_through_is_not_believed():
    registry = RecordingRegistry()
    registry.add(ACTION, lambda call: basic_action_pb2.Outputs())
    call = sdk_pb2.CapabilityRequest(id=ACTION, method="PerformAction", callback_id=1)
    answer = relay(registry, restrictions=NO_CALLS).capability_call(call, timeout_s=1)
    assert answer.error == f"Public:User:LimitExceeded:{DENIED}"
    assert registry.calls == []


@pytest.mark.parametrize(
    ("secrets", "restrictions"), [(["A"], None), (["A", "B"], of_secrets("A"))], ids=["not named", "restricted"]
)
def test_a_runner_that_asks_for_a_secret_that_is_not_its_to_have_is_not_believed(secrets, restrictions):
    registry = RecordingRegistry()
    registry.add("vault@1.0.0", lambda call: vault_pb2.GetSecretsResponse())
    under_test = relay(registry, secrets=secrets, restrictions=restrictions)
    answers = [under_test.vault_call(vault_call(key), timeout_s=1) for key in ("A", "B")]
    assert [answer.error for answer in answers] == ["", "a secret is not this execution's to have"]
    assert [call.method for call in registry.calls].count("vault.secrets.get") == 1


def test_a_request_that_names_nothing_gives_a_runner_nothing_but_what_the_vaults_configuration_opens():
    registry = RecordingRegistry()
    opened = vault_pb2.ListSecretIdentifiersResponse(identifiers=[vault_pb2.SecretIdentifier(key="A")])
    answers = {"vault.secrets.readable": opened, "vault.secrets.get": vault_pb2.GetSecretsResponse()}
    registry.add("vault@1.0.0", lambda call: answers[call.method])
    under_test = relay(registry)
    asked = under_test.vault_call(enclave_pb2.VaultCall(call_id=1, opened=True), timeout_s=1)
    names = vault_pb2.ListSecretIdentifiersResponse.FromString(asked.response).identifiers
    assert [(name.namespace, name.key) for name in names] == [("main", "A")]
    errors = [under_test.vault_call(vault_call(key), timeout_s=1).error for key in ("A", "B", "a", "A ")]
    assert errors == [""] + ["a secret is not this execution's to have"] * 3
    methods = [call.method for call in registry.calls]
    assert methods == ["vault.secrets.readable", "vault.secrets.get"]
    assert registry.calls[0].metadata.workflow_owner == ALICE


def test_a_vault_that_cannot_say_what_it_opens_fails_the_fetch_and_is_asked_again():
    registry = RecordingRegistry()
    registry.add("vault@1.0.0", missing_vault)
    under_test = relay(registry)
    for _ in range(2):
        answer = under_test.vault_call(enclave_pb2.VaultCall(call_id=1, opened=True), timeout_s=1)
        assert "the vault is being restarted" in answer.error
    assert "the vault is being restarted" in under_test.vault_call(vault_call("A"), timeout_s=1).error
    assert len(registry.calls) == 3


@pytest.mark.parametrize(("asked", "reference"), [(triggered(), "7"), (pre_hook(triggered()), "p:7")])
def test_a_call_of_the_pre_hook_is_another_step_than_the_same_call_of_its_run(asked, reference):
    registry = RecordingRegistry()
    registry.add(ACTION, lambda call: basic_action_pb2.Outputs())
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_id=WORKFLOW)
    execution = ConfidentialExecution.from_wire(request_for("ab" * 32, asked), metadata=metadata)
    call = sdk_pb2.CapabilityRequest(id=ACTION, method="PerformAction", callback_id=7)
    Relay(registry, metadata, execution).capability_call(call, timeout_s=1)
    assert registry.calls[0].metadata.reference_id == reference


def vault_call(key):
    request = vault_pb2.GetSecretsRequest(requests=[vault_pb2.SecretRequest(id=vault_pb2.SecretIdentifier(key=key))])
    return enclave_pb2.VaultCall(call_id=1, request=request.SerializeToString())


def read(key, owner=""):
    asked = vault_pb2.SecretRequest(id=vault_pb2.SecretIdentifier(key=key, owner=owner), encryption_keys=["aa"])
    payload = packed(vault_pb2.GetSecretsRequest(requests=[asked]))
    return sdk_pb2.CapabilityRequest(id="vault@1.0.0", method="vault.secrets.get", callback_id=1, payload=payload)


def test_a_guest_reads_the_vault_itself_only_what_is_named_and_of_its_own_owner():
    registry = RecordingRegistry()
    seen = []

    def vault(call):
        if call.method == "vault.secrets.readable":
            return vault_pb2.ListSecretIdentifiersResponse()
        seen.append(call.unpack(vault_pb2.GetSecretsRequest).requests[0].id)
        return vault_pb2.GetSecretsResponse()

    registry.add("vault@1.0.0", vault)
    under_test = relay(registry, secrets=["A"])
    answers = [under_test.capability_call(call, timeout_s=1) for call in (read("A"), read("B"), read("A", BOB))]
    assert answers[0].error == ""
    assert "secret main/B is not listed in the workflow's attributes" in answers[1].error
    assert "own owner only" in answers[2].error
    assert seen == [vault_pb2.SecretIdentifier(key="A", namespace="main", owner=ALICE_SUMMED)]
