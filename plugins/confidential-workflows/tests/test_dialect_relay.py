"""A relay node: what it answers and signs, what it refuses with which code, and that nothing is given unattested."""

from dataclasses import replace

import pytest
from google.protobuf import any_pb2

from strongroom.crypto.signing import SigningKey
from strongroom.plugin import CapabilityError, Conflict, LimitExceeded
from strongroom.plugin.messages import capabilities_pb2, sdk_pb2, vault_pb2
from strongroom_confidential_workflows.dialect.relay import CAPABILITY_EXECUTE, PROTOCOL, SECRETS_GET
from strongroom_confidential_workflows.dialect.relay_answers import (
    SecretAnswer,
    capability_answer_hash,
    read_capability_answer,
    read_secrets_answer,
    secrets_answer_hash,
)
from strongroom_confidential_workflows.dialect.relay_params import SecretRef
from strongroom_confidential_workflows.dialect.signatures import RELAY_DOMAIN, agreed_hash, is_signed_by
from tests.fakes.dialect_relay import (
    CONFIG,
    FREE,
    NODES,
    READABLE,
    Rig,
    asking,
    attested,
    calling,
    compute_request,
    error_of,
    signed_by,
)
from tests.fakes.dialect_values import ASKED, EXECUTION, A, B

IN_ORG = replace(EXECUTION, org_id="org")


def test_the_protocol_of_receipts_is_relay():
    assert PROTOCOL == "relay"


def test_secrets_come_sealed_and_signed():
    rig, params = Rig(), asking()
    with rig.registered():
        answer = rig.ask(SECRETS_GET, params)
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", "ask-1")
    found, signature = read_secrets_answer(answer["result"])
    assert found.secrets == (SecretAnswer(A, "Y3Q=", ("c2g=",)), SecretAnswer(B, "Y3Q=", ("c2g=",)))
    assert signature.signer == NODES[0].public
    assert is_signed_by(signature.signer, RELAY_DOMAIN, secrets_answer_hash(params, found), signature.signature)
    ((names, key, metadata),) = rig.vault.asked
    assert (names, key) == ((A, B), ASKED.enclave_public_key)
    assert metadata == capabilities_pb2.RequestMetadata(
        workflow_id=EXECUTION.workflow_id,
        workflow_owner="0x" + "11" * 20,
        workflow_execution_id=EXECUTION.execution_id,
        workflow_don_id=7,
        reference_id="ask-1",
    )


def test_an_enclave_takes_the_answer_of_f_plus_one_nodes():
    params, answers = asking(), {}
    for node in NODES[:2]:
        rig = Rig(key=node)
        with rig.registered():
            found, signature = read_secrets_answer(rig.ask(SECRETS_GET, params)["result"])
        answers.setdefault(secrets_answer_hash(params, found), []).append(signature)
    assert agreed_hash(answers, CONFIG.signers, f=CONFIG.f) == secrets_answer_hash(params, found)


def test_each_secret_has_its_own_error_and_the_others_are_given():
    rig = Rig()
    gone, foreign = SecretRef("main", "gone"), SecretRef("main", "foreign")
    params = asking(secrets=(A, gone, foreign))
    with rig.registered(readable=READABLE | {("main", "gone")}):
        found, signature = read_secrets_answer(rig.ask(SECRETS_GET, params)["result"])
    assert [each.secret for each in found.secrets] == [A, gone, foreign]
    assert [bool(each.ciphertext) for each in found.secrets] == [True, False, False]
    assert found.secrets[1].error == "vault: gone"
    assert found.secrets[2].error.startswith("could not find secret")
    assert rig.vault.asked[0][0] == (A, gone), "the vault is not even asked for what may not be read"
    assert is_signed_by(signature.signer, RELAY_DOMAIN, secrets_answer_hash(params, found), signature.signature)


def test_restrictions_of_the_execution_count_its_secrets():
    rig = Rig()
    one = sdk_pb2.Restrictions()
    one.secrets.max_secrets = 1
    one.secrets.restrictions.add().prefixed_secret.max_secrets = 9
    with rig.registered(restrictions=one):
        found, _ = read_secrets_answer(rig.ask(SECRETS_GET, asking())["result"])
        again, _ = read_secrets_answer(rig.ask(SECRETS_GET, asking())["result"])
    assert [each.error for each in found.secrets] == [
        "",
        'secret "B" in namespace "main" denied by user pre-hook restrictions',
    ]
    assert all("denied by user pre-hook" in each.error for each in again.secrets)


