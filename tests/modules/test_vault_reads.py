"""A workflow that calls the vault reads listed secrets of its own owner, and nothing else happens in its name."""

import pytest
from google.protobuf import any_pb2

from strongroom.errors import CapabilityError
from strongroom.modules.attributes import SecretName, parse_attributes
from strongroom.modules.restrictions import VAULT_PAYLOAD_BYTES_MAX
from strongroom.modules.vault_reads import GET_SECRETS, NOT_FOUND, READABLE, check_vault_read, is_vault, not_listed
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.vault import vault_pb2
from tests.fakes.capabilities import ScriptedCapability, packed

OWNER = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
LISTED = [("main", "API_KEY"), ("team", "SHARED")]


def read(*names, method=GET_SECRETS, owner="", keys=("aa",)):
    requests = [
        vault_pb2.SecretRequest(
            id=vault_pb2.SecretIdentifier(key=key, namespace=namespace, owner=owner), encryption_keys=keys
        )
        for namespace, key in names
    ]
    return capabilities_pb2.CapabilityRequest(
        capabilityId="vault@1.0.0",
        method=method,
        payload=packed(vault_pb2.GetSecretsRequest(requests=requests)),
        metadata=capabilities_pb2.RequestMetadata(workflow_id="00ab", workflow_owner=OWNER[2:].lower()),
    )


def opens(*names):
    identifiers = [vault_pb2.SecretIdentifier(namespace=namespace, key=key) for namespace, key in names]
    answer = vault_pb2.ListSecretIdentifiersResponse(identifiers=identifiers)
    return ScriptedCapability({READABLE: capabilities_pb2.CapabilityResponse(payload=packed(answer))})


def refusal(call, vault=None):
    with pytest.raises(CapabilityError) as refused:
        check_vault_read(call, vault or ScriptedCapability(), owner=OWNER, listed=LISTED)
    return f"{refused.value.origin}:{refused.value.name}:{refused.value.message}"


def test_a_listed_secret_is_read_with_the_owner_that_the_host_knows_and_the_keys_that_the_guest_named():
    call = read(("", "API_KEY"), ("team", "SHARED"), keys=["aa", "bb"])
    vault = ScriptedCapability()
    check_vault_read(call, vault, owner=OWNER, listed=LISTED)
    sent = vault_pb2.GetSecretsRequest()
    assert call.payload.Unpack(sent)
    assert [(r.id.owner, r.id.namespace, r.id.key) for r in sent.requests] == [
        (OWNER, "main", "API_KEY"),
        (OWNER, "team", "SHARED"),
    ]
    assert list(sent.requests[0].encryption_keys) == ["aa", "bb"]
    assert vault.calls == []


@pytest.mark.parametrize("owner", [OWNER, OWNER.lower(), OWNER[2:].lower(), "0X" + OWNER[2:].upper()])
def test_the_own_owner_may_be_spelled_out(owner):
    check_vault_read(read(("", "API_KEY"), owner=owner), ScriptedCapability(), owner=OWNER, listed=LISTED)


@pytest.mark.parametrize("owner", ["0x" + "11" * 20, "x", OWNER + "0"])
def test_another_owner_in_the_payload_is_refused(owner):
    assert refusal(read(("", "API_KEY"), owner=owner)) == (
        "User:PermissionDenied:a workflow reads secrets of its own owner only"
    )


@pytest.mark.parametrize(
    "name",
    [
        ("", "OTHER"),
        ("main", "SHARED"),
        ("team", "API_KEY"),
        ("", "api_key"),
        ("Main", "API_KEY"),
        (" main", "API_KEY"),
        ("", "API_KEY "),
        ("", "ＡＰＩ_KEY"),
        ("", "main/API_KEY"),
        ("", ""),
        ("", "*"),
    ],
)
def test_a_secret_that_is_not_listed_is_refused_even_beside_a_listed_one(name):
    text = refusal(read(("", "API_KEY"), name))
    assert text.startswith(
        f"User:PermissionDenied:secret {name[0] or 'main'}/{name[1]} is not listed in the workflow's attributes: "
    )


