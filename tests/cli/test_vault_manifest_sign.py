"""``strongroom vault manifest sign``: a manifest that was written by hand, signed without a host."""

import hashlib
import json

import pytest

from strongroom.attest.manifest import read_manifest
from tests.fakes.daemon_vault import OWNER
from tests.fakes.terminal import strongroom

WORKFLOW_ID = "00" + "ab" * 31


@pytest.fixture(autouse=True)
def owner(tmp_path):
    """An owner with a key in a file."""
    assert strongroom("vault", "owner-key", str(tmp_path / "owner.key")).code == 0


def test_a_manifest_may_be_written_in_toml_with_defaults(tmp_path):
    (tmp_path / "grants.toml").write_text(
        f'owner = "{OWNER}"\nserial = 1\n[[grants]]\nworkflow_id = "{WORKFLOW_ID}"\nbinary_sha256 = "{"cd" * 32}"\n'
        'secrets = [{key = "K"}]\n'
    )
    ended = strongroom(
        "vault", "manifest", "sign", "grants.toml", "--owner-key", "owner.key", "--output", "m.cbor", "--json"
    )
    assert ended.code == 0, ended.err
    found = read_manifest((tmp_path / "m.cbor").read_bytes())
    assert found.grants[0].secrets == {("main", "K"): "hardware"}
    assert found.grants[0].config_sha256 == hashlib.sha256(b"").digest()
    assert ended.document["sha256"] == found.sha256().hex()


GOOD = {
    "owner": OWNER,
    "serial": 1,
    "grants": [{"workflow_id": "a", "binary_sha256": "cd" * 32, "config_sha256": "cd" * 32, "secrets": [{"key": "K"}]}],
}


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"owner"', '"ownr"', "ownr of the manifest"),
        (f'"{OWNER}"', '"alice"', "owner of the manifest"),
        ('"serial": 1', '"serial": true', "serial of the manifest"),
        ('"serial": 1', '"serial": 0', "serial of the manifest"),
        ('"serial": 1', '"serial": 18446744073709551615', "is the last number that there is"),
        ('"serial": 1', '"serial": 18446744073709551616', "is the last number that there is"),
        ('"workflow_id": "a"', '"workflow": "a"', "grants[0].workflow of the manifest"),
        ('"workflow_id": "a"', '"workflow_id": ""', "manifest grants"),
        ("cd" * 32, "cd" * 31, "grants[0].binary_sha256"),
        ('[{"key": "K"}]', '{"key": "K"}', "grants[0].secrets of the manifest"),
        ('[{"key": "K"}]', '["K"]', "grants[0].secrets[0]"),
        ('[{"key": "K"}]', '[{"key": "K"}, {"key": "K"}]', "stands there twice"),
        ('{"key": "K"}', '{"key": "K", "min_assurance": "mock"}', "min_assurance"),
        ('{"key": "K"}', '{"name": "K"}', "grants[0].secrets[0].name"),
        ('"serial": 1', '"serial": 1,', "neither TOML nor JSON"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_field(tmp_path, old, new, why):
    (tmp_path / "grants.json").write_text(json.dumps(GOOD).replace(old, new, 1))
    ended = strongroom("vault", "manifest", "sign", "grants.json", "--owner-key", "owner.key", "--output", "m.cbor")
    assert ended.code == 65
    assert "SR-CLI-122" in ended.err
    assert why in ended.err
    assert not (tmp_path / "m.cbor").exists()


def test_the_serial_before_the_last_is_signed_into_the_file_of_the_short_option(tmp_path):
    (tmp_path / "grants.json").write_text(json.dumps(GOOD | {"serial": 2**64 - 2}))
    words = ("vault", "manifest", "sign", "grants.json", "--owner-key", "owner.key")
    assert strongroom(*words, "-o", "m.cbor").code == 0
    assert read_manifest((tmp_path / "m.cbor").read_bytes()).serial == 2**64 - 2


def test_what_was_signed_is_never_written_over(tmp_path):
    (tmp_path / "grants.json").write_text(json.dumps(GOOD))
    words = ("vault", "manifest", "sign", "grants.json", "--owner-key", "owner.key", "--output", "m.cbor")
    (tmp_path / "m.cbor.sig").write_text("")
    assert strongroom(*words).code == 73
    assert not (tmp_path / "m.cbor").exists()
