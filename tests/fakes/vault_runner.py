"""An enclave runner as the vault sees it: it asks for a challenge, makes evidence, asks for a release, opens it."""

import hashlib
import tomllib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from strongroom.attest.manifest import ManifestGrant
from strongroom.attest.release import Signed, open_challenge, open_envelope
from strongroom.attest.runtime_data import ChallengeRef, Execution, RunnerBuild, RuntimeData, prove_possession
from strongroom.attest.software import software_evidence
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.hpke import KemKey
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey
from strongroom.plugin.messages import strongroom_vault_pb2
from tests.fakes.vault_owner import ALICE

WORKFLOW = "a1" * 32
EXECUTION = "e1" * 32
EMPTY = hashlib.sha256(b"").digest()


@dataclass
class Asked:
    """A release as it is asked for, each part of which a test can swap."""

    data: RuntimeData
    evidence: strongroom_vault_pb2.Evidence
    pop_sig: bytes

    def request(self):
        return strongroom_vault_pb2.ReleaseRequest(
            runtime_data=self.data.encode(), evidence=self.evidence, pop_sig=self.pop_sig
        )


@dataclass
class Runner:
    """One runner with its keys, in front of the vault of ``owner``. It simulates, with the CA of the vault's home."""

    owner: object
    execution_id: str = EXECUTION
    workflow_id: str = WORKFLOW
    of: str = f"0x{ALICE}"
    secrets: tuple = ()
    binary: bytes = b"wasm"
    config: bytes = b""
    svn: int = 1
    measurement: bytes | None = None
    kem: KemKey = field(default_factory=KemKey.generate)
    key: SigningKey = field(default_factory=SigningKey.generate)
    authority: DevelopmentAuthority | None = None

    @property
    def home(self) -> Path:
        return self.owner.key_file.parent

    def stamped(self):
        """What the host stamps on its calls."""
        return {"workflow_id": self.workflow_id, "execution_id": self.execution_id, "caller": self.of}

    def challenge(self, **stamped):
        """The signed challenge and the attempt, checked as a runner checks it."""
        request = strongroom_vault_pb2.ChallengeRequest(
            execution_id=self.execution_id, workflow_id=self.workflow_id, owner=self.of
        )
        answer = self.owner.call("vault.release.challenge", request, **{**self.stamped(), **stamped})
        found = open_challenge(
            Signed(answer.body, answer.signature),
            vault_public=self.owner.vault.public_key,
            execution_id=self.execution_id,
            workflow_id=self.workflow_id,
            owner=self.of,
        )
        return found, answer.attempt

    def data(self, challenge, attempt, **changes):
        """Runtime data that answer ``challenge``."""
        execution = Execution(
            workflow_id=self.workflow_id,
            owner=self.of,
            execution_id=self.execution_id,
            attempt=attempt,
            binary_sha256=hashlib.sha256(self.binary).digest(),
            config_sha256=hashlib.sha256(self.config).digest(),
            request_sha256=EMPTY,
            requirements_sha256=EMPTY,
            restrictions_sha256=EMPTY,
        )
        config = (self.home / "enclave-config.cbor").read_bytes()
        data = RuntimeData(
            kind="insecure-software",
            challenge=ChallengeRef(nonce=challenge.nonce, exp_s=challenge.exp_s, vault_key_id=challenge.vault_key_id),
            execution=execution,
            kem_pub=self.kem.public,
            sig_pub=self.key.public,
            runner=RunnerBuild(build="runner 0.1.0", svn=self.svn),
            enclave_config_sha256=hashlib.sha256(config).digest(),
            secrets=self.secrets,
        )
        return replace(data, **changes)

    def expected_measurement(self):
        """What the vault took of the installed runner when it was started."""
        policy = tomllib.loads((self.home / "vault-policy.toml").read_text())
        return bytes.fromhex(policy["accept"]["insecure-software"][0]["measurement"])

    def evidence(self, data, *, now=None):
        """Simulated evidence for ``data``."""
        authority = self.authority or DevelopmentAuthority.load(self.home / "development-ca.key")
        attester = SigningKey.generate()
        now = now or datetime.now(UTC)
        found = software_evidence(
            data.report_data(),
            data.challenge.nonce,
            measurement=self.measurement or self.expected_measurement(),
            key=attester,
            certificate=authority.certify(PublicKey.of_ed25519(attester.public), now=now),
            authority=authority.certificate,
        )
        return strongroom_vault_pb2.Evidence(
            kind=found.kind, media_type=found.media_type, body=found.body, endorsements=found.endorsements
        )

    def asked(self, *, challenged=None, now_s=None, **changes):
        """A release to ask for; ``changes`` are those of the runtime data, ``now_s`` when its evidence is made."""
        data = self.data(*(challenged or self.challenge()), **changes)
        now = datetime.fromtimestamp(now_s, UTC) if now_s is not None else None
        return Asked(data, self.evidence(data, now=now), prove_possession(data.encode(), self.key))

    def answer(self, asked, **stamped):
        """What the vault answers."""
        return self.owner.call("vault.release.release", asked.request(), **{**self.stamped(), **stamped})

    def opened(self, asked, answer):
        """The envelope with its secrets, opened as a runner opens it."""
        signed = Signed(answer.body, answer.signature)
        return open_envelope(signed, vault_public=self.owner.vault.public_key, data=asked.data, key=self.kem)

    def release(self):
        """The whole way: the secrets by name."""
        asked = self.asked()
        opened = self.opened(asked, self.answer(asked))
        return {(each.namespace, each.key): each.value for each in opened.secrets}

    def grant(self, *names, min_assurance="none"):
        """What a manifest says to let this workflow read ``names``."""
        return ManifestGrant(
            workflow_id=self.workflow_id,
            binary_sha256=hashlib.sha256(self.binary).digest(),
            config_sha256=hashlib.sha256(self.config).digest(),
            secrets=dict.fromkeys(names, min_assurance),
        )
