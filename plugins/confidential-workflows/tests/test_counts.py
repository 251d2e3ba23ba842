"""The relay counts what a runner lets through, for the whole execution; and a sound runner is not refused."""

import pytest

from strongroom.crypto.box import BoxKey, seal_to
from strongroom.modules.vault_reads import not_listed
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import capabilities_pb2, enclave_pb2, sdk_pb2, vault_pb2
from strongroom_confidential_workflows.enclave.released_secrets import ReleasedSecrets
from strongroom_confidential_workflows.relay import NOT_ITS_OWN, Relay
from strongroom_confidential_workflows.request import ConfidentialExecution
from tests.fakes.enclave_host import WORKFLOW, RecordingRegistry, request_for, triggered
from tests.fakes.vault_owner import ALICE

VAULT = "vault@1.0.0"
GET_SECRETS, READABLE = "vault.secrets.get", "vault.secrets.readable"
HTTP = "http-actions@1.0.0-alpha"


def counted(prefix="k", most=9, total=9):
    rule = sdk_pb2.SecretPrefixRestriction(prefix=prefix, max_secrets=most)
    entries = [sdk_pb2.SecretRestriction(prefixed_secret=rule)]
    return sdk_pb2.Restrictions(secrets=sdk_pb2.SecretsRestritions(restrictions=entries, max_secrets=total))


def execution(*, secrets=(), restrictions=None):
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_id=WORKFLOW)
    request = request_for("ab" * 32, triggered(), secrets=secrets, restrictions=restrictions)
    return ConfidentialExecution.from_wire(request, metadata=metadata)


def relay(vault=lambda call: vault_pb2.GetSecretsResponse(), **terms):
    registry = RecordingRegistry()
    registry.add(VAULT, lambda call: opened(call) if call.method == READABLE else vault(call))
    registry.add(HTTP, lambda call: sdk_pb2.Trigger())
    metadata = capabilities_pb2.RequestMetadata(workflow_owner=ALICE, workflow_id=WORKFLOW)
    return Relay(registry, metadata, execution(**terms)), registry


def opened(call):
    """What the operator opens to the workflow."""
    return vault_pb2.ListSecretIdentifiersResponse(identifiers=[vault_pb2.SecretIdentifier(key="one more")])


def gets(registry):
    return [call for call in registry.calls if call.method == GET_SECRETS]


def fetched(under_test, *keys):
    requests = [vault_pb2.SecretRequest(id=vault_pb2.SecretIdentifier(key=key)) for key in keys]
    call = enclave_pb2.VaultCall(call_id=1, request=vault_pb2.GetSecretsRequest(requests=requests).SerializeToString())
    return under_test.vault_call(call, timeout_s=1).error


@pytest.mark.parametrize("limits", [{"most": 2}, {"total": 2}], ids=["prefix", "all"])
def test_secrets_count_for_the_whole_execution_and_each_of_them_once(limits):
    under_test, registry = relay(secrets=["k1", "k2", "k3"], restrictions=counted(**limits))
    answers = [fetched(under_test, *keys) for keys in (["k1"], ["k1", "k2"], ["k1"], ["k3"], ["k2", "k3"])]
    assert answers == ["", "", "", NOT_ITS_OWN, NOT_ITS_OWN]
    assert len(registry.calls) == 3


def test_a_batch_is_released_whole_or_not_at_all_and_a_refused_one_costs_nothing():
    under_test, _ = relay(secrets=["k1", "k2", "k3"], restrictions=counted(total=2))
    assert fetched(under_test, "k1", "k2", "k3") == NOT_ITS_OWN
    assert fetched(under_test, "k1", "k2") == ""


def test_secrets_that_travel_in_a_call_and_those_that_are_fetched_count_together():
    under_test, _ = relay(secrets=["k1", "k2"], restrictions=counted(total=1))
    assert fetched(under_test, "k1") == ""
    payload = sdk_pb2.CapabilityRequest(id=VAULT, method="vault.secrets.get", callback_id=1)
    read = vault_pb2.GetSecretsRequest(requests=[vault_pb2.SecretRequest(id=vault_pb2.SecretIdentifier(key="k2"))])
    payload.payload.Pack(read)
    assert "denied by user pre-hook restrictions" in under_test.capability_call(payload, timeout_s=1).error


def test_no_execution_has_more_secrets_than_an_owner_nor_asks_for_them_more_often_than_a_guest_may():
    under_test, registry = relay(secrets=[f"k{number}" for number in range(100)])
    for start in range(0, 100, 10):
        assert fetched(under_test, *[f"k{number}" for number in range(start, start + 10)]) == ""
    assert fetched(under_test, "one more") == NOT_ITS_OWN
    assert fetched(under_test, *["k1"] * 11) == NOT_ITS_OWN
    answers = [fetched(under_test, "k1") for _ in range(60)]
    assert answers == [""] * 50 + [NOT_ITS_OWN] * 10
    assert len(gets(registry)) == 60


