"""Which policy decides, which store it may open, and what a vault without one does."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.attest.enclave_config import decode_enclave_config
from strongroom.crypto.box import BoxKey
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import CapabilityError, Misconfigured
from strongroom_vault.commands import init_home, init_key
from tests.fakes.vault_home import production_home, replaced, rewrite_policy, test_home
from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Runner

NITRO = '\n[[accept.nitro]]\nname = "r"\n' + "".join(f'pcr{number} = "{"ab" * 48}"\n' for number in range(3))


def refused(code, *arguments, **more):
    """The error with which a vault does not start."""
    with pytest.raises(Misconfigured) as caught:
        Owner(*arguments, **more)
    assert caught.value.code == code, str(caught.value)
    return caught.value


def served(*arguments, **more):
    """A vault that starts, as the plugin of a serving host."""
    return Owner(*arguments, mode="serve", **more)


def test_without_a_policy_a_vault_keeps_secrets_and_releases_nothing(tmp_path):
    init_key(tmp_path / "vault.key")
    vault = served(tmp_path / "vault.key")
    assert vault.create("K", vault.entry("K", b"v", min_assurance="local", is_test_only=False)) == ""
    key = BoxKey.generate()
    assert vault.get("K", to=[key.public_hex])[0].error == ""
    with pytest.raises(
        CapabilityError, match="SR-ATTEST-027: this vault has no policy.*strongroom_vault init"
    ) as caught:
        Runner(vault).challenge()
    assert (caught.value.origin, caught.value.name) == ("User", "PermissionDenied")
    assert vault.vault.store == "production"
    vault.close()


def test_a_production_vault_takes_no_simulation(tmp_path):
    vault = served(production_home(tmp_path / "home", NITRO))
    assert (vault.vault.store, vault.vault.policy.profile) == ("production", "production")
    runner = Runner(vault, authority=development_authority(tmp_path), measurement=b"m" * 32)
    asked = runner.asked()
    with pytest.raises(CapabilityError, match="SR-ATTEST-026: evidence refused at kind: found insecure-software"):
        runner.answer(asked)
    vault.close()


def development_authority(directory):
    """The CA of another installation's vault for tests."""
    return DevelopmentAuthority.load(test_home(directory / "test").with_name("development-ca.key"))


def test_a_production_vault_does_not_start_with_the_flag(tmp_path):
    key_file = production_home(tmp_path / "home")
    error = refused("SR-VAULT-011", key_file, mode="serve", accepts_simulated=True)
    assert "--insecure-accept-simulated-tee" in str(error)
    init_key(tmp_path / "vault.key")
    refused("SR-VAULT-011", tmp_path / "vault.key", mode="serve", accepts_simulated=True)
    served(key_file).close()


def test_a_production_policy_that_names_a_simulation_is_no_policy(tmp_path):
    key_file = production_home(tmp_path / "home")
    path = key_file.with_name("vault-policy.toml")
    key = SigningKey.load(key_file.with_name("vault-policy.key"))
    text = path.read_bytes() + b'\n[insecure]\nallow_kinds = ["insecure-software"]\n'
    path.write_bytes(text)
    path.with_name("vault-policy.toml.sig").write_bytes(key.sign("policy", text))
    refused("SR-ATTEST-027", key_file, mode="serve")


def test_a_policy_for_tests_takes_simulations_with_the_flag_on_any_host(tmp_path):
    init_home(tmp_path / "home", is_test=True)
    vault = served(tmp_path / "home" / "vault.key", accepts_simulated=True)
    assert vault.vault.store == "test"
    assert Runner(vault).release() == {}
    vault.close()


def test_a_store_is_for_tests_or_for_production_for_good(tmp_path):
    tests, production = test_home(tmp_path / "test"), production_home(tmp_path / "production")
    served(production).close()
    both = {"policy_file": "vault-policy.toml", "policy_public_key": "vault-policy.pub"}
    of_tests = {name: str(tests.with_name(file)) for name, file in both.items()}
    of_production = {name: str(production.with_name(file)) for name, file in both.items()}
    assert "is a store for production" in str(refused("SR-VAULT-010", production, mode="serve", **of_tests))
    assert "is a store for tests" in str(refused("SR-VAULT-010", tests, mode="serve", **of_production))
    served(production).close()
    served(tests).close()


def test_a_development_host_leaves_a_production_vault_as_it_is(tmp_path):
    init_key(tmp_path / "vault.key")
    served(tmp_path / "vault.key").close()
    before = {path.name for path in tmp_path.iterdir()}
    vault = Owner(tmp_path / "vault.key")
    assert (vault.vault.store, vault.vault.policy) == ("production", None)
    vault.close()
    assert {path.name for path in tmp_path.iterdir()} == before
    refused("SR-VAULT-011", tmp_path / "vault.key", accepts_simulated=True)


