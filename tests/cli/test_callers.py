"""Tokens of callers are shown once, and what the callers' file says is what a host would make of it."""

import hashlib

import pytest

from strongroom.settings.callers import load_callers
from strongroom.settings.roles import Grant, Role
from tests.fakes.terminal import strongroom

OWNER = "0x" + "a1" * 20


def test_a_token_goes_to_stdout_and_its_entry_is_one_that_a_host_reads(tmp_path):
    made = strongroom("callers", "token", "ci", "--role", "read", "--role", "decrypt", "--for-owner", OWNER)
    assert made.code == 0
    token = made.out.strip()
    assert (len(token), token in made.err) == (43, False)
    entry = "\n".join(line for line in made.err.splitlines() if line.startswith("  "))
    file = tmp_path / "callers.yaml"
    file.write_text(f"callers:\n{entry}\n")
    file.chmod(0o600)
    (caller,) = load_callers(file)
    assert caller.token_sha256 == hashlib.sha256(token.encode()).digest()
    assert caller.grants == (Grant(frozenset({Role.READ, Role.DECRYPT}), frozenset({"a1" * 20})),)
    shown = strongroom("callers", "check", "--callers-file", str(file))
    assert shown.out.splitlines()[1].split(None, 2) == ["ci", "token", f"read, decrypt for {'a1' * 20}"]
    document = strongroom("callers", "check", "--callers-file", str(file), "--json").document
    assert document["callers"] == [
        {
            "name": "ci",
            "by": "token",
            "certificate": "",
            "until": None,
            "grants": [{"roles": ["read", "decrypt"], "owners": ["a1" * 20]}],
        }
    ]


def test_a_token_that_names_nothing_reads_for_every_owner_and_is_a_document_for_programs():
    document = strongroom("callers", "token", "ci", "--json").document
    assert document["schema"] == "strongroom.caller-token/v1"
    assert document["token_sha256"] == hashlib.sha256(document["token"].encode()).hexdigest()
    assert document["entry"].endswith('roles: [read]\n        owners: "*"')
    assert document["token"] != strongroom("callers", "token", "ci", "--json").document["token"]


def test_a_star_among_the_options_is_every_owner_as_in_the_file():
    document = strongroom("callers", "token", "ci", "--for-owner", "*", "--json").document
    assert document["entry"].endswith('owners: "*"')


@pytest.mark.parametrize("name", ["", "a b", "admin-socket", "socket", "x" * 65, "-x\n"])
def test_a_name_that_no_entry_can_have_is_refused(name):
    ended = strongroom("callers", "token", "--", name)
    assert (ended.code, ended.out, "SR-CLI-182" in ended.err) == (2, "", True)


def test_a_role_that_is_none_is_refused():
    assert strongroom("callers", "token", "ci", "--role", "root").code == 2


def test_a_file_that_a_host_would_refuse_is_refused_in_the_same_words(tmp_path):
    file = tmp_path / "callers.yaml"
    file.write_text("callers: []\n")
    file.chmod(0o644)
    ended = strongroom("callers", "check", "--callers-file", str(file))
    assert (ended.code, f"chmod 600 {file}" in ended.err) == (78, True)
    file.chmod(0o600)
    assert "nobody but who may open a socket" in strongroom("callers", "check", "--callers-file", str(file)).err
    file.write_text("callers:\n  - {name: idle, certificate: idle.example, expires: 2027-01-01, grants: []}\n")
    shown = strongroom("callers", "check", "--callers-file", str(file)).out.splitlines()[1].split(None, 3)
    assert shown == ["idle", "idle.example", "2027-01-02T00:00:00Z", "nothing for every owner"]
