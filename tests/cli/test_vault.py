"""``strongroom vault``: who a vault is, and how the command becomes the service."""

import sys

import pytest

from strongroom.crypto.signing import SigningKey, key_id
from tests.fakes.daemon_vault import OURS
from tests.fakes.terminal import strongroom


def test_who_a_vault_is_reads_as_what_the_host_says_until_a_key_is_pinned(host):
    ended = strongroom("vault", "identity")
    assert ended.code == 0
    assert f"SHA-256 {key_id(host.vault_signing.public).hex()}" in ended.out
    assert "this is only what the host says" in ended.out
    assert "it releases nothing to enclaves" in ended.out
    pinned = strongroom("vault", "identity", "--vault-key", host.vault_signing.public.hex(), "--json")
    assert pinned.document["schema"] == "strongroom.vault-identity/v1"
    assert pinned.document["verified_by"] == "--vault-key"
    assert pinned.document["store"] == "test"


def test_another_vault_than_the_pinned_one_is_not_shown(host):
    ended = strongroom("vault", "identity", "--vault-key", SigningKey.generate().public.hex())
    assert ended.code == 77
    assert "SR-CLI-115" in ended.err
    assert not ended.out


def test_a_vault_that_does_not_say_who_it_is_is_unavailable(host):
    host.vault_lacks = set(OURS)
    assert strongroom("vault", "identity").code == 69


@pytest.mark.parametrize("flag", [False, True], ids=["as it is", "with simulations"])
def test_serving_becomes_the_program_of_the_vault(monkeypatch, tmp_path, flag):
    started = []
    monkeypatch.setattr("os.execv", lambda path, words: started.append((path, words)))
    options = ("--insecure-accept-simulated-tee",) if flag else ()
    assert strongroom("vault", "serve", "--config", "vault.toml", "--quiet", *options).code == 0
    ((path, words),) = started
    assert path == sys.executable
    assert words[1:7] == ["-P", "-m", "strongroom_vault", "serve", "--config", "vault.toml"]
    assert words[7:] == [*options, "--quiet"]


def test_a_vault_that_is_not_installed_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ended = strongroom("vault", "serve", "--config", "vault.toml")
    assert ended.code == 69
    assert "SR-CLI-121" in ended.err


def test_serving_needs_a_file():
    assert strongroom("vault", "serve").code == 2
