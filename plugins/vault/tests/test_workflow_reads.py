"""What the operator opens to workflows that read the vault themselves."""

import pytest
from google.protobuf import any_pb2

from strongroom.plugin import Call
from strongroom.plugin.messages import capabilities_pb2, vault_pb2
from strongroom_vault.limits import WORKFLOW_READS_MAX
from strongroom_vault.plugin import VaultPlugin
from tests.fakes.plugin_host import MemoryStore, memory_host
from tests.fakes.vault_owner import ALICE, ALICE_SUMMED, BOB

ENTRY = {"workflow": "billing", "owner": ALICE_SUMMED, "secrets": ["API_KEY", "team/SHARED"]}
BOTH = [("main", "API_KEY"), ("team", "SHARED")]


def readable(tmp_path, entries, **metadata):
    plugin = VaultPlugin(key_file=str(tmp_path / "vault.key"), workflow_reads=entries)
    plugin.start(memory_host(store=MemoryStore(), mode="dev", name="vault"))
    (capability,) = plugin.capabilities()
    payload = any_pb2.Any()
    payload.Pack(vault_pb2.ListSecretIdentifiersRequest(owner=ALICE))
    stamped = capabilities_pb2.RequestMetadata(**metadata)
    method = "vault.secrets.readable"
    answer = capability.methods[method](Call(metadata=stamped, payload=payload, method=method, timeout_s=5))
    assert {name.owner for name in answer.identifiers} <= {ALICE_SUMMED}
    return [(name.namespace, name.key) for name in answer.identifiers]


@pytest.mark.parametrize("known_as", ["workflow_id", "workflow_name", "decoded_workflow_name"])
def test_a_workflow_is_named_by_name_or_id(tmp_path, known_as):
    assert readable(tmp_path, [ENTRY], workflow_owner=ALICE, **{known_as: "billing"}) == BOTH


@pytest.mark.parametrize(
    "metadata",
    [
        {"workflow_owner": ALICE, "decoded_workflow_name": "other"},
        {"workflow_owner": BOB, "decoded_workflow_name": "billing"},
        {"workflow_owner": "", "decoded_workflow_name": "billing"},
        {"workflow_owner": ALICE},
    ],
    ids=["another workflow", "another owner", "nobody", "no name"],
)
def test_nothing_is_open_to_others(tmp_path, metadata):
    assert readable(tmp_path, [ENTRY], **metadata) == []


def test_nothing_is_open_unless_it_is_configured(tmp_path):
    assert readable(tmp_path, [], workflow_owner=ALICE, decoded_workflow_name="billing") == []


def test_entries_of_one_workflow_add_up(tmp_path):
    entries = [ENTRY, ENTRY | {"secrets": ["API_KEY", "OTHER"]}]
    names = readable(tmp_path, entries, workflow_owner=ALICE, decoded_workflow_name="billing")
    assert names == [("main", "API_KEY"), ("main", "OTHER"), ("team", "SHARED")]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ("text", "must be a list"),
        ([ENTRY] * (WORKFLOW_READS_MAX + 1), f"at most {WORKFLOW_READS_MAX}"),
        ([{"workflow": "w", "secrets": []}], r"workflow_reads\[0\] must have owner, secrets, workflow"),
        ([ENTRY | {"secret": []}], "nothing else"),
        ([ENTRY | {"workflow": ""}], "must be the name or the id"),
        ([ENTRY, ENTRY | {"owner": "0x12"}], r"workflow_reads\[1\]: owner is not 40 hex digits"),
        ([ENTRY | {"secrets": "API_KEY"}], "must be a list of at most 100 names"),
        ([ENTRY | {"secrets": ["ns/"]}], "has no key"),
        ([ENTRY | {"secrets": [5]}], "named by a text"),
    ],
    ids=[
        "text",
        "too many",
        "a member is missing",
        "a member too many",
        "no workflow",
        "owner",
        "secrets",
        "key",
        "type",
    ],
)
def test_a_wrong_section_keeps_the_vault_from_starting(tmp_path, entries, reason):
    with pytest.raises(ValueError, match=reason):
        VaultPlugin(key_file=str(tmp_path / "vault.key"), workflow_reads=entries)
