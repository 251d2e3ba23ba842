"""A development host signs what attributes list, once for each change, and never lets a failure pass unsaid."""

import dataclasses
import hashlib
import threading

import pytest

from strongroom.app.development_owner import DevelopmentOwner, GrantingDesk
from strongroom.attest.manifest import open_manifest
from strongroom.crypto.signing import SigningKey
from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2
from strongroom.pb.vault import vault_pb2
from tests.fakes.capabilities import ScriptedCapabilities, ScriptedCapability, packed
from tests.fakes.workflow_host import OWNER, WASM, WorkflowHost

LISTED = b'{"confidential": true, "vault_don_secrets": [{"key": "B"}, {"key": "A", "namespace": "n"}, {"key": "B"}]}'
OTHER = b'{"vault_don_secrets": [{"key": "C"}]}'


class Vault:
    """Keeps manifests as the real one does, and says what it was asked."""

    def __init__(self):
        self.kept, self.asked, self.fault = {}, [], None
        self.put = threading.Event()

    def execute(self, request, *, timeout_s):
        self.asked.append(request.method)
        if self.fault is not None:
            raise self.fault
        if request.method == "vault.manifests.get":
            asked = strongroom_vault_pb2.GetManifestRequest.FromString(request.payload.value)
            manifest, signature = self.kept.get(asked.owner, (b"", b""))
            answer = strongroom_vault_pb2.GetManifestResponse(manifest=manifest, signature=signature)
        else:
            asked = strongroom_vault_pb2.PutManifestRequest.FromString(request.payload.value)
            self.kept[f"0x{OWNER}"] = (asked.manifest, asked.signature)
            self.put.set()
            answer = strongroom_vault_pb2.PutManifestResponse(serial=1)
        assert not request.metadata.workflow_owner, "the host itself asks"
        return capabilities_pb2.CapabilityResponse(payload=packed(answer))


@dataclasses.dataclass
class Rig:
    host: WorkflowHost
    vault: Vault
    key: SigningKey
    owner: DevelopmentOwner

    def manifest(self):
        encoded, signature = self.vault.kept[f"0x{OWNER}"]
        return open_manifest(encoded, signature, owner_public=self.key.public, owner=f"0x{OWNER}")

    def registered(self, attributes=LISTED, **wish):
        self.host.registration._granted = self.owner.grant
        return self.host.register(attributes=attributes, **wish)

    def puts(self):
        return self.vault.asked.count("vault.manifests.put")


@pytest.fixture
def rig(database, tmp_path):
    host, vault, key = WorkflowHost(database), Vault(), SigningKey.generate()
    key.save(tmp_path / "development-owner.key")
    capabilities = ScriptedCapabilities({"vault@1.0.0": vault})
    listed = capabilities_pb2.CapabilityResponse(payload=packed(vault_pb2.ListSecretIdentifiersResponse()))
    host.capabilities.found["vault@1.0.0"] = ScriptedCapability({"vault.secrets.list": listed})
    owner = DevelopmentOwner(tmp_path / "development-owner.key", host.host.specs, capabilities)
    yield Rig(host, vault, key, owner)
    owner.close()
    host.close()


def test_what_the_attributes_list_is_granted_before_the_guest_is_asked_anything(rig):
    seen = []
    answer = rig.host.module.on_subscribe
    rig.host.module.on_subscribe = lambda request, helper: (seen.append(rig.puts()), answer(request, helper))[1]
    done = rig.registered(config=b"cfg")
    assert seen == [1]
    assert not [warning for warning in done.warnings if "manifest" in warning]
    manifest = rig.manifest()
    (grant,) = manifest.grants
    assert manifest.serial == 1
    assert grant.workflow_id == done.spec.workflow_id
    assert grant.binary_sha256 == hashlib.sha256(WASM).digest()
    assert grant.config_sha256 == hashlib.sha256(b"cfg").digest()
    assert dict(grant.secrets) == {("main", "B"): "none", ("n", "A"): "none"}


def test_a_manifest_is_signed_when_it_changes_and_its_serial_rises(rig):
    rig.registered()
    rig.registered()
    assert rig.puts() == 1, "the second registration changed nothing"
    rig.registered(OTHER, name="second")
    assert (rig.manifest().serial, len(rig.manifest().grants)) == (2, 2)
    rig.registered(b"", name="third")
    assert rig.puts() == 2, "a workflow that lists nothing needs no grant"


def test_a_registration_takes_no_grant_from_another_that_is_under_way(rig):
    subscribe, granted = rig.host.module.on_subscribe, []

    def during(request, helper):
        rig.host.module.on_subscribe = subscribe
        rig.registered(OTHER, name="second")
        granted.extend(grant.workflow_id for grant in rig.manifest().grants)
        return subscribe(request, helper)

    rig.host.module.on_subscribe = during
    first = rig.registered(name="first").spec
    assert first.workflow_id in granted
    assert len(rig.manifest().grants) == 2


def test_a_deleted_workflow_loses_its_grant_and_a_paused_one_keeps_it(rig):
    first, second = rig.registered().spec, rig.registered(OTHER, name="second").spec
    told = []

    class Desk:
        enrol = pause = staticmethod(told.append)

        @staticmethod
        def forget(workflow_id, spec=None):
            told.append(workflow_id)

    desk = GrantingDesk(Desk(), rig.owner)
    desk.pause(first)
    desk.enrol(first)
    rig.host.host.specs.remove(first.workflow_id, validate_only=False)
    desk.forget(first.workflow_id, first)
    desk.forget("0" * 64, None)
    assert told == [first, first, first.workflow_id, "0" * 64]
    assert [grant.workflow_id for grant in rig.manifest().grants] == [second.workflow_id]


def test_a_vault_that_refuses_is_named_to_whoever_registers_and_the_workflow_stands(rig):
    rig.vault.fault = CapabilityError("Public", "User", "PermissionDenied", "SR-ATTEST-006 another signature")
    done = rig.registered()
    (warning,) = [warning for warning in done.warnings if "manifest" in warning]
    assert "confidential runs get no secrets" in warning
    assert "SR-ATTEST-006 another signature" in warning
    assert done.created


def test_a_missing_key_is_named_with_what_makes_it(rig, tmp_path):
    (tmp_path / "development-owner.key").unlink()
    (warning,) = [warning for warning in rig.registered().warnings if "manifest" in warning]
    assert str(tmp_path / "development-owner.key") in warning


def test_what_was_missed_while_the_vault_was_away_is_signed_when_it_is_back(rig):
    rig.vault.fault = CapabilityError("Public", "System", "Unavailable", "restarting")
    rig.registered()
    rig.vault.fault = None
    rig.owner.start()
    assert rig.vault.put.wait(10)
    assert len(rig.manifest().grants) == 1
    rig.vault.put.clear()
    rig.vault.kept.clear()
    rig.owner.wake()
    assert rig.vault.put.wait(10), "each time that a plugin comes back the manifests are looked at"


def test_an_answer_that_is_none_is_the_fault_of_the_vault(rig):
    rig.vault.execute = lambda request, *, timeout_s: capabilities_pb2.CapabilityResponse(
        payload=packed(strongroom_vault_pb2.IdentityRequest())
    )
    (warning,) = [warning for warning in rig.registered().warnings if "manifest" in warning]
    assert "the vault answered vault.manifests.get with" in warning
