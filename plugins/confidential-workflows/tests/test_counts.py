"""The relay counts the calls that a runner lets through, for the whole execution; and a sound runner is not refused."""

from strongroom.plugin.messages import capabilities_pb2, sdk_pb2, vault_pb2
from strongroom_confidential_workflows.relay import Relay
from strongroom_confidential_workflows.request import ConfidentialExecution
from tests.fakes.enclave_host import WORKFLOW, RecordingRegistry, request_for, triggered
from tests.fakes.vault_owner import ALICE

VAULT = "vault@1.0.0"
HTTP = "http-actions@1.0.0-alpha"


def relay(*, secrets=(), restrictions=None):
    registry = RecordingRegistry()
    registry.add(VAULT, lambda call: vault_pb2.GetSecretsResponse())
    registry.add(HTTP, lambda call: sdk_pb2.Trigger())
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_id=WORKFLOW)
    request = request_for("ab" * 32, triggered(), secrets=secrets, restrictions=restrictions)
    execution = ConfidentialExecution.from_wire(request, metadata=metadata, tees=())
    return Relay(registry, metadata, execution), registry


def error_of(under_test, call):
    return sdk_pb2.CapabilityResponse.FromString(under_test.capability_call(call, timeout_s=1)).error


def test_secrets_that_travel_in_calls_count_for_the_whole_execution():
    rule = sdk_pb2.SecretRestriction(prefixed_secret=sdk_pb2.SecretPrefixRestriction(prefix="k", max_secrets=9))
    one = sdk_pb2.Restrictions(secrets=sdk_pb2.SecretsRestritions(restrictions=[rule], max_secrets=1))
    under_test, registry = relay(secrets=["k1", "k2"], restrictions=one)
    errors = []
    for number, key in enumerate(("k1", "k2")):
        call = sdk_pb2.CapabilityRequest(id=VAULT, method="vault.secrets.get", callback_id=number)
        identifier = vault_pb2.SecretIdentifier(key=key)
        call.payload.Pack(vault_pb2.GetSecretsRequest(requests=[vault_pb2.SecretRequest(id=identifier)]))
        errors.append(error_of(under_test, call))
    assert errors[0] == ""
    assert "denied by user pre-hook restrictions" in errors[1]
    assert len(registry.calls) == 1


def test_calls_have_the_quotas_of_a_run():
    under_test, registry = relay()
    calls = [sdk_pb2.CapabilityRequest(id=HTTP, method="SendRequest", callback_id=number) for number in range(8)]
    errors = [error_of(under_test, call) for call in calls]
    assert errors[:5] == [""] * 5
    assert all("is more than 5 (limits.http_action_calls_max)" in error for error in errors[5:])
    assert len(registry.calls) == 5
