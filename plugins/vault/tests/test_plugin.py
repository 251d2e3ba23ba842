"""The section of the plugin, the flag of its process, its identity, and the secrets of earlier versions."""

import subprocess
import sys

import pytest

from strongroom.attest.release import Signed
from strongroom.attest.vault_identity import VaultIdentity, open_identity
from strongroom.plugin import Misconfigured
from strongroom.plugin.messages import strongroom_vault_pb2
from strongroom_vault.key import VaultKey
from strongroom_vault.plugin import SimulatingVaultPlugin, VaultPlugin
from strongroom_vault.settings import VaultSettings
from strongroom_vault.shelf import Shelf
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.vault_home import production_home
from tests.fakes.vault_owner import ALICE, Owner

REMOTE = {"address": "vault.example:8478", "ca_file": "/a", "certificate_file": "/b", "key_file": "/c"}


def identity(owner):
    answer = owner.call("vault.identity.get", strongroom_vault_pb2.IdentityRequest())
    return open_identity(Signed(answer.body, answer.signature), vault_public=owner.vault.public_key)


def test_a_vault_says_who_it_is(vault, tmp_path):
    assert identity(vault) == VaultIdentity(
        vault_public_key=bytes.fromhex((tmp_path / "vault.pub").read_text()),
        box_public_key=bytes.fromhex(vault.public_key),
        store="test",
        vault="co-located",
        policy_sha256=vault.vault.policy.sha256,
        policy_epoch=1,
    )
    production = Owner(production_home(tmp_path / "home"), mode="serve")
    assert identity(production).store == "production"
    production.close()


def test_a_vault_without_a_policy_says_so(tmp_path):
    key_file = production_home(tmp_path / "home")
    key_file.with_name("vault-policy.toml").unlink()
    vault = Owner(key_file, mode="serve")
    assert (identity(vault).policy_sha256, identity(vault).policy_epoch) == (bytes(32), 0)
    vault.close()


def test_what_is_left_out_lies_beside_the_key():
    found = VaultSettings.from_config(key_file="/home/vault.key")
    names = ("state_file", "policy_file", "policy_public_key")
    assert [str(getattr(found, name)) for name in names] == [
        "/home/vault.db",
        "/home/vault-policy.toml",
        "/home/vault-policy.pub",
    ]
    assert [str(path) for path in found.enclave_config_files] == ["/home/enclave-config.cbor"]
    assert found.attempts_max == 3


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"key_file": "vault.key"}, "key_file must be an absolute path"),
        ({"key_file": ""}, "key_file must be an absolute path"),
        ({"state_file": "vault.db"}, "state_file must be an absolute path"),
        ({"policy_file": "p"}, "policy_file must be an absolute path"),
        ({"policy_public_key": "p"}, "policy_public_key must be an absolute path"),
        ({"enclave_config_files": ["c"]}, "enclave_config_files must be an absolute path"),
        ({"enclave_config_files": "/c"}, "enclave_config_files must be a list of at most 64 files"),
        ({"enclave_config_files": ["/c"] * 65}, "enclave_config_files must be a list of at most 64 files"),
        ({"attempts_max": 0}, "attempts_max must be a whole number from 1 to 100"),
        ({"attempts_max": 101}, "attempts_max must be a whole number from 1 to 100"),
        ({"attempts_max": True}, "attempts_max must be a whole number from 1 to 100"),
        ({"owners": ["x"]}, "owners must have at most 10000 lines"),
        ({"owners": {ALICE: 7}}, f"owners.{ALICE} must be 64 hex digits"),
        ({"owners": {"0x12": "ab"}}, "owners.0x12: owner is not 40 hex digits"),
        ({"owners": {ALICE: "ab", f"0x{ALICE}": "ab"}}, f"owners.0x{ALICE} stands there twice"),
        ({"owners": {f"{n:040x}": "ab" for n in range(10_001)}}, "owners must have at most 10000 lines"),
        ({"development_pcrs": {"24": "00" * 32}}, "development_pcrs must be numbers from 0 to 23"),
        ({"development_pcrs": {"0": "00"}}, "development_pcrs must be numbers from 0 to 23"),
        ({"development_pcrs": ["0"]}, "development_pcrs must be registers"),
    ],
    ids=str,
)
def test_a_section_that_is_wrong_names_the_key(config, reason):
    with pytest.raises(ValueError, match=reason):
        VaultPlugin(**{"key_file": "/home/vault.key", **config})


@pytest.mark.parametrize(
    "more", [{"key_file": "/k"}, {"owners": {ALICE: "ab"}}, {"attempts_max": 2}], ids=["a key", "owners", "attempts"]
)
def test_a_vault_elsewhere_has_its_own_files(more):
    assert VaultPlugin(remote=REMOTE).capabilities() == []
    with pytest.raises(ValueError, match=f"remote stands alone: .* {next(iter(more))}"):
        VaultPlugin(remote=REMOTE, **more)


def test_the_way_to_a_vault_elsewhere_is_checked():
    with pytest.raises(Misconfigured, match="remote"):
        VaultPlugin(remote={"address": "x"})


def test_the_flag_is_of_the_process_and_no_key_of_the_section():
    assert not VaultPlugin(key_file="/k").accepts_simulated
    assert SimulatingVaultPlugin(key_file="/k").accepts_simulated
    with pytest.raises(TypeError):
        VaultPlugin(key_file="/k", accepts_simulated=True)
    for arguments in ([], ["--insecure-accept-simulated-tee"]):
        command = [sys.executable, "-m", "strongroom_vault", *arguments]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (told.returncode, "This binary is a plugin" in told.stderr) == (1, True)


def test_secrets_of_an_earlier_version_are_said_to_be_left_behind(tmp_path, caplog):
    store = MemoryStore()
    Shelf(store, VaultKey.from_secret(b"k" * 32)).check_key()
    Owner(tmp_path / "vault.key", store).close()
    assert "earlier version kept in the host's database are not read any more: set them again" in caplog.text
    caplog.clear()
    Owner(tmp_path / "vault.key").close()
    assert "earlier version" not in caplog.text
