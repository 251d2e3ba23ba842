"""``secret check`` and ``secret list``: what a vault says of secrets without opening them."""

import pytest

from tests.fakes.daemon_vault import OURS
from tests.fakes.terminal import strongroom

CANARY = b"s3cret-canary"


def store(key, *options, value=CANARY):
    assert strongroom("secret", "set", key, "--unverified", *options, stdin=value).code == 0


def test_one_secret_is_told_in_one_line(host):
    store("A", "--min-assurance", "none")
    store("A", "--min-assurance", "vtpm")
    ended = strongroom("secret", "check", "A")
    assert ended.code == 0
    assert ended.out == "present · version 2 · min-assurance vtpm · test-only\n"
    assert CANARY.decode() not in ended.out + ended.err


def test_of_several_each_is_told_and_one_that_is_missing_decides_the_exit_code(host):
    keys = [f"K{number}" for number in range(12)]
    for key in keys[:11]:
        store(key)
    ended = strongroom("secret", "check", *keys)
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0] == "K0: present · version 1 · min-assurance local · test-only"
    assert lines[11] == "K11: missing"
    assert strongroom("secret", "check", *keys[:11]).code == 0


def test_a_program_reads_the_terms(host):
    store("A")
    document = strongroom("secret", "check", "A", "B", "--json").document
    assert document["schema"] == "strongroom.secret-check/v1"
    assert document["present"] is False
    assert document["secrets"] == [
        {"key": "A", "namespace": "main", "present": True, "version": 1, "min_assurance": "local", "test_only": True},
        {"key": "B", "namespace": "main", "present": False, "version": None, "min_assurance": None, "test_only": None},
    ]
    assert strongroom("secret", "check", "A", "--json").document["key"] == "A"


def test_the_list_shows_versions_and_classes(host):
    store("A", "--min-assurance", "hardware")
    ended = strongroom("secret", "list")
    assert ended.out.split()[-6:] == ["main", "A", "0x" + "0" * 39 + "1", "1", "hardware", "tests"]
    assert strongroom("secret", "list", "--json").document["secrets"][0]["min_assurance"] == "hardware"


def test_a_foreign_vault_is_asked_for_names_only(host):
    host.vault_lacks = set(OURS)
    store("A")
    assert strongroom("secret", "check", "A").out == "present\n"
    assert strongroom("secret", "check", "A", "B").code == 1
    assert strongroom("secret", "list", "--json").document["secrets"][0]["version"] is None


@pytest.mark.parametrize("words", [("check",), ("check", "--namespace", "n")], ids=" ".join)
def test_a_check_of_nothing_is_not_a_command(host, words):
    assert strongroom("secret", *words).code == 2


def test_what_the_vault_cannot_say_is_passed_on(host, monkeypatch):
    host.status_error = "owner is not the caller"
    ended = strongroom("secret", "check", "A")
    assert ended.code == 65
    assert "SR-CLI-120" in ended.err
    assert "owner is not the caller" in ended.err


def test_an_answer_that_leaves_one_out_is_not_taken_for_another(host):
    store("B")
    host.statuses_max = 1
    ended = strongroom("secret", "check", "A", "B")
    assert ended.code == 69
    assert "SR-CLI-119" in ended.err
