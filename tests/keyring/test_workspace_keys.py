"""From root secrets to the keys of one workspace, against the values of the original."""

import json
from pathlib import Path

import pytest

from strongroom.crypto.keyring_entry import Keyring, KeyringEntry, entry_of
from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput, KeyMissing
from strongroom.keyring.owner_keyring import SHARED_OWNER_ID, derive_keyring
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.workspace_keys import WorkspaceKeys, derive_workspace_keys, keys_by_version

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "epicenter.json").read_text())


def raw_by_version(keys):
    return {version: key._raw.hex() for version, key in keys.items()}


@pytest.mark.parametrize("case", VECTORS["deriveKeyring"], ids=lambda case: case["name"])
def test_the_keyring_of_an_owner_is_that_of_the_original_in_its_order(case):
    ring = derive_keyring(parse_secrets(case["secrets"]), case["ownerId"])
    assert ring.entries == tuple(KeyringEntry(each["version"], each["keyBytesBase64"]) for each in case["keyring"])


def test_both_steps_give_what_the_original_gave():
    case = VECTORS["chain"]
    ring = derive_keyring(parse_secrets(case["secrets"]), case["ownerId"])
    assert [each.key_bytes_base64 for each in ring.entries] == [each["keyBytesBase64"] for each in case["ownerKeyring"]]
    keys = derive_workspace_keys(ring, case["workspaceId"])
    assert keys.versions == (2, 1)
    assert keys.writing_version == 2
    expected = {each["version"]: each["key"] for each in case["workspaceKeyring"]}
    assert {version: keys.key(version)._raw.hex() for version in keys.versions} == expected


@pytest.mark.parametrize("case", VECTORS["deriveWorkspaceKeyring"], ids=lambda case: case["name"])
def test_a_whole_keyring_is_derived_or_refused_as_the_original_did(case):
    entries = [KeyringEntry(each["version"], each["keyBytesBase64"]) for each in case["keyring"]]
    if case["ok"]:
        expected = {each["version"]: each["key"] for each in case["value"]}
        assert raw_by_version(keys_by_version(entries, case["workspaceId"])) == expected
        return
    with pytest.raises(InvalidInput) as caught:
        derive_workspace_keys(Keyring(tuple(entries)), case["workspaceId"])
    assert caught.value.what == case["error"]


def test_the_version_that_writes_is_that_of_the_root_and_of_the_keyring():
    root = parse_secrets("3:c,2:b,1:a")
    assert derive_keyring(root, "alice").promoted is None
    promoted = derive_keyring(root.changed(promoted=2), "alice")
    assert (promoted.promoted, promoted.writing_version, promoted.versions) == (2, 2, (3, 2, 1))
    keys = derive_workspace_keys(promoted, "notes")
    assert keys.writing_version == 2
    assert keys.seal(b"value", b"")[1] == 2


def test_the_owner_of_a_shared_host_is_an_owner_like_any_other():
    root = parse_secrets("1:a")
    assert derive_keyring(root, SHARED_OWNER_ID) != derive_keyring(root, "alice")
    assert SHARED_OWNER_ID == "shared"


def test_a_name_that_utf8_cannot_carry_is_refused():
    root = parse_secrets("1:a")
    for derive in (
        lambda: derive_keyring(root, "\ud800"),
        lambda: derive_workspace_keys(derive_keyring(root, "alice"), "\ud800"),
    ):
        with pytest.raises(InvalidInput, match="lone surrogate"):
            derive()


def test_a_version_that_is_not_there_is_named():
    keys = derive_workspace_keys(Keyring((entry_of(2, Key(bytes(32))),)), "notes")
    assert 2 in keys
    assert 1 not in keys
    with pytest.raises(KeyMissing) as caught:
        keys.key(1)
    assert caught.value.what == "Cannot decrypt encrypted blob: key version 1 is not in the keyring."


def test_the_writing_version_is_one_of_the_keys_and_there_is_one():
    with pytest.raises(KeyMissing):
        WorkspaceKeys({2: Key(bytes(32))}, 3)
    with pytest.raises(InvalidInput) as caught:
        WorkspaceKeys({}, 1)
    assert caught.value.what == "Keyring must contain at least one key"


def test_keys_show_their_versions_only():
    assert repr(WorkspaceKeys({1: Key(bytes(32)), 3: Key(bytes(32))}, 3)) == "<WorkspaceKeys versions 3, 1>"
