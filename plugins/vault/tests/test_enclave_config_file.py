"""The configuration of runners is made by a command, for its own vault, and never written over."""

import subprocess
import sys

import pytest

from strongroom.attest.enclave_config import decode_enclave_config
from strongroom.plugin import Misconfigured
from tests.fakes.vault_owner import Owner


def run(*arguments):
    command = [sys.executable, "-m", "strongroom_vault", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def home(tmp_path):
    assert run("init", tmp_path / "home").returncode == 0
    return tmp_path / "home"


def remade(home, *options):
    return run("enclave-config", home / "enclave-config.cbor", "--vault-key", home / "vault.pub", *options)


def test_it_is_made_again_as_init_made_it(home):
    path = home / "enclave-config.cbor"
    first = path.read_bytes()
    path.unlink()
    made = remade(home)
    assert (made.returncode, made.stderr) == (0, "")
    assert path.read_bytes() == first
    assert decode_enclave_config(first).sha256().hex() in made.stdout
    assert "enclave_config_file " in made.stdout


def test_one_that_is_there_is_never_written_over(home):
    before = (home / "enclave-config.cbor").read_bytes()
    told = remade(home, "--policy-epoch", 7)
    assert (told.returncode, "nothing is overwritten" in told.stderr) == (73, True)
    assert (home / "enclave-config.cbor").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "capabilities"),
    [
        ((), ("*",)),
        (("--no-capabilities",), ()),
        (("--capability", "b@1.0.0", "--capability", "a@1.0.0", "--capability", "b@1.0.0"), ("a@1.0.0", "b@1.0.0")),
    ],
    ids=["all", "none", "some"],
)
def test_it_lists_what_guests_may_call(home, options, capabilities):
    (home / "enclave-config.cbor").unlink()
    assert remade(home, "--policy-epoch", 4, *options).returncode == 0
    found = decode_enclave_config((home / "enclave-config.cbor").read_bytes())
    assert (found.capabilities, found.policy_epoch) == (capabilities, 4)


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (("--no-capabilities", "--capability", "a@1.0.0"), 64, "not allowed with"),
        (("--capability", "x" * 100_000), 73, "SR-ATTEST-"),
        (("--policy-epoch", "-1"), 73, "SR-ATTEST-"),
        (("--policy-epoch", "new"), 64, "invalid int"),
    ],
    ids=["both", "too long", "negative", "no number"],
)
def test_what_can_be_no_configuration_is_not_made(home, options, code, why):
    (home / "enclave-config.cbor").unlink()
    told = remade(home, *options)
    assert (told.returncode, told.stdout) == (code, "")
    assert why in told.stderr
    assert not (home / "enclave-config.cbor").exists()


def test_a_private_key_is_no_key_of_a_vault_and_is_not_shown(home, tmp_path):
    key = home / "vault-policy.key"
    told = run("enclave-config", tmp_path / "new.cbor", "--vault-key", key)
    assert (told.returncode, "it is a private key" in told.stderr) == (73, True)
    assert key.read_text().strip().partition(":")[2] not in told.stdout + told.stderr
    missing = run("enclave-config", tmp_path / "no" / "new.cbor", "--vault-key", home / "vault.pub")
    assert (missing.returncode, "cannot be written" in missing.stderr) == (73, True)


@pytest.mark.parametrize("content", [b"no CBOR", None], ids=["broken", "of another vault"])
def test_whoever_has_a_bad_one_is_told_the_command_that_makes_it_again(home, tmp_path, content):
    run("init", tmp_path / "other")
    bad = content or (tmp_path / "other" / "enclave-config.cbor").read_bytes()
    path = home / "enclave-config.cbor"
    path.write_bytes(bad)
    key = home / "vault-policy.key"
    assert run("sign-policy", home / "vault-policy.toml", "--key", key).returncode == 0
    with pytest.raises(Misconfigured) as caught:
        Owner(home / "vault.key", mode="serve")
    assert caught.value.code == "SR-VAULT-012"
    command = caught.value.fix[caught.value.fix.index("enclave-config ") :].partition(";")[0].split()
    path.unlink()
    assert run(*command).returncode == 0
    Owner(home / "vault.key", mode="serve").close()


def test_a_file_with_another_owner_s_private_key_stops_the_start(home):
    run("sign-policy", home / "vault-policy.toml", "--key", home / "vault-policy.key")
    key = home / "vault-policy.key"
    line = key.read_text().strip()
    for given in (str(key), line, f"/etc/strongroom/{line}"):
        with pytest.raises(Misconfigured) as caught:
            Owner(home / "vault.key", mode="serve", owners={"0x" + "11" * 20: given})
        said = f"{caught.value} {caught.value.fix} {caught.value.details}"
        assert "it is a private key" in said
        assert line.partition(":")[2] not in said
