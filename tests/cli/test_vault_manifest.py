"""``strongroom vault manifest``: what an owner grants is shown, signed by the owner, and never what a host made up."""

import hashlib
import json

import pytest

from strongroom.attest.manifest import Manifest, ManifestGrant, open_manifest, read_manifest, sign_manifest
from strongroom.crypto.signing import SigningKey
from tests.fakes.daemon_vault import OURS, OWNER
from tests.fakes.terminal import strongroom

NAMED = '{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}, {"key": "K", "namespace": "team"}]}'
WORKFLOW_ID = "00" + "ab" * 31


@pytest.fixture
def owner(tmp_path):
    """An owner with a key in a file."""
    assert strongroom("vault", "owner-key", str(tmp_path / "owner.key")).code == 0
    return SigningKey.load(tmp_path / "owner.key")


@pytest.fixture
def registered(host, known, wasm):
    """The id of a workflow that asks for secrets."""
    words = ("--name", "hello", "--attributes", NAMED, "--config", "some config")
    return strongroom("workflow", "register", str(wasm), *words, "--json").document["workflow_id"]


def grant(*options, workflow="hello", key="owner.key", terminal=False):
    return strongroom("vault", "manifest", "grant", workflow, "--owner-key", key, *options, terminal=terminal)


def stored(host, owner):
    """The manifest in force, which must have the owner's signature."""
    manifest, signature = host.manifests[OWNER]
    return open_manifest(manifest, signature, owner_public=owner.public, owner=f"0x{OWNER}")


def in_force(host, key, *, serial=4, secrets=None):
    grants = (
        ManifestGrant(
            workflow_id=WORKFLOW_ID,
            binary_sha256=bytes(32),
            config_sha256=bytes(32),
            secrets=secrets or {("main", "OLD"): "hardware"},
        ),
    )
    manifest = Manifest(owner=f"0x{OWNER}", serial=serial, grants=grants)
    host.manifests[OWNER] = manifest.encode(), sign_manifest(manifest, key)
    return manifest


def test_a_key_of_an_owner_is_private_and_its_public_half_stands_beside_it(tmp_path):
    ended = strongroom("vault", "owner-key", "o.key", "--json")
    seed = (tmp_path / "o.key").read_text().strip()
    assert (tmp_path / "o.key").stat().st_mode & 0o777 == 0o600
    assert ended.document["public_key"] == SigningKey.from_text(seed).public.hex()
    assert (tmp_path / "o.key.pub").read_text().strip() == ended.document["public_key"]
    assert seed.partition(":")[2] not in ended.out + ended.err
    assert strongroom("vault", "owner-key", "o.key").code == 73
    assert (tmp_path / "o.key").read_text().strip() == seed


def test_a_grant_names_workflow_binary_config_and_the_secrets_of_its_attributes(host, owner, registered, wasm):
    ended = grant("--yes", "--json")
    assert ended.code == 0, ended.err
    manifest = stored(host, owner)
    assert manifest.serial == 1
    (only,) = manifest.grants
    assert only.workflow_id == registered
    assert only.binary_sha256 == hashlib.sha256(wasm.read_bytes()).digest()
    assert only.config_sha256 == hashlib.sha256(b"some config").digest()
    assert only.secrets == {("main", "API_KEY"): "none", ("team", "K"): "none"}
    assert f"+ readable: main/API_KEY by workflow {registered}" in ended.err
    assert ended.document["serial"] == 1


def test_in_a_production_vault_a_grant_is_for_hardware_unless_said_otherwise(host, owner, registered, known):
    host.vault_store = "production"
    known.unlink()
    pinned = "--vault-key", host.vault_signing.public.hex()
    assert grant("--yes").code == 77
    assert grant("--yes", *pinned).code == 0
    assert set(stored(host, owner).grants[0].secrets.values()) == {"hardware"}
    assert grant("--yes", *pinned, "--min-assurance", "vtpm").code == 0
    assert set(stored(host, owner).grants[0].secrets.values()) == {"vtpm"}
    assert stored(host, owner).serial == 2