def test_a_vault_that_answers_for_other_secrets_is_not_believed():
    rig = Rig()
    rig.vault.others = True
    with rig.registered():
        code, message = error_of(rig.ask(SECRETS_GET, asking()))
    assert (code, message) == (-32603, "the vault answered for other secrets than it was asked for")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (replace(asking(), attestation=b""), "missing attestation"),
        (replace(asking(), attestation=b"fake-attestation"), "evidence refused at nitro/"),
        (replace(asking(), enclave_public_key="cd" * 32), "evidence refused at relay user_data"),
        (replace(asking(), signed_compute_requests=()), "evidence refused at relay user_data"),
        (asking(nodes=[]), "0 distinct valid signers are too few"),
        (asking(nodes=NODES[:1] * 2), "1 distinct valid signers are too few"),
        (asking(nodes=[NODES[0], SigningKey.generate()]), "1 distinct valid signers are too few"),
        (asking(request=compute_request(other={"owner": "0x" + "22" * 20})), "the signed requests are about another"),
        (asking(request=compute_request(other={"workflow_id": "x"})), "the signed requests are about another"),
        (asking(request=compute_request(other={"execution_id": "x"})), "the signed requests are about another"),
        (
            asking(request=compute_request(other={"org_id": "x"}), execution=IN_ORG),
            "the signed requests are about another",
        ),
        (asking(request=compute_request(request_id=bytes(32))), "the signed requests are about another"),
        (asking(request=compute_request(public_data=b"\xff")), "publicData must be a serialized WorkflowExecution"),
        (asking(enclave_config=replace(CONFIG, t=3)), "the enclave's config is not one of the registry"),
        (asking(enclave_config=replace(CONFIG, signers=CONFIG.signers[:3])), "the enclave's config is not one of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_hold_is_refused_and_the_vault_is_not_asked(params, message):
    rig = Rig()
    with rig.registered():
        answer = rig.ask(SECRETS_GET, params)
    code, text = error_of(answer)
    assert code == -32603
    assert text.startswith(message)
    assert answer["error"]["data"]["code"].startswith("SR-")
    assert rig.vault.asked == []


def test_signatures_of_two_requests_do_not_add_up():
    mixed = (*signed_by(NODES[:1]), *signed_by(NODES[1:2], compute_request(app_id="other")))
    rig = Rig()
    with rig.registered():
        code, text = error_of(rig.ask(SECRETS_GET, attested(replace(ASKED, signed_compute_requests=mixed))))
    assert (code, text) == (-32603, "signed_compute_requests must be signatures of one request")


def test_a_config_counts_with_its_signers_in_any_order():
    rig = Rig()
    config = replace(CONFIG, signers=CONFIG.signers[::-1])
    with rig.registered():
        assert "result" in rig.ask(SECRETS_GET, asking(enclave_config=config))


@pytest.mark.parametrize(
    ("execution", "message"),
    [
        (None, "the execution is not registered: it has ended, or is another host's"),
        (replace(EXECUTION, workflow_id="other"), "the execution is not registered"),
        (replace(EXECUTION, owner="0x" + "22" * 20), "the execution belongs to another owner"),
    ],
    ids=["none", "other workflow", "other owner"],
)
def test_only_the_execution_that_is_registered_gets_anything(execution, message):
    rig = Rig()
    if execution is None:
        with rig.registered():
            pass
        answers = [rig.ask(SECRETS_GET, asking()), rig.ask(CAPABILITY_EXECUTE, calling())]
    else:
        with rig.registered(execution=execution):
            answers = [rig.ask(SECRETS_GET, asking()), rig.ask(CAPABILITY_EXECUTE, calling())]
    for answer in answers:
        code, text = error_of(answer)
        assert code == -32603
        assert text.startswith(message)
    assert rig.vault.asked == rig.capabilities.asked == []


def test_an_enclave_may_leave_its_organisation_out_and_not_name_another():
    rig = Rig()
    with rig.registered(execution=IN_ORG):
        assert "result" in rig.ask(CAPABILITY_EXECUTE, calling())
        assert "result" in rig.ask(CAPABILITY_EXECUTE, calling(execution=IN_ORG))
        other = calling(execution=replace(EXECUTION, org_id="other"))
        assert error_of(rig.ask(CAPABILITY_EXECUTE, other)) == (-32603, "the execution belongs to another owner")
    assert [metadata.org_id for _, metadata in rig.capabilities.asked] == ["org", "org"]


def test_a_call_of_an_enclave_that_believes_others_is_not_made():
    rig = Rig()
    with rig.registered():
        code, text = error_of(rig.ask(CAPABILITY_EXECUTE, calling(enclave_config=replace(CONFIG, t=3))))
    assert (code, text) == (-32603, "the enclave's config is not one of the registry: 1 are registered")
    assert rig.capabilities.asked == []


def test_an_execution_is_registered_once_and_not_without_bound():
    rig = Rig()
    rig.executions.executions_max = 1
    with rig.registered():
        with pytest.raises(Conflict), rig.registered():
            pass
        with pytest.raises(LimitExceeded), rig.registered(execution=replace(EXECUTION, execution_id="x")):
            pass
    with rig.registered():
        pass


def test_a_call_is_made_with_the_metadata_of_its_execution_and_its_answer_signed():
    rig = Rig()
    payload = any_pb2.Any(type_url="type.googleapis.com/x", value=b"\x01")
    params = calling(payload=payload)
    with rig.registered():
        found, signature = read_capability_answer(rig.ask(CAPABILITY_EXECUTE, params)["result"])
    ((request, metadata),) = rig.capabilities.asked
    assert (request.id, request.method, request.payload) == ("basic-test-action@1.0.0", "PerformAction", payload)
    assert (metadata.reference_id, metadata.workflow_owner) == ("7", "0x" + "11" * 20)
    assert is_signed_by(signature.signer, RELAY_DOMAIN, capability_answer_hash(params, found), signature.signature)


def test_an_error_of_a_capability_is_a_signed_answer():
    rig = Rig()
    rig.capabilities.error = CapabilityError("Public", "User", "InvalidArgument", "wrong place")
    params = calling()
    with rig.registered():
        found, signature = read_capability_answer(rig.ask(CAPABILITY_EXECUTE, params)["result"])
    assert (found.payload, found.error) == ("", "wrong place")
    assert is_signed_by(signature.signer, RELAY_DOMAIN, capability_answer_hash(params, found), signature.signature)


def vault_read(*names, owner=""):
    read = vault_pb2.GetSecretsRequest()
    for namespace, name in names:
        read.requests.add().id.CopyFrom(vault_pb2.SecretIdentifier(key=name, namespace=namespace, owner=owner))
    payload = any_pb2.Any()
    payload.Pack(read)
    return payload


ELEVEN = "0x" + "11" * 20
DENIED = sdk_pb2.Restrictions(capabilities=sdk_pb2.CapabilityRestrictions(max_total_calls=0))


@pytest.mark.parametrize(
    ("call", "restrictions", "message"),
    [
        ({}, DENIED, "call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"),
        ({"capability_id": "confidential-workflows@1.0.0-alpha"}, FREE, "capability confidential-workflows is for the"),
        ({"capability_id": "vault@1.0.0", "method": "vault.secrets.delete"}, FREE, "vault.secrets.delete of the vault"),
        ({"payload": vault_read(("main", "Z"), owner=ELEVEN)}, FREE, "could not find secret"),
        ({"payload": vault_read(("main", "A"), owner="0x" + "22" * 20)}, FREE, "a workflow reads secrets of its own"),
        ({"payload": vault_read(("main", "A"))}, FREE, "a workflow reads secrets of its own owner only"),
        ({"payload": any_pb2.Any(type_url="x/vault.GetSecretsRequest", value=b"\xff")}, FREE, "the payload is not a"),
        ({"payload": any_pb2.Any(value=bytes(64 * 1024 + 1))}, FREE, "a read of the vault: 65537 bytes is more than"),
    ],
    ids=["restrictions", "system", "method", "name", "owner", "no owner", "form", "size"],
)
def test_a_call_that_a_guest_could_not_make_is_denied_without_making_it(call, restrictions, message):
    rig = Rig()
    if "payload" in call:
        call = {"capability_id": "vault@1.0.0", "method": "vault.secrets.get", **call}
    with rig.registered(restrictions=restrictions):
        found, _ = read_capability_answer(rig.ask(CAPABILITY_EXECUTE, calling(**call))["result"])
    assert found.error.startswith(message)
    assert rig.capabilities.asked == []


def test_a_read_of_listed_secrets_passes():
    rig = Rig()
    read = vault_read(("", "A"), ("main", "B"), owner=ELEVEN)
    call = calling(capability_id="vault@1.0.0", method="vault.secrets.get", payload=read)
    with rig.registered():
        assert read_capability_answer(rig.ask(CAPABILITY_EXECUTE, call)["result"])[0].payload
    assert len(rig.capabilities.asked) == 1
