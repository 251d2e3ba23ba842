"""Owners sign what they grant; the vault keeps the newest of each, and never an older one."""

import pytest

from strongroom.attest.manifest import Manifest, read_manifest
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import CapabilityError, Misconfigured
from strongroom.plugin.messages import strongroom_vault_pb2
from tests.fakes.vault_home import production_home
from tests.fakes.vault_owner import ALICE, BOB, Owner
from tests.fakes.vault_runner import Runner

API_KEY = ("main", "API_KEY")
KEY = SigningKey.from_raw(bytes(range(32)))


def get(vault, *, owner=ALICE, caller=""):
    return vault.call("vault.manifests.get", strongroom_vault_pb2.GetManifestRequest(owner=owner), caller=caller)


def refused(code, put):
    with pytest.raises(CapabilityError) as caught:
        put()
    assert caught.value.message.startswith(code), caught.value.message
    assert caught.value.name == "PermissionDenied"
    return caught.value.message


@pytest.mark.parametrize("spelling", [ALICE, f"0x{ALICE}"], ids=["plain", "0x"])
def test_a_manifest_comes_back_as_it_was_signed(vault, spelling):
    grant = Runner(vault).grant(API_KEY)
    assert vault.put_manifest(grant, serial=4) == 4
    answer = get(vault, owner=spelling)
    assert read_manifest(answer.manifest) == Manifest(owner=f"0x{ALICE}", serial=4, grants=(grant,))
    request = strongroom_vault_pb2.PutManifestRequest(manifest=answer.manifest, signature=answer.signature)
    assert vault.call("vault.manifests.put", request).serial == 4, "the same once more changes nothing"
    assert [each["event"] for each in vault.audit()] == ["manifest"]


def test_an_owner_without_a_manifest_has_an_empty_answer(vault):
    assert get(vault) == strongroom_vault_pb2.GetManifestResponse()


def test_a_manifest_survives_a_restart_and_its_floor_too(vault):
    vault.put_manifest(serial=5)
    vault.close()
    again = Owner(vault.key_file, accepts_simulated=True)
    assert read_manifest(get(again).manifest).serial == 5
    refused("SR-ATTEST-030", lambda: again.put_manifest(serial=4))
    again.close()


def test_a_serial_never_goes_back_and_means_one_manifest(vault):
    vault.put_manifest(serial=2**64 - 1)
    text = refused("SR-ATTEST-030", lambda: vault.put_manifest(serial=7))
    assert "manifest serial: found 7, wanted at least 18446744073709551615" in text
    vault.put_manifest(owner=BOB, serial=3)
    text = refused("SR-ATTEST-030", lambda: vault.put_manifest(Runner(vault).grant(API_KEY), owner=BOB, serial=3))
    assert "another manifest with serial 3" in text


def test_what_an_owner_takes_back_is_refused_from_then_on(stocked):
    runner = Runner(stocked, secrets=(API_KEY,))
    stocked.put_manifest(runner.grant(API_KEY))
    assert runner.release() == {API_KEY: b"s3cret"}
    stocked.put_manifest(serial=2)
    refused("SR-ATTEST-030", runner.release)


def test_only_the_owner_s_key_counts(vault):
    text = refused("SR-ATTEST-006", lambda: vault.put_manifest(key=KEY))
    assert "wanted one by the key of the owner" in text


@pytest.mark.parametrize("as_file", [False, True], ids=["hex", "file"])
def test_owners_have_keys_in_the_configuration(tmp_path, as_file):
    (tmp_path / "alice.pub").write_text(f"{KEY.public.hex()}\n")
    text = str(tmp_path / "alice.pub") if as_file else KEY.public.hex()
    owners = {f"0x{ALICE}": text}
    vault = Owner(production_home(tmp_path / "home"), mode="serve", owners=owners)
    assert vault.put_manifest(key=KEY) == 1
    assert "under owners" in refused("SR-ATTEST-030", lambda: vault.put_manifest(owner=BOB, key=KEY))
    vault.close()


def test_the_development_key_stands_for_owners_without_one_and_for_no_others(tmp_path):
    vault = Owner(tmp_path / "vault.key", owners={ALICE: KEY.public.hex()})
    refused("SR-ATTEST-006", vault.put_manifest)
    assert vault.put_manifest(key=KEY) == 1
    assert vault.put_manifest(owner=BOB) == 1
    vault.close()


def test_a_development_key_means_nothing_in_production(tmp_path):
    key_file = production_home(tmp_path / "home")
    key_file.with_name("development-owner.pub").write_text(KEY.public.hex())
    vault = Owner(key_file, mode="serve")
    refused("SR-ATTEST-030", lambda: vault.put_manifest(key=KEY))
    vault.close()


def test_a_manifest_is_checked_again_when_it_is_used(stocked):
    runner = Runner(stocked, secrets=(API_KEY,))
    stocked.put_manifest(runner.grant(API_KEY))
    stocked.close()
    rotated = Owner(stocked.key_file, accepts_simulated=True, owners={ALICE: KEY.public.hex()})
    runner.owner = rotated
    refused("SR-ATTEST-006", runner.release)
    rotated.close()


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        (b"", "SR-ATTEST-001"),
        (b"\xff" * 64, "SR-ATTEST-001"),
        (bytes(1024 * 1024 + 1), "SR-ATTEST-002"),
        (Manifest(owner=f"0x{ALICE.upper()}", serial=1, grants=()).encode(), "SR-ATTEST-030"),
        (Manifest(owner=ALICE, serial=1, grants=()).encode(), "SR-ATTEST-030"),
    ],
    ids=["nothing", "no CBOR", "too large", "upper case", "no 0x"],
)
def test_what_is_no_manifest_is_refused(vault, manifest, code):
    request = strongroom_vault_pb2.PutManifestRequest(manifest=manifest, signature=b"s" * 64)
    refused(code, lambda: vault.call("vault.manifests.put", request))


def test_workflows_manage_no_manifests_and_see_their_owner_s_only(vault):
    vault.put_manifest()
    request = strongroom_vault_pb2.PutManifestRequest(manifest=get(vault).manifest)
    with pytest.raises(CapabilityError, match="cannot be called by a running workflow"):
        vault.call("vault.manifests.put", request, caller=f"0x{ALICE}", execution_id="e1" * 32)
    refused("SR-ATTEST-030", lambda: vault.call("vault.manifests.put", request, caller=f"0x{BOB}"))
    assert get(vault, owner="", caller=f"0x{ALICE}").manifest
    with pytest.raises(CapabilityError, match="owner is not the owner of the calling workflow"):
        get(vault, caller=f"0x{BOB}")
    with pytest.raises(CapabilityError, match="owner is not 40 hex digits"):
        get(vault, owner="0x12")


def test_an_owner_key_that_cannot_be_read_stops_the_start(tmp_path):
    with pytest.raises(Misconfigured, match=f"key of owner 0x{ALICE} .*there is no such file"):
        Owner(tmp_path / "vault.key", owners={ALICE: str(tmp_path / "absent")})
