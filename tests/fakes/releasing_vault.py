"""A vault that releases secrets to attested executions: the production verifier, appraiser and authoriser, in memory.

It has what a vault for development has: a policy for tests, a development CA, and a manifest that grants an owner's
workflows all of the owner's secrets until ``grant`` says which.
"""

import secrets
from datetime import UTC, datetime

from strongroom.attest.appraise import Expected, appraise
from strongroom.attest.authorise import SecretRule, authorise
from strongroom.attest.ear import Ear, make_ear
from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.attest.evidence import Evidence, EvidenceLimits
from strongroom.attest.manifest import Manifest, ManifestGrant
from strongroom.attest.measurement import RUNNER_PACKAGES, measurement_of
from strongroom.attest.policy import parse_policy
from strongroom.attest.policy_sections import VerifierPin
from strongroom.attest.release import (
    Challenge,
    Envelope,
    ReleasedSecret,
    seal_secrets,
    sign_challenge,
    sign_envelope,
)
from strongroom.attest.runtime_data import check_possession, decode_runtime_data
from strongroom.attest.software import KIND, verify_insecure_software
from strongroom.attest.verification import InstalledVerifier, verified_under_policy
from strongroom.crypto.box import seal_to
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.signing import SigningKey, key_id
from strongroom.errors import EvidenceRejected
from strongroom.plugin import CapabilityError
from strongroom.plugin.installed import program_files
from strongroom.plugin.messages import strongroom_vault_pb2, vault_pb2
from tests.fakes import policies
from tests.fakes.vault_owner import ALICE

PIN = VerifierPin("strongroom", "0.1.0", policies.hexed("record", 32))
TTL_S = 60
EPOCH = 7


def now():
    """The vault's clock."""
    return datetime.now(UTC)


