"""What a development vault makes for itself, when it makes it anew, and what it leaves alone."""

import pytest

from strongroom.attest.enclave_config import decode_enclave_config
from strongroom.plugin import KeyMissing, Misconfigured
from strongroom_vault import development
from strongroom_vault.key import create_key_file
from tests.fakes.vault_home import raised, replaced, rewrite_policy
from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Runner

PRIVATE = {"vault.key", "vault-policy.key", "development-ca.key", "development-owner.key"}
PUBLIC = {
    "vault.pub",
    "vault-policy.pub",
    "vault-policy.toml",
    "vault-policy.toml.sig",
    "development-ca.der",
    "development-owner.pub",
    "enclave-config.cbor",
}


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "vault.key"


def started(key_file, **more):
    """A vault that has started once more. What it made is in its home."""
    owner = Owner(key_file, accepts_simulated=True, **more)
    owner.close()
    return owner


def epochs(key_file, vault):
    """Of the policy, and of the configuration of the runners."""
    config = decode_enclave_config(key_file.with_name("enclave-config.cbor").read_bytes())
    return vault.vault.policy.epoch, config.policy_epoch


def contents(key_file):
    return {path.name: path.read_bytes() for path in key_file.parent.iterdir() if path.name in PRIVATE | PUBLIC}


def test_everything_is_made_and_keys_are_private(key_file):
    vault = started(key_file)
    assert contents(key_file).keys() == PRIVATE | PUBLIC
    assert {key_file.with_name(name).stat().st_mode & 0o777 for name in PRIVATE} == {0o600}
    assert bytes.fromhex(key_file.with_name("vault.pub").read_text()) == vault.vault.public_key
    config = decode_enclave_config(key_file.with_name("enclave-config.cbor").read_bytes())
    assert config.vault_public_key == vault.vault.public_key
    assert epochs(key_file, vault) == (1, 1)


def test_what_is_there_stays_as_it_is(key_file, monkeypatch):
    monkeypatch.setattr(development, "measurement_of", lambda _files: b"m" * 32)
    started(key_file)
    before = contents(key_file)
    started(key_file)
    assert contents(key_file) == before


def test_a_changed_runner_gets_a_policy_of_a_higher_epoch(key_file, monkeypatch):
    monkeypatch.setattr(development, "measurement_of", lambda _files: b"m" * 32)
    started(key_file)
    monkeypatch.setattr(development, "measurement_of", lambda _files: b"n" * 32)
    vault = Owner(key_file, accepts_simulated=True)
    assert epochs(key_file, vault) == (2, 2)
    assert Runner(vault, measurement=b"n" * 32).release() == {}
    vault.close()


def test_changed_verifiers_get_a_policy_of_a_higher_epoch(key_file, monkeypatch):
    monkeypatch.setattr(development, "measurement_of", lambda _files: b"m" * 32)
    pin = development.installed_pin()
    monkeypatch.setattr(development, "installed_pin", lambda: type(pin)(pin.distribution, pin.version, "ab" * 32))
    started(key_file)
    monkeypatch.undo()
    assert epochs(key_file, started(key_file)) == (2, 2)


@pytest.mark.parametrize(
    "lost", ["vault-policy.toml", "vault-policy.toml.sig", "enclave-config.cbor", "vault-policy.pub", "vault.pub"]
)
def test_what_is_missing_is_mended_and_no_epoch_is_used_twice(key_file, lost):
    started(key_file)
    key_file.with_name(lost).unlink()
    vault = Owner(key_file, accepts_simulated=True)
    epoch, config_epoch = epochs(key_file, vault)
    assert epoch == config_epoch == (2 if lost.startswith("vault-policy.toml") else 1)
    assert Runner(vault).release() == {}
    vault.close()


def test_a_policy_that_a_person_wrote_is_left_alone(key_file, monkeypatch):
    started(key_file)
    rewrite_policy(key_file, raised(replaced("nonce_ttl_s = 60", "nonce_ttl_s = 9")))
    monkeypatch.setattr(development, "measurement_of", lambda _files: b"n" * 32)
    before = contents(key_file)
    assert started(key_file).vault.policy.freshness.nonce_ttl_s == 9
    assert contents(key_file) == before


def test_a_policy_that_was_made_here_and_changed_by_hand_is_made_anew(key_file):
    started(key_file)
    path = key_file.with_name("vault-policy.toml")
    path.write_text(path.read_text().replace('"none"', '"local"'))
    vault = started(key_file)
    assert vault.vault.policy.release.min_assurance == "none"
    assert vault.vault.policy.epoch == 2


def test_registers_of_a_software_tpm_are_accepted_when_they_are_configured(key_file):
    assert not started(key_file).vault.policy.entries_of("insecure-swtpm")
    policy = started(key_file, development_pcrs={"16": "ab" * 32, "0": "00" * 32}).vault.policy
    assert policy.insecure.allow_kinds == ("insecure-software", "insecure-swtpm")
    assert len(policy.entries_of("insecure-swtpm")) == 1
    assert policy.epoch == 2


def test_a_key_that_does_not_belong_to_the_store_changes_nothing(key_file):
    started(key_file)
    key_file.unlink()
    create_key_file(key_file)
    before = contents(key_file)
    with pytest.raises(KeyMissing):
        started(key_file)
    assert contents(key_file) == before


def test_a_vault_without_the_runner_beside_it_starts_and_releases_nothing(key_file, monkeypatch, caplog):
    monkeypatch.setattr(development, "RUNNER_PACKAGES", ("strongroom", "not_installed_here"))
    vault = started(key_file)
    assert (vault.vault.policy, vault.vault.store) == (None, "test")
    assert "no development policy was made: package not_installed_here is not installed" in caplog.text


def test_a_home_that_cannot_be_written_says_so(key_file):
    started(key_file)
    key_file.with_name("vault.pub").unlink()
    key_file.with_name("vault.pub").mkdir()
    with pytest.raises(Misconfigured, match=r"vault\.pub cannot be written") as caught:
        started(key_file)
    assert caught.value.code == "SR-VAULT-013"


def test_keys_of_a_home_that_others_can_read_are_refused(key_file):
    started(key_file)
    for name in sorted(PRIVATE):
        key_file.with_name(name).chmod(0o644)
        with pytest.raises(Misconfigured, match="others can read it"):
            started(key_file)
        key_file.with_name(name).chmod(0o600)
