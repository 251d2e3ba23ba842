"""The vault starts only with the key that its store belongs to, and the store never holds a value in the clear."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.crypto.box import BoxKey
from strongroom.plugin import KeyMissing, Misconfigured
from strongroom_vault.key import create_key_file, load_key_file
from strongroom_vault.plugin import VaultPlugin
from strongroom_vault.records import Records
from tests.fakes.plugin_host import MemoryStore, memory_host
from tests.fakes.vault_owner import ALICE, Owner

CANARY = b"canary-5f1d0c9e"


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "vault.key"


def init_key(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "strongroom_vault", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_secrets_survive_a_restart(key_file):
    before = Owner(key_file)
    before.create("K", b"v")
    before.plugin.stop()
    key = BoxKey.generate()
    (answer,) = Owner(key_file).get("K", to=[key.public_hex])
    assert key.open(bytes.fromhex(answer.data.encrypted_decryption_key_shares[0].shares[0])) == b"v"


def test_another_key_is_refused_at_start_and_nothing_is_overwritten(key_file, tmp_path):
    before = Owner(key_file)
    before.create("K", b"v")
    before.close()
    stored = {path: path.read_bytes() for path in tmp_path.iterdir()}
    create_key_file(tmp_path / "other.key")
    with pytest.raises(KeyMissing) as caught:
        Owner(tmp_path / "other.key")
    assert caught.value.details["expected"] == load_key_file(key_file).key_id
    assert caught.value.details["offered"] == load_key_file(tmp_path / "other.key").key_id
    assert {path: path.read_bytes() for path in stored} == stored


def test_a_lost_key_is_not_replaced_while_secrets_are_stored(key_file):
    before = Owner(key_file)
    before.close()
    key_file.unlink()
    with pytest.raises(Misconfigured, match="secrets are stored under it"):
        Owner(key_file)
    assert not key_file.exists()


def test_a_serving_host_never_makes_a_key_and_names_the_command_that_does(key_file):
    with pytest.raises(Misconfigured, match="only a development host makes one by itself") as caught:
        Owner(key_file, mode="serve")
    assert not key_file.exists()
    command = caught.value.fix.partition(": ")[2]
    made = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)  # noqa: S607 - any shell
    assert (made.returncode, made.stderr) == (0, "")
    assert Owner(key_file, mode="serve").public_key


def test_a_service_whose_key_was_not_handed_over_is_told_how_that_is_done():
    with pytest.raises(Misconfigured) as caught:
        Owner(Path("/run/credentials/strongroom.service/vault.key"), mode="serve")
    assert "hand it over as the credential vault.key: docs/operations.md" in caught.value.fix


def test_a_made_key_is_private_and_is_never_overwritten(key_file):
    first = init_key("init-key", key_file)
    assert first.returncode == 0, first.stderr
    assert key_file.stat().st_mode & 0o777 == 0o600
    content = key_file.read_text()
    second = init_key("init-key", key_file)
    assert second.returncode == 73
    assert "never overwritten" in second.stderr
    assert key_file.read_text() == content
    assert content.rsplit(":", 1)[1].strip() not in first.stdout + first.stderr + second.stderr


@pytest.mark.parametrize("command", ["init-key", "make", "init-key a b"], ids=["no file", "unknown", "two files"])
def test_a_wrong_command_shows_the_usage(command):
    answer = init_key(*command.split())
    assert (answer.returncode, answer.stderr.startswith("usage:")) == (64, True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660], ids=oct)
def test_a_key_file_that_others_can_read_is_refused(key_file, mode):
    create_key_file(key_file)
    key_file.chmod(mode)
    with pytest.raises(Misconfigured, match="others can read it") as caught:
        Owner(key_file)
    assert "chmod 600" in caught.value.fix


@pytest.mark.parametrize(
    "content",
    ["", "strongroom-vault-1:abcd\n", "a" * 5_000, "strongroom-vault-1:" + "ab" * 32 + "\nand more\n", "\x00\xff"],
    ids=["empty", "short", "too big", "two lines", "binary"],
)
def test_a_file_that_is_no_key_is_refused_without_showing_it(key_file, content):
    key_file.write_text(content)
    key_file.chmod(0o600)
    with pytest.raises(Misconfigured, match="does not hold one line") as caught:
        Owner(key_file)
    assert "abab" not in str(caught.value)
    # Who follows the advice must not lose what a vault keeps.
    assert caught.value.fix.startswith("restore it from a backup: what is stored opens under no other key")


def test_a_link_is_not_a_key_file(key_file, tmp_path):
    create_key_file(tmp_path / "real.key")
    key_file.symlink_to(tmp_path / "real.key")
    with pytest.raises(Misconfigured, match="cannot be used"):
        Owner(key_file)


def test_a_relative_key_file_is_refused():
    with pytest.raises(ValueError, match="absolute"):
        VaultPlugin(key_file="vault.key")


def test_the_store_and_the_logs_never_hold_a_value(key_file, caplog):
    caplog.set_level(logging.DEBUG)
    owner = Owner(key_file)
    owner.create("K", CANARY)
    owner.update("K", CANARY + b"2")
    owner.get("K", to=[BoxKey.generate().public_hex])
    owner.create("BAD", "00" * 60)
    everything = caplog.text.encode() + repr(owner.plugin).encode() + repr(owner.vault).encode()
    key = load_key_file(key_file)
    everything += f"{key!r} {owner.vault.shelf.get(owner.vault.shelf.names(ALICE)[0])!r}".encode()
    owner.close()
    everything += b"".join(path.read_bytes() for path in key_file.parent.iterdir() if path != key_file)
    assert CANARY not in everything
    assert CANARY.hex().encode() not in everything
    assert key_file.read_text().rsplit(":", 1)[1].strip().encode() not in everything


def test_every_flipped_byte_of_a_stored_secret_is_noticed_and_a_record_opens_only_in_its_place(key_file):
    owner = Owner(key_file)
    owner.create("K", b"v")
    owner.create("OTHER", b"w")
    records = Records(owner.vault.state)
    stored = records.get("secret/main/K", owner=ALICE)
    for position in range(len(stored)):
        flipped = bytearray(stored)
        flipped[position] ^= 1
        records.put("secret/main/K", bytes(flipped), owner=ALICE)
        assert "failed authentication" in owner.get("K", to=[owner.public_key])[0].error, position
    records.put("secret/main/K", records.get("secret/main/OTHER", owner=ALICE), owner=ALICE)
    assert "failed authentication" in owner.get("K", to=[owner.public_key])[0].error
    assert "failed authentication" in owner.update("K", b"new")
    assert owner.delete("K") == ""
    assert owner.create("K", b"new") == ""


def test_a_changed_key_check_is_refused_like_another_key(key_file):
    owner = Owner(key_file)
    records = Records(owner.vault.state)
    check = bytearray(records.get("key-check"))
    check[-1] ^= 1
    records.put("key-check", bytes(check))
    owner.close()
    with pytest.raises(KeyMissing):
        Owner(key_file)


def test_a_plugin_that_was_stopped_offers_nothing(key_file):
    plugin = VaultPlugin(key_file=str(key_file))
    assert plugin.capabilities() == []
    plugin.start(memory_host(store=MemoryStore()))
    assert [capability.id for capability in plugin.capabilities()] == ["vault@1.0.0"]
    plugin.stop()
    assert plugin.capabilities() == []


def test_a_directory_in_the_place_of_a_key_is_refused_and_not_left_open(tmp_path):
    with pytest.raises(Misconfigured, match="it is not a regular file"):
        load_key_file(tmp_path)
    held = {os.path.realpath(descriptor) for descriptor in Path("/proc/self/fd").iterdir()}
    assert str(tmp_path) not in held