def test_a_workflow_for_which_nothing_is_listed_reads_nothing():
    with pytest.raises(CapabilityError, match="secret main/API_KEY is not listed"):
        check_vault_read(read(("", "API_KEY")), ScriptedCapability(), owner=OWNER, listed=[])


@pytest.mark.parametrize(
    ("name", "entry"),
    [(("main", "A"), '{"key": "A"}'), (("team", 'A"'), r'{"key": "A\"", "namespace": "team"}')],
    ids=["default namespace", "another namespace"],
)
def test_who_is_refused_a_secret_is_told_what_to_write_into_the_attributes(name, entry):
    text = not_listed(*name)
    assert text.startswith(f"{NOT_FOUND}: {name[0]}/{name[1]} is not listed in the workflow's attributes: ")
    assert text.endswith(f"register it with {entry} in the attribute vault_don_secrets")
    assert parse_attributes(f'{{"vault_don_secrets": [{entry}]}}'.encode()).vault_don_secrets == (
        SecretName(name[1], name[0]),
    )


def test_of_a_name_that_no_secret_has_only_a_part_is_quoted():
    assert len(not_listed("n" * 100_000, "k" * 100_000)) < 500


def test_a_secret_that_the_vaults_configuration_opens_is_read():
    vault = opens(("", "OTHER"))
    check_vault_read(read(("", "OTHER"), ("", "API_KEY")), vault, owner=OWNER, listed=LISTED)
    (question,) = vault.called(READABLE)
    assert question.metadata.workflow_id == "00ab"


def test_what_it_does_not_open_stays_closed():
    assert "secret main/THIRD is not listed" in refusal(read(("", "OTHER"), ("", "THIRD")), opens(("", "OTHER")))


def test_a_vault_that_cannot_be_asked_opens_nothing():
    vault = ScriptedCapability({READABLE: CapabilityError("Public", "System", "Unavailable", "it restarts")})
    assert refusal(read(("", "OTHER")), vault) == "System:Unavailable:it restarts"
    broken = ScriptedCapability({READABLE: capabilities_pb2.CapabilityResponse(payload=packed(sdk_pb2.Trigger()))})
    assert "is not listed" in refusal(read(("", "OTHER")), broken)


def test_a_read_of_more_than_anybody_has_is_refused():
    assert refusal(read(*[("", "API_KEY")] * 101)) == ("User:LimitExceeded:secrets of one read: 101 is more than 100")


@pytest.mark.parametrize("method", ["vault.secrets.list", "vault.secrets.delete", "vault.secrets.readable", "", "GET"])
def test_no_other_method_is_for_workflows(method):
    assert "cannot be called by a workflow" in refusal(read(("", "API_KEY"), method=method))


@pytest.mark.parametrize(
    "payload",
    [
        any_pb2.Any(),
        packed(sdk_pb2.Trigger()),
        any_pb2.Any(type_url=packed(vault_pb2.GetSecretsRequest()).type_url, value=b"\x0a\xff"),
    ],
    ids=["nothing", "another message", "damaged"],
)
def test_a_payload_that_is_no_read_is_refused(payload):
    call = read()
    call.payload.CopyFrom(payload)
    assert refusal(call) == "User:InvalidArgument:the payload is not a vault.GetSecretsRequest"


@pytest.mark.parametrize("capability", ["vault@1.0.0", "vault:label_x@1.2.3", "Vault@1.0.0", " vault", "vault"])
def test_the_vault_is_known_by_any_spelling_of_its_name(capability):
    assert is_vault(capability)
    assert not is_vault(f"my{capability.strip()}")


def test_a_read_that_is_too_large_is_refused_before_it_is_parsed():
    call = read(("", "API_KEY"))
    call.payload.value = b"\x0a\x00" * (VAULT_PAYLOAD_BYTES_MAX // 2 + 1)
    call.payload.type_url = "not looked at"
    text = f"a read of the vault: {VAULT_PAYLOAD_BYTES_MAX + 2} bytes is more than {VAULT_PAYLOAD_BYTES_MAX}"
    assert refusal(call) == f"User:LimitExceeded:{text}"
