"""``strongroom vault manifest put`` and ``grant``, where the vault or the serial stands against it."""

import pytest

from strongroom.attest.manifest import Manifest, ManifestGrant, sign_manifest
from strongroom.crypto.signing import SigningKey
from tests.fakes.daemon_vault import OWNER
from tests.fakes.terminal import strongroom

NAMED = '{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}]}'
GRANT = ManifestGrant(
    workflow_id="00" + "ab" * 31,
    binary_sha256=bytes(32),
    config_sha256=bytes(32),
    secrets={("main", "K"): "hardware"},
)


@pytest.fixture
def owner(tmp_path):
    """An owner with a key in a file."""
    assert strongroom("vault", "owner-key", str(tmp_path / "owner.key")).code == 0
    return SigningKey.load(tmp_path / "owner.key")


@pytest.fixture
def registered(host, known, wasm):
    """A workflow that asks for a secret."""
    assert strongroom("workflow", "register", str(wasm), "--name", "hello", "--attributes", NAMED).code == 0


@pytest.mark.parametrize(
    "said",
    [
        "SR-ATTEST-006 manifest signature: found another, wanted one by the key of the owner",
        "SR-ATTEST-030 manifest owner: wanted one whose public key stands in the configuration, under owners",
    ],
    ids=["another key", "no key"],
)
def test_an_owner_whose_key_the_vault_does_not_know_is_told_who_must_enter_it(host, owner, registered, said):
    host.manifest_error = said
    ended = strongroom("vault", "manifest", "grant", "hello", "--owner-key", "owner.key", "--yes", "--json")
    assert ended.code == 1
    assert (ended.error["code"], said in ended.error["why"]) == ("SR-CLI-145", True)
    assert "owner.key.pub" in ended.error["fix"]
    assert "under owners" in ended.error["fix"]
    assert not host.manifests


def put(tmp_path, key, serial):
    manifest = Manifest(owner=f"0x{OWNER}", serial=serial, grants=(GRANT,))
    (tmp_path / "m.cbor").write_bytes(manifest.encode())
    (tmp_path / "m.cbor.sig").write_bytes(sign_manifest(manifest, key))
    return strongroom("vault", "manifest", "put", "m.cbor", "--yes")


def test_a_leap_of_the_serial_is_said_and_the_last_one_is_not_put(host, owner, tmp_path):
    assert "leaps" not in put(tmp_path, owner, 1_000).err
    host.manifests.clear()
    ended = put(tmp_path, owner, 1_001)
    assert (ended.code, "the serial leaps from 0 to 1001" in ended.err) == (0, True)
    before = dict(host.manifests)
    ended = put(tmp_path, owner, 2**64 - 1)
    assert (ended.code, "SR-CLI-146" in ended.err) == (65, True)
    assert host.manifests == before
