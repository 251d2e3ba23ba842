"""Values in the archived JSON format become values of today, with the secret of their time; nothing of it is shown."""

import base64
import hashlib
import json
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.fakes.workspace_hosts import WorkspaceHosts

DEPLOYMENT = "secret-of-a-deployment"
PASSWORD = "a-password-of-then"
USER = "user-1"


@pytest.fixture
def host():
    with WorkspaceHosts() as hosts:
        made = hosts.host("a").declare().start()
        made.mount()
        yield made


def archived(key, value):
    """``{v: 1, ct}`` as it was in March 2026 (contract 15)."""
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(key).encrypt(nonce, json.dumps(value).encode(), None)
    return {"v": 1, "ct": base64.b64encode(sealed).decode()}


def test_archived_values_are_sealed_anew_with_the_secret_or_the_password_of_their_time(host):
    of_cloud = hashlib.sha256(DEPLOYMENT.encode()).digest()
    salt = hashlib.sha256((USER + "notes").encode()).digest()[:16]
    of_user = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, 600_000, 32)
    host.set("cloud", archived(of_cloud, "from the cloud"))
    host.set("own", archived(of_user, {"from": "a password"}))
    host.set("plain", "stays")
    times = {each["key"]: each["time_ms"] for each in host.workspace("entries", "notes")["entries"]}
    file = host.project / "deployment.secret"
    file.write_text(DEPLOYMENT + "\n")
    options = ("--archived-secret-file", str(file), "--archived-password", "-", "--user-id", USER)
    dry = host.workspace("migrate", "notes", *options, "--dry-run", stdin=PASSWORD.encode())
    assert (dry["archived"], dry["dry_run"]) == (2, True)
    assert set(host.values()["cloud"]) == {"v", "ct"}, "a dry run changes nothing"
    assert host.workspace("migrate", "notes", *options, stdin=PASSWORD.encode() + b"\n")["archived"] == 2
    assert host.values() == {"cloud": "from the cloud", "own": {"from": "a password"}, "plain": "stays"}
    assert {each["key"]: each["time_ms"] for each in host.workspace("entries", "notes")["entries"]} == times
    assert host.workspace("migrate", "notes", *options, stdin=PASSWORD.encode())["archived"] == 0
    said = "".join(host.log)
    assert DEPLOYMENT not in said
    assert PASSWORD not in said


def test_a_wrong_secret_opens_nothing_and_changes_nothing(host):
    host.set("cloud", archived(hashlib.sha256(b"another").digest(), "x"))
    file = host.project / "deployment.secret"
    file.write_text(DEPLOYMENT)
    assert host.workspace("migrate", "notes", "--archived-secret-file", str(file))["archived"] == 0
    assert set(host.values()["cloud"]) == {"v", "ct"}


def test_a_password_is_not_taken_from_the_command_line_nor_without_its_user(host):
    assert "SR-CLI-176" in host("workspace", "migrate", "notes", "--archived-password", PASSWORD).err
    assert "SR-WS-097" in host("workspace", "migrate", "notes", "--archived-password", "-", stdin=b"x").err
    assert "SR-WS-097" in host("workspace", "migrate", "notes", "--user-id", USER).err
