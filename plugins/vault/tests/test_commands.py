"""What an operator does from a command line makes a vault that starts, and never overwrites anything."""

import os
import subprocess
import sys

import pytest

from strongroom.attest.policy import PRODUCTION, open_policy, parse_policy
from strongroom.crypto.signing import SigningKey
from strongroom_vault.policy_text import production_template
from strongroom_vault.verifiers import installed_pin, installed_verifiers
from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Runner


def run(*arguments, cwd=None):
    command = [sys.executable, "-m", "strongroom_vault", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_paths_are_from_where_the_command_runs(tmp_path):
    assert run("init", "home", cwd=tmp_path).returncode == 0
    signed = run("sign-policy", "home/vault-policy.toml", "--key", "home/vault-policy.key", cwd=tmp_path)
    assert (signed.returncode, signed.stderr) == (0, "")
    assert signed.stdout.startswith(f"wrote {tmp_path / 'home' / 'vault-policy.toml.sig'}: production, epoch 1")


def test_a_production_home_is_made_edited_signed_and_served(tmp_path):
    home = tmp_path / "deep" / "home"
    made = run("init", home)
    assert (made.returncode, made.stderr) == (0, "")
    assert home.stat().st_mode & 0o777 == 0o700
    assert "back up vault.key" in made.stdout
    unsigned = run("init-key", tmp_path / "k"), home / "vault-policy.toml"
    assert unsigned[0].returncode == 0
    command = next(line for line in made.stdout.splitlines() if "sign-policy" in line).partition("then: ")[2]
    signed = run(*command.split()[3:])
    public = (home / "vault-policy.pub").read_text().strip()
    assert signed.stdout == f"wrote {home / 'vault-policy.toml.sig'}: production, epoch 1, signed by {public}\n"
    vault = Owner(home / "vault.key", mode="serve")
    assert vault.vault.policy.profile == PRODUCTION
    assert bytes.fromhex((home / "vault.pub").read_text()) == vault.vault.public_key
    vault.close()


def test_a_home_for_tests_is_ready(tmp_path):
    made = run("init", tmp_path / "home", "--test")
    assert (made.returncode, made.stderr) == (0, "")
    assert "accepts simulations" in made.stdout
    vault = Owner(tmp_path / "home" / "vault.key", mode="serve", accepts_simulated=True)
    assert Runner(vault).release() == {}
    vault.close()


@pytest.mark.parametrize(
    "name", ["vault.pub", "vault-policy.key", "vault-policy.pub", "vault-policy.toml", "enclave-config.cbor"]
)
@pytest.mark.parametrize("flags", [[], ["--test"]], ids=["production", "tests"])
def test_nothing_is_overwritten(tmp_path, name, flags):
    (tmp_path / name).write_text("mine")
    told = run("init", tmp_path, *flags)
    assert (told.returncode, told.stdout) == (73, "")
    assert "it exists" in told.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.parametrize("flags", [[], ["--test"]], ids=["production", "tests"])
def test_a_key_that_is_there_is_used(tmp_path, flags):
    run("init-key", tmp_path / "vault.key")
    content = (tmp_path / "vault.key").read_text()
    assert run("init", tmp_path, *flags).returncode == 0
    assert (tmp_path / "vault.key").read_text() == content
    (tmp_path / "other").mkdir(mode=0o700)
    (tmp_path / "other" / "vault.key").write_text("no key")
    told = run("init", tmp_path / "other", *flags)
    assert (told.returncode, "cannot be used" in told.stderr) == (73, True)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["vault.key"]


def test_a_home_in_the_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    told = run("init", tmp_path / "file")
    assert (told.returncode, "cannot be used" in told.stderr) == (73, True)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda home: (home / "vault-policy.toml").write_text("epoch = 1"), "makes the policy invalid"),
        (lambda home: (home / "vault-policy.toml").unlink(), "there is no such file"),
        (lambda home: (home / "vault-policy.key").unlink(), "there is no such file"),
        (lambda home: (home / "vault-policy.key").write_text("no key"), "holds no signing key"),
        (lambda home: (home / "vault-policy.key").chmod(0o644), "others can read it"),
    ],
    ids=["no policy", "no file", "no key file", "no key", "a key for all"],
)
def test_what_cannot_be_signed_is_not(tmp_path, spoil, reason):
    run("init", tmp_path / "home")
    spoil(tmp_path / "home")
    told = run("sign-policy", tmp_path / "home" / "vault-policy.toml", "--key", tmp_path / "home" / "vault-policy.key")
    assert told.returncode == 73
    assert reason in told.stderr
    assert not (tmp_path / "home" / "vault-policy.toml.sig").exists()