@pytest.mark.parametrize(
    ("words", "terminal"),
    [((), False), (("--min-assurance", "vtpm"), False), (("--no-input",), True)],
    ids=["usual class", "named class", "--no-input"],
)
def test_for_a_vault_that_nobody_vouches_for_nothing_is_signed(host, owner, registered, known, words, terminal):
    known.unlink()
    ended = grant("--yes", *words, terminal=terminal)
    assert ended.code == 77
    assert "SR-CLI-116" in ended.err
    host.vault_lacks = {"vault.identity.get"}
    ended = grant("--yes", *words, terminal=terminal)
    assert ended.code == 77
    assert "SR-CLI-129" in ended.err
    assert not host.manifests


@pytest.mark.parametrize(("lacks", "usual"), [(set(), "none"), ({"vault.identity.get"}, "hardware")], ids=str)
def test_an_owner_who_believes_the_host_signs_all_the_same(host, owner, registered, known, lacks, usual):
    known.unlink()
    host.vault_lacks = lacks
    ended = grant("--yes", "--unverified")
    assert ended.code == 0, ended.err
    assert "could not be verified" in ended.err
    assert set(stored(host, owner).grants[0].secrets.values()) == {usual}


def test_other_grants_stay_and_the_serial_grows(host, owner, registered):
    in_force(host, owner)
    ended = grant("--yes", "--secret", "MORE", "--secret", "team/NEW")
    assert ended.code == 0, ended.err
    manifest = stored(host, owner)
    assert manifest.serial == 5
    assert {each.workflow_id for each in manifest.grants} == {WORKFLOW_ID, registered}
    assert "OLD" not in ended.err
    assert "team/NEW" in ended.err


def test_the_same_grant_again_changes_nothing(host, owner, registered):
    assert grant("--yes").code == 0
    ended = grant("--yes", "--json")
    assert ended.document["changes"] == []
    assert "nothing would change" in ended.err
    assert stored(host, owner).serial == 1


def test_nothing_is_signed_without_agreement_or_in_a_dry_run(host, owner, registered):
    assert grant().code == 2
    dry = grant("--dry-run")
    assert dry.code == 0
    assert "+ readable: main/API_KEY" in dry.err
    assert not host.manifests


def test_what_another_key_signed_is_not_signed_again(host, owner, registered):
    in_force(host, SigningKey.generate())
    before = host.manifests[OWNER]
    ended = grant("--yes")
    assert ended.code == 65
    assert "SR-CLI-123" in ended.err
    assert host.manifests[OWNER] == before


def test_a_manifest_of_another_owner_is_not_signed_again(host, owner, registered):
    manifest = Manifest(owner="0x" + "22" * 20, serial=1, grants=())
    host.manifests[OWNER] = manifest.encode(), sign_manifest(manifest, owner)
    assert "SR-CLI-123" in grant("--yes").err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--config", "some config"), 0),
        (("--config", "another"), 65),
        (("--binary", "hello.wasm", "--config", "some config"), 0),
        (("--binary", "hello.wasm"), 65),
        (("--binary", "other.wasm", "--config", "some config"), 65),
    ],
    ids=["config", "another config", "both", "no config", "another binary"],
)
def test_what_the_host_says_of_a_workflow_is_compared_with_the_owners_files(
    host, owner, registered, tmp_path, options, code
):
    (tmp_path / "other.wasm").write_bytes(b"\0asm\1\0\0\0" + b"\0\1\0")
    ended = grant("--yes", *options)
    assert ended.code == code, ended.err
    assert bool(host.manifests) == (code == 0)
    if code:
        assert "SR-CLI-124" in ended.err
    else:
        assert ("what the host says" in ended.err) == ("--binary" not in options)


def test_a_host_that_shows_another_binary_is_found_out(host, owner, registered, wasm):
    host.workflows[registered].binary_sha256 = "cd" * 32
    ended = grant("--yes", "--binary", str(wasm), "--config", "some config")
    assert "SR-CLI-124" in ended.err
    assert not host.manifests


