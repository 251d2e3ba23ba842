"""Whether the vault is the one that is meant, and what is asked of runs that read a secret, before it is stored."""

import pytest

from strongroom.crypto.signing import SigningKey, key_id
from tests.fakes.daemon_vault import OURS
from tests.fakes.terminal import strongroom

OTHER = SigningKey.generate().public.hex()


def store(*options, terminal=False, stdin=b"v"):
    return strongroom("secret", "set", "K", *options, stdin=stdin, terminal=terminal)


def sent(host):
    """The methods of the vault that were called."""
    return [request.method for request in host.asked if hasattr(request, "method")]


@pytest.fixture
def typed(monkeypatch):
    """A person at a terminal, who types the value at its own prompt."""
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: "typed")


@pytest.fixture
def production(host):
    host.vault_store = "production"
    return host


def known_vaults(tmp_path):
    return tmp_path / ".config" / "strongroom" / "known_vaults"


def target(tmp_path):
    return f"unix:{tmp_path}/strongroom.sock"


def pinned_in_options(host, tmp_path, monkeypatch):
    return ("--vault-key", host.vault_signing.public.hex())


def pinned_in_a_file(host, tmp_path, monkeypatch):
    (tmp_path / "its.pub").write_text(f"# the vault of the lab\n{host.vault_signing.public.hex()}\n")
    return ("--vault-key", str(tmp_path / "its.pub"))


def pinned_in_the_environment(host, tmp_path, monkeypatch):
    (tmp_path / "its.pub").write_text(host.vault_signing.public.hex())
    monkeypatch.setenv("STRONGROOM_VAULT_PUBLIC_KEY_FILE", str(tmp_path / "its.pub"))
    return ()


def pinned_beside_a_development_host(host, tmp_path, monkeypatch):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "vault.pub").write_text(host.vault_signing.public.hex() + "\n")
    return ()


def pinned_by_an_earlier_agreement(host, tmp_path, monkeypatch):
    known_vaults(tmp_path).parent.mkdir(parents=True)
    known_vaults(tmp_path).write_text(
        f"# mine\n\nunix:/other {OTHER}\n{target(tmp_path)} {host.vault_signing.public.hex()}\n"
    )
    return ()


PINS = [
    pinned_in_options,
    pinned_in_a_file,
    pinned_in_the_environment,
    pinned_beside_a_development_host,
    pinned_by_an_earlier_agreement,
]


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.__name__)
def test_a_production_vault_with_the_pinned_key_gets_the_secret_for_hardware(production, tmp_path, monkeypatch, pin):
    ended = store(*pin(production, tmp_path, monkeypatch), "--json")
    assert ended.code == 0, ended.err
    assert production.secret_terms[("main", "K")] == ("hardware", False, 1)
    assert ended.document["verified_by"]
    assert ended.document["store"] == "production"
    assert "warning" not in ended.err


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.__name__)
def test_a_vault_with_another_key_than_the_pinned_one_gets_nothing(production, tmp_path, monkeypatch, pin):
    options = pin(production, tmp_path, monkeypatch)
    production.vault_signing = SigningKey.generate()
    ended = store(*options)
    assert ended.code == 77
    assert "SR-CLI-115" in ended.err
    assert production.vault_signing.public.hex() in ended.err
    assert not production.secrets


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.__name__)
def test_a_vault_that_does_not_say_who_it_is_gets_nothing_where_a_key_is_pinned(host, tmp_path, monkeypatch, pin):
    host.vault_lacks = set(OURS)
    ended = store(*pin(host, tmp_path, monkeypatch))
    assert ended.code == 77
    assert "SR-CLI-114" in ended.err
    assert not host.secrets


def test_what_is_said_now_wins_over_what_was_written_down(production, tmp_path, monkeypatch):
    (tmp_path / "its.pub").write_text(OTHER)
    monkeypatch.setenv("STRONGROOM_VAULT_PUBLIC_KEY_FILE", str(tmp_path / "its.pub"))
    assert store().code == 77
    assert store("--vault-key", production.vault_signing.public.hex()).code == 0


def test_the_key_of_another_host_is_not_taken_for_that_of_this_one(production, tmp_path, monkeypatch):
    (tmp_path / "elsewhere" / "keys").mkdir(parents=True)
    (tmp_path / "elsewhere" / "keys" / "vault.pub").write_text(OTHER)
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path / "elsewhere"))
    assert "SR-CLI-116" in store("--socket", str(tmp_path / "strongroom.sock")).err


@pytest.mark.parametrize("lacks", [set(), set(OURS)], ids=["another key", "no identity"])
@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.__name__)
def test_no_option_takes_a_pinned_key_away(host, tmp_path, monkeypatch, pin, lacks):
    options = pin(host, tmp_path, monkeypatch)
    host.vault_signing, host.vault_lacks = SigningKey.generate(), lacks
    ended = store(*options, "--unverified")
    assert ended.code == 77
    assert ("SR-CLI-114" if lacks else "SR-CLI-115") in ended.err
    assert sent(host) == ["vault.identity.get"]