class ReleasingVault:
    """``directory`` gets the files that runners are configured from. ``call`` is the capability ``vault@1.0.0``."""

    def __init__(self, directory, **config):
        self.key = SigningKey.generate()
        self.authority = DevelopmentAuthority.generate(now=now())
        self.enclave_config = EnclaveConfig(vault_public_key=self.key.public, policy_epoch=EPOCH, **config)
        self.authority_file = directory / "development-ca.key"
        self.config_file = directory / "enclave-config.cbor"
        directory.mkdir(parents=True, exist_ok=True)
        self.authority.save(self.authority_file)
        self.config_file.write_bytes(self.enclave_config.encode())
        self.accepted = {}
        self.epoch = EPOCH
        self.accepts_simulated = True
        self.store = {}
        self.granted = {}
        self.nonces = {}
        self.attempts = {}
        self.released = []
        self.refusals = []
        self.asked = []

    @property
    def measurement(self):
        """That of the runners of this checkout, as it is now; it is accepted from now on.

        Somebody may be editing while the tests run: what was measured before a runner started is as good as after.
        """
        found = measurement_of(program_files(RUNNER_PACKAGES))
        self.accepted[found.hex()] = None
        return found

    def config(self):
        """The part of the plugin's configuration that names these files."""
        _ = self.measurement
        return {
            "evidence": {"kind": KIND, "authority_key_file": str(self.authority_file)},
            "enclave_config_file": str(self.config_file),
        }

    def create(self, key, value, *, owner=ALICE, namespace="", is_test_only=True):
        """Set a secret."""
        self.store[owner, namespace or "main", key] = (value, is_test_only)

    def delete(self, key, *, owner=ALICE, namespace=""):
        """Remove it."""
        del self.store[owner, namespace or "main", key]

    def grant(self, workflow_id, binary_sha256, config, *names, owner=ALICE):
        """Sign a manifest that grants these (namespace, key), and nothing else from now on."""
        granted = ManifestGrant(
            workflow_id=workflow_id,
            binary_sha256=bytes.fromhex(binary_sha256),
            config_sha256=policies.sha256(config).digest(),
            secrets=dict.fromkeys(names, "none"),
        )
        self.granted[owner] = Manifest(owner=f"0x{owner}", serial=1, grants=(granted,))

    def call(self, call):
        """One call, as the registry makes it."""
        _ = self.measurement
        self.asked.append(call.method)
        answers = {
            "vault.release.challenge": self.challenge,
            "vault.release.release": self.release,
            "vault.manifests.get": self.manifest,
            "vault.secrets.status": self.status,
            "vault.secrets.get": self.get,
        }
        if call.method not in answers:
            raise CapabilityError("Public", "User", "Unimplemented", f"no method {call.method}")
        try:
            return answers[call.method](call)
        except EvidenceRejected as error:
            self.refusals.append(error.code)
            raise CapabilityError("Public", "User", "PermissionDenied", f"{error.code}: {error}") from error

    def challenge(self, call):
        """A nonce; ``attempt`` grows with every release."""
        asked = call.unpack(strongroom_vault_pb2.ChallengeRequest)
        assert call.metadata.workflow_id == asked.workflow_id, "the host stamps the workflow"
        assert call.metadata.workflow_execution_id in {"", asked.execution_id}
        challenge = Challenge(
            nonce=secrets.token_bytes(32),
            exp_s=int(now().timestamp()) + TTL_S,
            execution_id=asked.execution_id,
            workflow_id=asked.workflow_id,
            owner=asked.owner,
            vault_key_id=key_id(self.key.public),
        )
        self.nonces[challenge.nonce] = challenge
        return self.challenge_response(challenge, self.attempts.get(asked.execution_id, 0) + 1)

    def challenge_response(self, challenge, attempt):
        """The answer; a test may forge another one."""
        signed = sign_challenge(challenge, self.key)
        return strongroom_vault_pb2.ChallengeResponse(body=signed.body, signature=signed.signature, attempt=attempt)

    def release(self, call):
        """Verify, appraise, authorise, seal."""
        asked = call.unpack(strongroom_vault_pb2.ReleaseRequest)
        data = decode_runtime_data(asked.runtime_data)
        check_possession(data, asked.pop_sig)
        challenge = self.nonces.pop(data.challenge.nonce, None)
        if challenge is None:
            raise EvidenceRejected("SR-ATTEST-012", "challenge nonce", got="another", wanted="one of this vault")
        policy, binding, found = self.policy(), data.binding(), asked.evidence
        evidence = Evidence(found.kind, found.media_type, found.body, tuple(found.endorsements))
        installed = [InstalledVerifier(KIND, PIN, verify_insecure_software)]
        claims = verified_under_policy(
            evidence, policy, installed, expected=binding, now=now(), limits=EvidenceLimits()
        )
        configs = frozenset({self.enclave_config.sha256()})
        report = appraise(claims, policy, Expected(data=data, enclave_configs=configs), now=now())
        owner = data.execution.owner.removeprefix("0x")
        rules = {
            name: SecretRule(min_assurance="none", is_test_only=is_test_only)
            for (of, *name_parts), (_, is_test_only) in self.store.items()
            if of == owner and (name := tuple(name_parts))
        }
        manifest = self.granted.get(owner) or self._everything(data, owner)
        grant = authorise(report, data, manifest, rules, policy, accepts_simulated=self.accepts_simulated)
        values = [
            ReleasedSecret(namespace=ns, key=key, version=1, value=self.store[owner, ns, key][0])
            for ns, key in grant.secrets
        ]
        ear = Ear(
            nonce=data.challenge.nonce,
            report_data=binding.report_data,
            assurance=grant.assurance,
            issued_s=int(now().timestamp()),
            build="fake-vault",
            vector=report.vector,
            policy_sha256=policy.sha256,
        )
        self.attempts[data.execution.execution_id] = data.execution.attempt
        self.released.append(data)
        return self.envelope_response(data, values, make_ear(ear, self.key))

    def envelope_response(self, data, values, ear):
        """The answer; a test may forge another one."""
        release_id = secrets.token_bytes(16)
        envelope = Envelope(
            release_id=release_id,
            report_data=data.report_data(),
            vault_key_id=key_id(self.key.public),
            policy_epoch=self.epoch,
            issued_s=int(now().timestamp()),
            secrets=tuple((each.namespace, each.key, each.version) for each in values),
            sealed=seal_secrets(data, release_id, values),
            ear=ear,
        )
        signed = sign_envelope(envelope, self.key)
        return strongroom_vault_pb2.ReleaseResponse(body=signed.body, signature=signed.signature, vault="co-located")

    def policy(self):
        """The policy in force."""
        found = policies.values([KIND])
        _ = self.measurement
        releases = [{"name": f"here-{number}", "measurement": each} for number, each in enumerate(self.accepted)]
        found = policies.changed(found, f"accept/{KIND}", releases)
        found = policies.changed(found, "insecure/anchors", [self.authority.fingerprint])
        return parse_policy(policies.toml(found), file="policy.toml")

    def manifest(self, call):
        """The manifest that ``grant`` signed."""
        owner = call.unpack(strongroom_vault_pb2.GetManifestRequest).owner.removeprefix("0x")
        found = self.granted.get(owner)
        return strongroom_vault_pb2.GetManifestResponse(manifest=found.encode() if found else b"", signature=bytes(64))

    def status(self, call):
        """What is there."""
        answer = strongroom_vault_pb2.SecretStatusResponse()
        for asked in call.unpack(strongroom_vault_pb2.SecretStatusRequest).ids:
            name = (asked.owner.removeprefix("0x").lower(), asked.namespace or "main", asked.key)
            answer.statuses.add(id=asked, present=name in self.store)
        return answer

    def get(self, call):
        """A direct read by a guest: sealed to the keys that it names."""
        answer = vault_pb2.GetSecretsResponse()
        for asked in call.unpack(vault_pb2.GetSecretsRequest).requests:
            found = self.store.get((asked.id.owner.removeprefix("0x").lower(), asked.id.namespace, asked.id.key))
            response = answer.responses.add(id=asked.id)
            if found is None:
                response.error = "could not find secret"
                continue
            for key in asked.encryption_keys:
                shares = response.data.encrypted_decryption_key_shares.add(encryption_key=key)
                shares.shares.append(seal_to(key, found[0]).hex())
        return answer

    def _everything(self, data, owner):
        """The manifest of an owner who grants all there is."""
        found = data.execution
        names = [(namespace, key) for of, namespace, key in self.store if of == owner]
        granted = ManifestGrant(
            workflow_id=found.workflow_id,
            binary_sha256=found.binary_sha256,
            config_sha256=found.config_sha256,
            secrets=dict.fromkeys(names, "none"),
        )
        return Manifest(owner=found.owner, serial=1, grants=(granted,))
