"""Requirements and restrictions of an execution: held in the enclave, and by the relay against a lying runner."""

import pytest

from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import (
    basic_action_pb2,
    basic_trigger_pb2,
    capabilities_pb2,
    sdk_pb2,
    vault_pb2,
)
from strongroom_confidential_workflows.enclave.execution import execute
from strongroom_confidential_workflows.enclave.setup import RunnerSetup
from strongroom_confidential_workflows.messages import Start
from strongroom_confidential_workflows.relay import Relay
from strongroom_confidential_workflows.request import ConfidentialExecution
from strongroom_confidential_workflows.tees import provided_tees
from tests.fakes.attested_runner import Calls, not_run
from tests.fakes.enclave_host import (
    EXECUTION,
    WORKFLOW,
    RecordingRegistry,
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
ANYWHERE = sdk_pb2.Requirements(tee=sdk_pb2.Tee(any_regions=sdk_pb2.Regions()))
CONFIG = EnclaveConfig(vault_public_key=bytes(32), policy_epoch=1)
SETUP = RunnerSetup(config=CONFIG, config_sha256=CONFIG.sha256(), provider=None, measurement=bytes(32))
EVENT = basic_trigger_pb2.Outputs(cool_output="test value")


def of_secrets(*keys):
    entries = [sdk_pb2.SecretRestriction(exact_secret=sdk_pb2.Secret(id=key)) for key in keys]
    return sdk_pb2.Restrictions(secrets=sdk_pb2.SecretsRestritions(restrictions=entries, max_secrets=9))


def pre_hook(execute_request):
    return sdk_pb2.ExecuteRequest(config=execute_request.config, pre_hook=execute_request.trigger)


class Silent:
    """The link of a runner that must ask for nothing."""

    deadline = float("inf")

    def challenge(self, call):
        pytest.fail("it began to attest")

    def check_cancelled(self):
        """Nobody cancels."""


def test_a_tee_is_required_of_a_backend_that_has_none_and_nothing_is_fetched(host, hello):
    error = host.refusal(request_for(hello, triggered(), secrets=["API_KEY"], requirements=NITRO))
    assert (error.origin, error.name) == ("User", "FailedPrecondition")
    assert error.message == "execution.requirements cannot be satisfied: this backend is not a TEE"
    assert host.registry.calls == []


@pytest.mark.parametrize(("kind", "wanted"), [("nitro", NITRO), ("tdx", ANYWHERE)], ids=["another region", "no name"])
def test_a_kind_satisfies_what_its_type_and_regions_do(kind, wanted):
    request = request_for("ab" * 32, triggered(), requirements=wanted)
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_id=WORKFLOW)
    here = provided_tees(kind, ["eu-west-1"])
    if kind == "nitro":
        assert ConfidentialExecution.from_wire(request, metadata=metadata, tees=here).requirements == wanted
        request.execution.requirements.tee.tee_types_and_regions.tee_type_and_regions[0].regions.append("us-east-1")
    with pytest.raises(CapabilityError, match="requirements cannot be satisfied: this backend"):
        ConfidentialExecution.from_wire(request, metadata=metadata, tees=here)


def test_the_enclave_runner_checks_requirements_itself_before_it_attests_or_runs_anything(hello):
    request = request_for(hello, triggered(), secrets=["API_KEY"], requirements=NITRO)
    binary = wasm("hello")
    start = Start(
        request=request.SerializeToString(),
        owner=ALICE,
        timeout_ms=1000,
        execution_id=EXECUTION,
        binary_bytes=len(binary),
    )
    finished = execute(start, binary, Silent(), SETUP, Calls(not_run))
    assert finished.outcome == "refused"
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


def test_a_secret_that_restrictions_deny_is_denied_in_the_enclave_and_is_not_even_released(host, vault):
    vault.create("Foo", b"bar")
    guest = host.artifacts.add(wasm("secrets"))
    text = 'secret "Foo" in namespace "main" denied by user pre-hook restrictions'
    assert host.run(request_for(guest, triggered(), secrets=["Foo"], restrictions=of_secrets("Other"))).error == text
    allowed = request_for(guest, triggered(), secrets=["Foo", "Missing"], restrictions=of_secrets("Foo"))
    assert host.run(allowed).value.string_value == "bar"
    assert [each.secrets for each in vault.released] == [(), (("main", "Foo"),)]


def relay(registry, *, secrets=(), restrictions=None):
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_id=WORKFLOW)
    request = request_for("ab" * 32, triggered(), secrets=secrets, restrictions=restrictions)
    return Relay(registry, metadata, ConfidentialExecution.from_wire(request, metadata=metadata, tees=()))


def test_a_runner_that_lets_a_denied_call_through_is_not_believed():
    registry = RecordingRegistry()
    registry.add(ACTION, lambda call: basic_action_pb2.Outputs())
    call = sdk_pb2.CapabilityRequest(id=ACTION, method="PerformAction", callback_id=1)
    assert error_of(relay(registry, restrictions=NO_CALLS), call) == f"Public:User:LimitExceeded:{DENIED}"
    assert registry.calls == []


@pytest.mark.parametrize(("asked", "reference"), [(triggered(), "7"), (pre_hook(triggered()), "p:7")])
def test_a_call_of_the_pre_hook_is_another_step_than_the_same_call_of_its_run(asked, reference):
    registry = RecordingRegistry()
    registry.add(ACTION, lambda call: basic_action_pb2.Outputs())
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_id=WORKFLOW)
    execution = ConfidentialExecution.from_wire(request_for("ab" * 32, asked), metadata=metadata, tees=())
    call = sdk_pb2.CapabilityRequest(id=ACTION, method="PerformAction", callback_id=7)
    Relay(registry, metadata, execution).capability_call(call, timeout_s=1)
    assert registry.calls[0].metadata.reference_id == reference


def error_of(under_test, call):
    return sdk_pb2.CapabilityResponse.FromString(under_test.capability_call(call, timeout_s=1)).error


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
    errors = [error_of(under_test, call) for call in (read("A"), read("B"), read("A", BOB))]
    assert errors[0] == ""
    assert "secret main/B is not listed in the workflow's attributes" in errors[1]
    assert "own owner only" in errors[2]
    assert seen == [vault_pb2.SecretIdentifier(key="A", namespace="main", owner=ALICE_SUMMED)]
