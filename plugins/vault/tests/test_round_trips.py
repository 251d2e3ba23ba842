"""What an owner seals comes back sealed to the key that was asked for, and to nobody else."""

import pytest

from strongroom.crypto.box import BoxKey
from strongroom.plugin import CapabilityError, Tampered
from strongroom.plugin.messages import vault_pb2
from tests.fakes.vault_owner import ALICE, ALICE_SUMMED, BOB, Owner

EXECUTION = "b0" * 32


@pytest.fixture
def owner(tmp_path):
    return Owner(tmp_path / "vault.key")


def opened(response, key):
    """The value in an answer, opened by ``key``."""
    assert response.WhichOneof("result") == "data", response.error
    (share,) = [s for s in response.data.encrypted_decryption_key_shares if s.encryption_key == key.public_hex]
    (sealed,) = share.shares
    return key.open(bytes.fromhex(sealed))


def test_a_secret_comes_back_sealed_to_the_requested_key_only(owner):
    key, other = BoxKey.generate(), BoxKey.generate()
    assert owner.create("API_KEY", b"s3cret") == ""
    (answer,) = owner.get("API_KEY", to=[key.public_hex])
    assert opened(answer, key) == b"s3cret"
    assert (answer.id.key, answer.id.namespace, answer.id.owner) == ("API_KEY", "main", ALICE_SUMMED)
    with pytest.raises(Tampered):
        other.open(bytes.fromhex(answer.data.encrypted_decryption_key_shares[0].shares[0]))


def test_each_requested_key_gets_its_own_share(owner):
    keys = [BoxKey.generate() for _ in range(3)]
    owner.create("K", b"v")
    (answer,) = owner.get("K", to=[key.public_hex for key in keys])
    assert [opened(answer, key) for key in keys] == [b"v"] * 3


def test_answers_stand_in_request_order_and_an_error_stays_with_its_secret(owner):
    key = BoxKey.generate()
    owner.create("A", b"a")
    owner.create("B", b"b")
    first, missing, last = owner.get("B", "NOPE", "A", to=[key.public_hex])
    assert (opened(first, key), opened(last, key)) == (b"b", b"a")
    assert missing.error == "could not find secret"


@pytest.mark.parametrize(
    "spelling", [ALICE, ALICE_SUMMED, ALICE.upper(), "0x" + ALICE], ids=["plain", "summed", "upper", "0x"]
)
def test_every_spelling_of_an_owner_means_the_same_owner(owner, spelling):
    key = BoxKey.generate()
    assert owner.create("K", b"v", owner=spelling) == ""
    (answer,) = owner.get("K", owner=ALICE, to=[key.public_hex])
    assert opened(answer, key) == b"v"


def test_no_namespace_means_main_and_namespaces_are_apart(owner):
    owner.create("K", b"in main")
    owner.create("K", b"in other", namespace="other")
    assert owner.names() == [("main", "K"), ("other", "K")]
    assert owner.names(namespace="other") == [("other", "K")]
    key = BoxKey.generate()
    (answer,) = owner.get("K", namespace="main", to=[key.public_hex])
    assert opened(answer, key) == b"in main"


def test_names_that_quote_each_other_do_not_meet(owner):
    names = ["a/b", "a%2Fb", "%2F", "/", "..", "ä", "a:b"]
    for name in names:
        assert owner.create(name, name.encode()) == ""
    assert {key for _, key in owner.names()} == set(names)


def test_create_refuses_to_replace_and_says_what_to_use(owner):
    owner.create("K", b"old")
    assert "use vault.secrets.update" in owner.create("K", b"new")
    assert owner.update("K", b"new") == ""
    key = BoxKey.generate()
    (answer,) = owner.get("K", to=[key.public_hex])
    assert opened(answer, key) == b"new"


def test_update_and_delete_of_what_is_not_there_say_so(owner):
    assert owner.update("K", b"v") == "could not find secret"
    assert owner.delete("K") == "could not find secret"


def test_versions_count_up_and_never_repeat_after_a_delete(owner):
    def version(key):
        name = next(n for n in owner.vault.shelf.names(ALICE) if n.key == key)
        return owner.vault.shelf.get(name).version

    owner.create("K", b"1")
    owner.update("K", b"2")
    assert version("K") == 2
    assert owner.delete("K") == ""
    assert owner.names() == []
    owner.create("K", b"3")
    assert version("K") == 3


def test_a_workflow_reaches_the_secrets_of_its_own_owner_only(owner):
    owner.create("K", b"v", owner=ALICE)
    key = BoxKey.generate()
    (answer,) = owner.get("K", owner=ALICE, caller=BOB, to=[key.public_hex], execution_id=EXECUTION)
    assert answer.error.startswith("owner is not the owner of the calling workflow")
    (answer,) = owner.get("K", owner="", caller=ALICE_SUMMED, to=[key.public_hex], execution_id=EXECUTION)
    assert opened(answer, key) == b"v"


@pytest.mark.parametrize(
    ("method", "request_type"),
    [
        ("vault.secrets.create", vault_pb2.CreateSecretsRequest),
        ("vault.secrets.update", vault_pb2.UpdateSecretsRequest),
        ("vault.secrets.delete", vault_pb2.DeleteSecretsRequest),
        ("vault.secrets.list", vault_pb2.ListSecretIdentifiersRequest),
    ],
)
def test_a_running_workflow_cannot_manage_secrets(owner, method, request_type):
    with pytest.raises(CapabilityError, match="cannot be called by a running workflow") as caught:
        owner.call(method, request_type(), caller=ALICE, execution_id=EXECUTION)
    assert caught.value.name == "PermissionDenied"


def test_a_method_refuses_the_message_of_another(owner):
    with pytest.raises(CapabilityError) as caught:
        owner.call("vault.secrets.get", vault_pb2.DeleteSecretsRequest())
    assert caught.value.name == "InvalidArgument"