def test_a_person_who_agrees_is_not_asked_again(production, typed, tmp_path):
    first = store(terminal=True, stdin=b"yes\n")
    assert first.code == 0, first.err
    assert f"SHA-256 {key_id(production.vault_signing.public).hex()}" in first.err
    assert "\\n" not in first.err, "each line is a line of its own"
    path = known_vaults(tmp_path)
    assert path.read_text() == f"{target(tmp_path)} {production.vault_signing.public.hex()}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    second = store()
    assert second.code == 0
    assert "Trust this vault" not in second.err


def test_a_person_who_wants_silence_sees_what_is_to_be_agreed_to(production, typed):
    ended = store("--quiet", terminal=True, stdin=b"n\n")
    assert f"SHA-256 {key_id(production.vault_signing.public).hex()}" in ended.err


def test_a_person_who_does_not_agree_gives_nothing_away(production, typed, tmp_path):
    ended = store(terminal=True, stdin=b"n\n")
    assert ended.code == 2
    assert not production.secrets
    assert not known_vaults(tmp_path).exists()


@pytest.mark.parametrize("word", ["local", "none", "vtpm-untrusted", "vtpm", "hardware"])
def test_the_least_class_is_sealed_with_the_value(production, word):
    assert store("--min-assurance", word, "--vault-key", production.vault_signing.public.hex()).code == 0
    assert production.secret_terms[("main", "K")] == (word, False, 1)


def test_a_word_that_is_no_class_is_refused(host):
    ended = store("--min-assurance", "mock")
    assert ended.code == 2
    assert "vtpm-untrusted" in ended.err


def test_a_production_vault_takes_nothing_for_tests(production):
    ended = store("--test-only", "--vault-key", production.vault_signing.public.hex())
    assert ended.code == 2
    assert "SR-CLI-117" in ended.err
    assert not production.secrets


@pytest.mark.parametrize("owner", ["0x" + "0" * 39 + "1", "0" * 39 + "1"], ids=["0x", "bare"])
def test_an_owner_is_sealed_in_one_spelling(host, owner):
    assert store("--owner", owner, "--unverified").code == 0


@pytest.mark.parametrize("words", [("x" * 129,), ("K", "--namespace", "x" * 129)], ids=["key", "namespace"])
def test_a_name_that_is_too_long_is_refused_before_anything_is_stored(host, words):
    ended = strongroom("secret", "set", *words, "--unverified", stdin=b"v")
    assert ended.code == 65
    assert "SR-CLI-128" in ended.err
    assert "found 129 bytes" in ended.err
    assert not host.secrets


def test_an_owner_that_is_none_is_refused(host):
    assert store("--owner", "alice", "--unverified").code == 65
    assert not host.secrets


@pytest.mark.parametrize(
    "content",
    ["", "abc", "ab" * 32 + "\n" + "cd" * 32, "\xff", "a" * 5_000],
    ids=["empty", "short", "two", "bytes", "big"],
)
def test_a_file_that_holds_no_key_is_refused(host, tmp_path, content):
    (tmp_path / "its.pub").write_text(content)
    ended = store("--vault-key", str(tmp_path / "its.pub"))
    assert ended.code == 65
    assert "SR-CLI-111" in ended.err or "SR-CLI-009" in ended.err
    assert "SR-CLI-007" in store("--vault-key", str(tmp_path / "none.pub")).err
    assert not host.secrets


@pytest.mark.parametrize(
    "content",
    ["one", "unix:/x zz", "unix:/x " + "ab" * 32 + " more", "#" * 1_000_001],
    ids=["word", "no hex", "more", "big"],
)
def test_a_list_of_known_vaults_that_cannot_be_read_is_refused(host, tmp_path, content):
    known_vaults(tmp_path).parent.mkdir(parents=True)
    known_vaults(tmp_path).write_text(content)
    ended = store()
    assert ended.code == 78
    assert "SR-CLI-113" in ended.err
    assert not host.secrets


def test_who_has_no_directory_knows_no_vaults_and_cannot_remember_one(production, typed, monkeypatch):
    monkeypatch.delenv("HOME")
    assert "SR-CLI-116" in store().err
    assert "SR-CLI-112" in store(terminal=True, stdin=b"y\n").err
    assert not production.secrets
    assert store("--vault-key", production.vault_signing.public.hex()).code == 0


def test_a_list_that_cannot_be_written_stops_before_anything_is_stored(production, typed, tmp_path):
    (tmp_path / ".config").write_text("a file")
    assert store(terminal=True, stdin=b"y\n").code in {73, 78}
    assert not production.secrets


def test_an_identity_that_is_not_signed_by_its_own_key_is_refused(host):
    class Forger:
        public = SigningKey.generate().public

        def sign(self, tag, body):
            return bytes(64)

    host.vault_signing = Forger()
    ended = store()
    assert ended.code == 65
    assert "SR-ATTEST-007" in ended.err or "SR-ATTEST-006" in ended.err
    assert not host.secrets