def test_the_two_kinds_of_store_have_different_keys_also_from_one_file(tmp_path):
    tests = Owner(tmp_path / "vault.key")
    tests.close()
    production = served(
        tmp_path / "vault.key",
        state_file=str(tmp_path / "other.db"),
        policy_file=str(tmp_path / "none"),
        enclave_config_files=[str(tmp_path / "none")],
    )
    assert production.vault.public_key != tests.vault.public_key
    assert production.public_key != tests.public_key
    assert "not sealed to this vault" in production.create("K", tests.sealed(b"v"))
    production.close()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.with_name("vault-policy.toml.sig").unlink(), "its signature is missing"),
        (
            lambda path: path.with_name("vault-policy.toml.sig").write_bytes(b"s" * 64),
            "its signature is missing, or not",
        ),
        (lambda path: path.write_bytes(path.read_bytes() + b"\n# more\n"), "its signature is missing, or not"),
        (lambda path: path.with_name("vault-policy.pub").write_text("ab" * 32), "its signature is missing, or not"),
    ],
    ids=["no signature", "another signature", "another text", "another key"],
)
def test_a_policy_that_does_not_hold_stops_the_start(tmp_path, spoil, reason):
    key_file = production_home(tmp_path / "home")
    spoil(key_file.with_name("vault-policy.toml"))
    assert reason in str(refused("SR-ATTEST-027", key_file, mode="serve"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda home: (home / "vault-policy.pub").unlink(), "there is no such file"),
        (lambda home: (home / "vault-policy.pub").write_text("no key"), "does not hold 64 hex digits"),
        (lambda home: (home / "vault-policy.pub").write_text("a" * 2_000), "it has more than 1024 bytes"),
        (lambda home: (home / "vault-policy.toml.sig").write_bytes(b"s" * 65), "it has more than 64 bytes"),
    ],
    ids=["no key", "no hex", "too long", "a long signature"],
)
def test_a_file_beside_the_policy_that_is_wrong_stops_the_start(tmp_path, spoil, reason):
    key_file = production_home(tmp_path / "home")
    spoil(key_file.parent)
    assert reason in str(refused("SR-VAULT-009", key_file, mode="serve"))


@pytest.mark.parametrize(
    ("newer", "older"), [("epoch = 7", "epoch = 6"), ("min_runner_svn = 3", "min_runner_svn = 2")], ids=["epoch", "svn"]
)
def test_a_policy_never_goes_back(tmp_path, newer, older):
    name = newer.split(" ")[0]
    key_file = production_home(tmp_path / "home")
    rewrite_policy(key_file, replaced(f"\n{name} = 1", f"\n{newer}"))
    served(key_file).close()
    served(key_file).close()
    rewrite_policy(key_file, replaced(newer, older))
    error = refused("SR-ATTEST-028", key_file, mode="serve")
    assert f"vault-policy.toml:{name} is {older[-1]}, and {newer[-1]} was in force already" in str(error)


def test_an_epoch_means_one_policy_also_after_a_restart(tmp_path):
    key_file = production_home(tmp_path / "home")
    served(key_file).close()
    was = key_file.with_name("vault-policy.toml").read_text()
    rewrite_policy(key_file, replaced('require = "affirming"', 'require = "warning"'))
    for _start in range(2):
        error = refused("SR-ATTEST-028", key_file, mode="serve")
        assert "vault-policy.toml:epoch is 1, and another policy of this epoch was in force already" in str(error)
        assert "raise epoch to 2 or more" in error.fix
    rewrite_policy(key_file, lambda _text: was)
    served(key_file).close()
    rewrite_policy(key_file, lambda text: text.replace("\nepoch = 1", "\nepoch = 2") + "# reviewed\n")
    served(key_file).close()
    rewrite_policy(key_file, replaced("# reviewed", "# changed"))
    refused("SR-ATTEST-028", key_file, mode="serve")


def test_a_store_that_remembers_only_the_number_takes_the_policy_of_that_epoch_once(tmp_path):
    key_file = production_home(tmp_path / "home")
    served(key_file).close()
    with sqlite3.connect(key_file.with_name("vault.db")) as database:
        database.execute("DELETE FROM meta WHERE name = 'policy_sha256'")
    rewrite_policy(key_file, lambda text: text + "# changed\n")
    served(key_file).close()
    rewrite_policy(key_file, lambda text: text + "# again\n")
    refused("SR-ATTEST-028", key_file, mode="serve")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no CBOR", "enclave-config"), (None, "it names the vault")],
    ids=["broken", "of another vault"],
)
def test_an_enclave_configuration_must_be_of_this_vault(tmp_path, content, reason):
    key_file, other = production_home(tmp_path / "home"), production_home(tmp_path / "other")
    config = other.with_name("enclave-config.cbor").read_bytes()
    key_file.with_name("enclave-config.cbor").write_bytes(content or config)
    assert reason in str(refused("SR-VAULT-012", key_file, mode="serve"))


def test_without_an_enclave_configuration_only_the_policy_can_name_one(tmp_path):
    key_file = test_home(tmp_path)
    config = key_file.with_name("enclave-config.cbor")
    kept = config.read_bytes()
    config.unlink()
    vault = served(key_file, accepts_simulated=True)
    config.write_bytes(kept)
    runner = Runner(vault)
    asked = runner.asked()
    with pytest.raises(CapabilityError, match="SR-ATTEST-022.*one that the vault or the policy names"):
        runner.answer(asked)
    vault.close()


@pytest.mark.parametrize("spoil", [lambda config: None, Path.unlink], ids=["any capability", "no configuration"])
def test_where_only_attested_capabilities_may_be_called_runners_call_none(tmp_path, spoil):
    key_file = production_home(tmp_path / "home")
    rewrite_policy(key_file, replaced("[release]", "[release]\nonly_attested_capabilities = true"))
    config = key_file.with_name("enclave-config.cbor")
    made = decode_enclave_config(config.read_bytes())
    spoil(config)
    assert "only_attested_capabilities" in str(refused("SR-VAULT-012", key_file, mode="serve"))
    config.write_bytes(replace(made, capabilities=()).encode())
    served(key_file).close()