def test_a_workflow_that_asks_for_nothing_needs_named_secrets(host, known, owner, wasm):
    assert strongroom("workflow", "register", str(wasm), "--name", "plain").code == 0
    assert "SR-CLI-125" in grant("--yes", workflow="plain").err
    assert grant("--yes", "--secret", "K", workflow="plain").code == 0
    assert stored(host, owner).grants[0].config_sha256 == hashlib.sha256(b"").digest()


def test_a_workflow_that_is_not_there_is_said_to_be_missing(host, known, owner):
    assert "there is no workflow nobody" in grant("--yes", workflow="nobody").err


def test_what_the_vault_refuses_is_passed_on(host, owner, registered):
    host.manifest_error = "SR-ATTEST-030: evidence refused at manifest owner"
    ended = grant("--yes")
    assert ended.code == 1
    assert "SR-ATTEST-030" in ended.err


@pytest.mark.parametrize(
    "words", [("grant", "hello", "--owner-key", "owner.key", "--yes"), ("show",)], ids=lambda words: words[0]
)
def test_a_vault_without_manifests_says_so(host, owner, registered, words):
    host.vault_lacks = set(OURS)
    ended = strongroom("vault", "manifest", *words)
    assert ended.code == 69
    assert "SR-CLI-127" in ended.err


def test_everything_of_a_workflow_is_taken_back(host, owner, registered):
    in_force(host, owner)
    grant("--yes")
    words = ("vault", "manifest", "revoke", WORKFLOW_ID, "--owner-key", "owner.key")
    assert strongroom(*words).code == 2
    ended = strongroom(*words, "--yes")
    assert ended.code == 0, ended.err
    assert "- no longer: main/OLD by workflow" in ended.err
    assert [each.workflow_id for each in stored(host, owner).grants] == [registered]
    assert "SR-CLI-126" in strongroom(*words, "--yes").err


def test_what_is_shown_can_be_edited_signed_and_put(host, owner, tmp_path):
    in_force(host, owner, secrets={("main", "OLD"): "hardware", ("team", "a/b"): "vtpm"})
    document = strongroom("vault", "manifest", "show", "--json").document
    assert document["schema"] == "strongroom.manifest/v1"
    document["serial"] += 1
    document["grants"][0]["secrets"][1]["min_assurance"] = "none"
    (tmp_path / "grants.json").write_text(json.dumps(document))
    signed = strongroom("vault", "manifest", "sign", "grants.json", "--owner-key", "owner.key", "--output", "m.cbor")
    assert signed.code == 0, signed.err
    assert read_manifest((tmp_path / "m.cbor").read_bytes()).grants[0].secrets[("team", "a/b")] == "none"
    put = strongroom("vault", "manifest", "put", "m.cbor", "--yes")
    assert put.code == 0, put.err
    assert "~ changed: team/a/b by workflow" in put.err
    assert "from class none on, before from vtpm" in put.err
    assert stored(host, owner).serial == 5


def test_an_empty_place_for_a_manifest_is_said_to_be_empty(host):
    ended = strongroom("vault", "manifest", "show")
    assert (ended.code, ended.out) == (0, "")
    assert "there is no manifest" in ended.err


def test_a_key_that_others_can_read_signs_nothing(host, owner, registered, tmp_path):
    (tmp_path / "owner.key").chmod(0o644)
    ended = grant("--yes")
    assert ended.code == 78
    assert "others can read it" in ended.err
    assert not host.manifests
    assert grant("--yes", key="none.key").code == 65


def test_a_name_that_a_terminal_would_obey_is_shown_and_not_obeyed(host, owner):
    in_force(host, owner, secrets={("main", "K\x1b[2J"): "none"})
    ended = strongroom("vault", "manifest", "show")
    assert ended.code == 0
    assert "\x1b" not in ended.out