def test_a_key_that_the_vault_does_not_pin_signs_nothing_and_the_good_signature_stays(tmp_path):
    run("init", tmp_path / "home")
    path, key = tmp_path / "home" / "vault-policy.toml", tmp_path / "home" / "vault-policy.key"
    run("sign-policy", path, "--key", key)
    good = path.with_name("vault-policy.toml.sig").read_bytes()
    SigningKey.generate().save(tmp_path / "other.key")
    told = run("sign-policy", path, "--key", tmp_path / "other.key")
    assert (told.returncode, path.with_name("vault-policy.toml.sig").read_bytes()) == (73, good)
    assert f"it is the key {SigningKey.load(key).public.hex()}, and the policy would be signed by" in told.stderr
    path.with_suffix(".pub").unlink()
    assert run("sign-policy", path, "--key", tmp_path / "other.key").returncode == 0, "nothing there to compare with"


def test_whoever_signs_another_content_is_told_that_its_epoch_must_be_higher(tmp_path):
    run("init", tmp_path / "home")
    path, key = tmp_path / "home" / "vault-policy.toml", tmp_path / "home" / "vault-policy.key"
    for _time in range(2):
        assert "SR-ATTEST-028" not in run("sign-policy", path, "--key", key).stdout
    path.write_text(path.read_text() + "# more\n")
    told = run("sign-policy", path, "--key", key)
    assert told.returncode == 0
    assert "a vault that had that in force with epoch 1 refuses this one (SR-ATTEST-028)" in told.stdout


@pytest.mark.parametrize(
    "command", ["init", "sign-policy F", "audit", "audit verify", "init D --force", "unknown", "--insecure"], ids=str
)
def test_a_wrong_command_shows_the_usage_and_does_nothing(command):
    told = run(*command.split())
    assert (told.returncode, told.stdout) == (64, "")
    assert told.stderr.startswith("usage: python -m strongroom_vault")


def test_the_template_accepts_nothing_and_each_line_of_its_comments_can_be_used():
    pin = installed_pin()
    text = production_template(pin)
    policy = parse_policy(text.encode(), file="policy")
    assert (policy.profile, policy.entries, policy.verifiers) == ("production", (), (pin,))
    filled = text.replace("<96 hex digits>", "ab" * 48)
    body = [line.removeprefix("# ") for line in filled.split("# Runners", 1)[1].splitlines()]
    entries = "\n".join(body[body.index("[[accept.nitro]]") :]).replace("#\n", "\n")
    policy = parse_policy((text + entries).encode(), file="policy")
    assert [each.kind for each in policy.entries] == ["nitro", "sev-snp"]


def test_a_signed_policy_opens_with_the_public_key_that_was_made(tmp_path):
    run("init", tmp_path / "home")
    path = tmp_path / "home" / "vault-policy.toml"
    run("sign-policy", path, "--key", tmp_path / "home" / "vault-policy.key")
    key = SigningKey.load(tmp_path / "home" / "vault-policy.key")
    assert open_policy(
        path.read_bytes(), (tmp_path / "home" / "vault-policy.toml.sig").read_bytes(), public=key.public, file="p"
    )


def test_every_verifier_comes_from_strongroom_itself():
    found = installed_verifiers()
    assert {each.pin for each in found} == {installed_pin()}
    needed = {"nitro", "sev-snp", "az-snp-vtpm", "tpm2", "insecure-swtpm", "insecure-software"}
    assert needed <= {each.kind for each in found}


SERVED = """
import os, sys, types
service = types.ModuleType("strongroom_vault.service.main")
service.main = lambda arguments: print(os.environ["GRPC_VERBOSITY"], flush=True)
sys.modules[service.__name__] = service
from strongroom_vault.__main__ import main
assert "grpc" not in sys.modules
main(["serve"])
"""


@pytest.mark.parametrize("wanted", ["NONE", "debug"], ids=["quiet", "as-asked-for"])
def test_a_vault_that_serves_has_no_raw_lines_of_grpc_in_its_log_unless_somebody_wants_them(wanted):
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    environment |= {} if wanted == "NONE" else {"GRPC_VERBOSITY": wanted}
    done = subprocess.run([sys.executable, "-c", SERVED], capture_output=True, text=True, check=False, env=environment)
    assert (done.stdout, done.stderr) == (f"{wanted}\n", "")
