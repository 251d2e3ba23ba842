"""A vault for which no key is pinned gets nothing, unless a person agrees or the owner said ``--unverified``."""

import pytest

from strongroom.crypto.signing import key_id
from tests.fakes.daemon_vault import OURS
from tests.fakes.terminal import strongroom


def store(*options, terminal=False, stdin=b"v"):
    return strongroom("secret", "set", "K", *options, stdin=stdin, terminal=terminal)


def sent(host):
    """The methods of the vault that were called."""
    return [request.method for request in host.asked if hasattr(request, "method")]


@pytest.fixture
def typed(monkeypatch):
    """A person at a terminal, who types the value at its own prompt."""
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: "typed")


def known_vaults(tmp_path):
    return tmp_path / ".config" / "strongroom" / "known_vaults"


@pytest.mark.parametrize("said", ["test", "production"])
def test_without_a_pin_and_a_person_no_vault_gets_the_value_whatever_it_says_of_itself(host, tmp_path, said):
    host.vault_store = said
    ended = store()
    assert ended.code == 77
    assert "SR-CLI-116" in ended.err
    for fact in (key_id(host.vault_signing.public).hex(), "--vault-key", "vault_public_key_file", "--unverified"):
        assert fact in ended.err
    assert sent(host) == ["vault.identity.get"]
    assert not known_vaults(tmp_path).exists()


def test_a_terminal_that_may_not_be_asked_is_none(host, typed):
    assert store("--no-input", terminal=True).code == 2
    assert not host.asked


@pytest.mark.parametrize("terminal", [False, True], ids=["no terminal", "terminal"])
def test_an_owner_who_believes_the_host_is_warned_and_obeyed(host, typed, tmp_path, terminal):
    ended = store("--unverified", terminal=terminal)
    assert ended.code == 0
    assert "warning: this vault could not be verified" in ended.err
    assert key_id(host.vault_signing.public).hex() in ended.err
    assert "stored for runs of any kind; test vault: stored with --test-only" in ended.err
    assert host.secret_terms[("main", "K")] == ("local", True, 1)
    assert not known_vaults(tmp_path).exists(), "what was not compared is not remembered"


def test_in_a_production_vault_that_is_believed_a_value_is_for_hardware(host):
    host.vault_store = "production"
    ended = store("--unverified", "--json")
    assert ended.code == 0
    assert host.secret_terms[("main", "K")] == ("hardware", False, 1)
    assert ended.document["verified_by"] == ""


def test_a_foreign_vault_gets_nothing_where_nobody_can_be_asked(host):
    host.vault_lacks = set(OURS)
    ended = store()
    assert ended.code == 77
    assert "SR-CLI-129" in ended.err
    for fact in ("vault.identity.get", "--vault-key", "vault_public_key_file", "--unverified"):
        assert fact in ended.err
    assert sent(host) == ["vault.identity.get"]


@pytest.mark.parametrize(("answer", "code"), [(b"\n", 2), (b"no\n", 2), (b"", 2), (b"y\n", 0)], ids=repr)
def test_a_person_decides_each_time_about_a_foreign_vault(host, typed, tmp_path, answer, code):
    host.vault_lacks = set(OURS)
    ended = store("--quiet", terminal=True, stdin=answer)
    assert ended.code == code
    assert "does not say who it is" in ended.err
    assert "[y/N]" in ended.err
    assert bool(host.secrets) == (code == 0)
    assert not known_vaults(tmp_path).exists()


def test_a_foreign_vault_that_is_believed_gets_the_value_alone_and_that_is_said(host):
    host.vault_lacks = set(OURS)
    ended = store("--unverified", "--json")
    assert ended.code == 0
    assert host.secrets == {("main", "K"): b"v"}
    assert "does not say who it is, so it could not be verified" in ended.err
    assert ended.document["min_assurance"] == ""


@pytest.mark.parametrize("option", [("--min-assurance", "hardware"), ("--test-only",)], ids=" ".join)
def test_a_foreign_vault_cannot_be_asked_to_keep_terms(host, option):
    host.vault_lacks = set(OURS)
    ended = store(*option, "--unverified")
    assert "SR-CLI-118" in ended.err
    assert not host.secrets
