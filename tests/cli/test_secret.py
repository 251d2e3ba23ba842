"""``strongroom secret``: values go in sealed, and appear nowhere."""

import grpc
import pytest

from strongroom.cli.secret_seal import VALUE_BYTES_MAX
from strongroom_vault.limits import CIPHERTEXT_BYTES_MAX
from tests.fakes.daemon import RefusedError
from tests.fakes.terminal import strongroom

pytestmark = pytest.mark.usefixtures("known")
CANARY = b"s3cret-canary"
OVERHEAD_BYTES = 48


def test_a_secret_is_sealed_before_it_leaves_this_process(host, known):
    ended = strongroom("secret", "set", "API_KEY", "--json", stdin=CANARY)
    assert ended.code == 0
    assert ended.document == {
        "schema": "strongroom.secret/v1",
        "key": "API_KEY",
        "namespace": "main",
        "created": True,
        "min_assurance": "local",
        "test_only": True,
        "store": "test",
        "verified_by": str(known),
    }
    assert host.secrets == {("main", "API_KEY"): CANARY}
    assert not [request for request in host.asked if CANARY in request.SerializeToString()]
    assert CANARY.decode() not in ended.out + ended.err


def test_setting_it_again_replaces_it(host):
    strongroom("secret", "set", "API_KEY", stdin=b"one")
    ended = strongroom("secret", "set", "API_KEY", "--json", stdin=b"two")
    assert ended.document["created"] is False
    assert host.secrets == {("main", "API_KEY"): b"two"}


def test_namespaces_are_kept_apart(host):
    strongroom("secret", "set", "K", "--namespace", "other", stdin=b"one")
    strongroom("secret", "set", "K", "--namespace", "", stdin=b"two")
    assert host.secrets == {("other", "K"): b"one", ("main", "K"): b"two"}


def test_a_line_end_from_a_pipe_is_kept_and_mentioned(host):
    ended = strongroom("secret", "set", "K", stdin=b"value\n")
    assert host.secrets[("main", "K")] == b"value\n"
    assert "ends with a line end" in ended.err


@pytest.mark.parametrize(
    ("value", "code"),
    [(b"", "SR-CLI-032"), (b"\xff\xfe", "SR-CLI-033"), (b"x" * 1_953, "SR-CLI-009")],
    ids=["empty", "not-text", "a-whole-file"],
)
def test_a_value_that_is_no_secret_is_refused_before_anything_is_sent(host, value, code):
    ended = strongroom("secret", "set", "K", stdin=value)
    assert ended.code == 65
    assert code in ended.err
    assert not host.asked


def test_the_limit_of_a_value_is_that_of_the_vault(host):
    assert VALUE_BYTES_MAX == CIPHERTEXT_BYTES_MAX - OVERHEAD_BYTES
    assert strongroom("secret", "set", "K", stdin=b"x" * VALUE_BYTES_MAX).code == 0
    refused = strongroom("secret", "set", "K", stdin=b"x" * (VALUE_BYTES_MAX + 1))
    assert "it has more than 1952 bytes" in refused.err


def test_a_value_is_never_an_argument(host):
    ended = strongroom("secret", "set", "K", CANARY.decode())
    assert ended.code == 2
    assert "SR-CLI-037" in ended.err
    assert CANARY.decode() not in ended.out + ended.err
    assert not host.asked


def test_a_terminal_is_prompted_without_echo_unless_input_is_forbidden(host, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: "typed")
    pinned = "--vault-key", host.vault_signing.public.hex()
    assert strongroom("secret", "set", "K", *pinned, terminal=True).code == 0
    assert host.secrets[("main", "K")] == b"typed"
    assert strongroom("secret", "set", "K", *pinned, "--no-input", terminal=True).code == 2
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: "x" * 2_000)
    assert "SR-CLI-009" in strongroom("secret", "set", "K", *pinned, terminal=True).err


def test_what_the_vault_says_is_passed_on(host):
    host.secret_error = "ciphertext is too large"
    ended = strongroom(
        "secret",
        "set",
        "K",
        stdin=b"v",
    )
    assert ended.code == 65
    assert "ciphertext is too large" in ended.err


def test_names_are_listed_and_values_are_not(host):
    strongroom("secret", "set", "A", stdin=CANARY)
    strongroom("secret", "set", "B", "--namespace", "other", stdin=CANARY)
    listed = strongroom("secret", "list", "--json")
    assert [(s["namespace"], s["key"]) for s in listed.document["secrets"]] == [("main", "A"), ("other", "B")]
    assert CANARY.decode() not in listed.out


def test_checking_says_present_or_missing_by_its_exit_code(host):
    strongroom("secret", "set", "A", stdin=b"v")
    assert strongroom("secret", "check", "A").code == 0
    missing = strongroom("secret", "check", "B", "--json")
    assert missing.code == 1
    assert missing.document["present"] is False


def test_deleting_needs_agreement_and_a_secret_that_is_there(host):
    strongroom("secret", "set", "A", stdin=b"v")
    assert strongroom("secret", "delete", "A").code == 2
    assert strongroom("secret", "delete", "A", "--dry-run").code == 0
    assert host.secrets
    assert strongroom("secret", "delete", "A", "--yes").code == 0
    assert not host.secrets
    assert strongroom("secret", "delete", "A", "--yes").code == 65


@pytest.mark.parametrize("words", [("set", "K"), ("list",), ("check", "K")], ids=" ".join)
def test_a_host_without_a_vault_says_so(host, words):
    host.fail = lambda: RefusedError(grpc.StatusCode.NOT_FOUND, "SR-CAP-007", "no capability", why="offered are none")
    ended = strongroom("secret", *words, stdin=CANARY)
    assert ended.code == 69
    assert "this host has no vault (SR-CLI-039)" in ended.err
    assert "strongroom plugin enable vault" in ended.err