def test_secrets_that_the_vault_could_not_be_asked_for_are_not_held_to_be_had():
    def vault(call):
        if len(gets(registry)) == 1:
            raise CapabilityError("Public", "System", "Unavailable", "away")
        return vault_pb2.GetSecretsResponse()

    names = [f"k{number}" for number in range(100)]
    under_test, registry = relay(vault, secrets=names)
    assert "away" in fetched(under_test, "one more", *names[:9])
    for start in range(0, 100, 10):
        assert fetched(under_test, *names[start : start + 10]) == ""


def test_calls_have_the_quotas_of_a_run():
    under_test, registry = relay()
    calls = [sdk_pb2.CapabilityRequest(id=HTTP, method="SendRequest", callback_id=number) for number in range(8)]
    errors = [under_test.capability_call(call, timeout_s=1).error for call in calls]
    assert errors[:5] == [""] * 5
    assert all("is more than 5 (limits.http_action_calls_max)" in error for error in errors[5:])
    assert len(registry.calls) == 5


def test_a_request_of_a_runner_that_is_too_large_is_not_parsed():
    under_test, registry = relay()
    call = enclave_pb2.VaultCall(call_id=1, request=b"\x0a\x00" * 40_000)
    assert under_test.vault_call(call, timeout_s=1).error == NOT_ITS_OWN
    assert registry.calls == []


def released(under_test, values, **terms):
    """What the enclave hands out, whose vault calls go through ``under_test``."""

    class Vault:
        def call_vault(self, request):
            answer = self.asked(request=request.SerializeToString())
            return vault_pb2.GetSecretsResponse.FromString(answer.response)

        def call_opened(self):
            return vault_pb2.ListSecretIdentifiersResponse.FromString(self.asked(opened=True).response)

        def asked(self, **question):
            answer = under_test.vault_call(enclave_pb2.VaultCall(call_id=1, **question), timeout_s=1)
            assert answer.error == "", "a sound runner is never refused"
            return answer

    return ReleasedSecrets(execution(**terms), BoxKey.generate(), Vault())


def vault_of(values):
    def vault(call):
        answer = vault_pb2.GetSecretsResponse()
        for item in call.unpack(vault_pb2.GetSecretsRequest).requests:
            response = answer.responses.add(id=item.id)
            if item.id.key in values:
                sealed = seal_to(item.encryption_keys[0], values[item.id.key]).hex()
                response.data.encrypted_decryption_key_shares.add(
                    shares=[sealed], encryption_key=item.encryption_keys[0]
                )
            else:
                response.error = "could not find secret"
        return answer

    return vault


def wanted(*keys):
    return sdk_pb2.GetSecretsRequest(requests=[sdk_pb2.SecretRequest(id=key) for key in keys])


def test_of_named_secrets_that_are_counted_only_those_are_fetched_that_the_guest_asks_for():
    values = {f"k{number}": b"v" for number in range(5)}
    terms = {"secrets": list(values), "restrictions": counted(total=2)}
    under_test, registry = relay(vault_of(values), **terms)
    pouch = released(under_test, values, **terms)
    pouch.fetch_named()
    assert registry.calls == []
    assert [r.secret.value for r in pouch.answer(wanted("k4", "k2")).responses] == ["v", "v"]
    assert [r.secret.value for r in pouch.answer(wanted("k2")).responses] == ["v"]
    assert len(registry.calls) == 1


def test_a_named_secret_that_is_counted_and_missing_fails_the_run_when_it_is_asked_for():
    terms = {"secrets": ["k1"], "restrictions": counted()}
    under_test, _ = relay(vault_of({}), **terms)
    pouch = released(under_test, {}, **terms)
    pouch.fetch_named()
    with pytest.raises(CapabilityError, match="could not find secret: key 'k1'"):
        pouch.answer(wanted("k1"))
    assert pouch.failure is not None


def test_what_is_opened_counts_as_what_is_named_and_what_is_neither_is_not_asked_for():
    terms = {"secrets": ["k1"], "restrictions": counted(prefix="", total=1)}
    under_test, registry = relay(vault_of({"one more": b"v"}), **terms)
    pouch = released(under_test, {}, **terms)
    one, other = pouch.answer(wanted("one more", "k2")).responses
    assert (one.secret.value, other.error.error) == ("v", not_listed("main", "k2"))
    assert len(gets(registry)) == 1
    assert fetched(under_test, "k1") == NOT_ITS_OWN, "the one that restrictions allow is used up"


def test_without_counts_named_secrets_are_fetched_before_the_guest_starts():
    values = {f"k{number}": b"v" for number in range(23)}
    under_test, registry = relay(vault_of(values), secrets=list(values))
    released(under_test, values, secrets=list(values)).fetch_named()
    assert len(registry.calls) == 3
