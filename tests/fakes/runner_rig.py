"""The other end of one enclave runner, played by a test: it configures it, starts an execution, answers as its vault.

There is no appraisal: what the runner attests is believed. Whatever it says goes through ``heard``.
"""

import hashlib
import time
from datetime import UTC, datetime

from strongroom.attest.ear import Ear, make_ear
from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.attest.release import Challenge, Envelope, ReleasedSecret, seal_secrets, sign_challenge, sign_envelope
from strongroom.attest.runtime_data import decode_runtime_data
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.signing import SigningKey, key_id
from strongroom.guest.ids import owner_checksum
from strongroom.plugin.messages import confidential_workflow_pb2, http_pb2, sdk_pb2
from strongroom_confidential_workflows.evidence_config import EvidenceConfig, RunnerSettings
from strongroom_confidential_workflows.limits import CHUNK_BYTES
from strongroom_confidential_workflows.messages import (
    BinaryChunk,
    CapabilityAnswer,
    CapabilityCall,
    ChallengeAnswer,
    ChallengeCall,
    Finished,
    ReleaseAnswer,
    ReleaseCall,
    Start,
    decode_from_enclave,
    encode,
)
from tests.fakes.vault_owner import ALICE
from tests.guests.build import wasm

NONCE = bytes(range(32))
WORKFLOW = "00" + "ab" * 31
EXECUTION = "b028eb767ee9460f7ceca41c8c612ec9d47b7812be0baf001c77c78be2c713d4"


class RunnerRig:
    """A vault's key, the files that a runner is configured from below ``folder``, and the values that are released."""

    def __init__(self, folder, *, evidence=None, values=None):
        self.key = SigningKey.generate()
        self.values = dict(values or {})
        self.heard = []
        self.refusal = ""
        self.config_file = folder / "enclave-config.cbor"
        self.config_file.write_bytes(EnclaveConfig(vault_public_key=self.key.public, policy_epoch=1).encode())
        self.authority_file = folder / "development-ca.key"
        if not self.authority_file.exists():
            DevelopmentAuthority.generate(now=datetime.now(UTC)).save(self.authority_file)
        self.evidence = evidence or {"kind": "insecure-software", "authority_key_file": str(self.authority_file)}
        self.settings = RunnerSettings(
            evidence=EvidenceConfig.from_config(self.evidence), enclave_config_file=self.config_file, wait_s=0.0
        )

    def start(self, runner, guest="hello", *, timeout_ms=60_000, stored=None):
        """Hand it one execution of the guest of this name, which asks for every value.

        ``stored`` are the bytes to hand over instead of the guest's.
        """
        binary = wasm(guest) if stored is None else stored
        start = Start(
            request=self._request(binary).SerializeToString(),
            owner=ALICE,
            timeout_ms=timeout_ms,
            execution_id=EXECUTION,
            binary_bytes=len(binary),
        )
        runner.frames.send(encode(start))
        for at in range(0, len(binary), CHUNK_BYTES):
            runner.frames.send(encode(BinaryChunk(data=binary[at : at + CHUNK_BYTES])))

    def _request(self, binary):
        trigger = sdk_pb2.Trigger(id=0)
        trigger.payload.Pack(http_pb2.Payload(input=b"{}"))
        digest = hashlib.sha256(binary)
        execution = confidential_workflow_pb2.WorkflowExecution(
            workflow_id=WORKFLOW,
            binary_url=f"artifact:sha256/{digest.hexdigest()}",
            binary_hash=digest.digest(),
            owner=owner_checksum(ALICE),
            execution_id=EXECUTION,
            execute_request=sdk_pb2.ExecuteRequest(trigger=trigger).SerializeToString(),
        )
        request = confidential_workflow_pb2.ConfidentialWorkflowRequest(execution=execution)
        for key in sorted(self.values):
            request.vault_don_secrets.add(key=key)
        return request

    def until(self, runner, *wanted):
        """Answer challenge and release, until the runner says one of ``wanted`` or its end; that message."""
        while True:
            data = runner.frames.receive(60)
            assert data is not None, f"the runner said nothing more: it {runner.end()}"
            message = decode_from_enclave(data)
            self.heard.append(message)
            if isinstance(message, (Finished, *wanted)):
                return message
            runner.frames.send(encode(self.answer(message)))

    def answer(self, message):
        """What a vault says, and a capability that does not work."""
        if isinstance(message, ChallengeCall):
            if self.refusal:
                return ChallengeAnswer(error_origin="User", error_name="PermissionDenied", error=self.refusal)
            return self.challenge(message)
        if isinstance(message, ReleaseCall):
            return self.release(message)
        if isinstance(message, CapabilityCall):
            failed = sdk_pb2.CapabilityResponse(error="there is none here")
            return CapabilityAnswer(call_id=message.call_id, response=failed.SerializeToString())
        raise AssertionError(f"no answer to {type(message).__name__}")

    def challenge(self, call):
        """A nonce for the execution that it names."""
        challenge = Challenge(
            nonce=NONCE,
            exp_s=int(time.time()) + 60,
            execution_id=call.execution_id,
            workflow_id=call.workflow_id,
            owner=call.owner,
            vault_key_id=key_id(self.key.public),
        )
        signed = sign_challenge(challenge, self.key)
        return ChallengeAnswer(body=signed.body, signature=signed.signature, attempt=1)

    def release(self, call):
        """Everything that it asks for, sealed to its key."""
        data = decode_runtime_data(call.runtime_data)
        secrets = [
            ReleasedSecret(namespace=space, key=key, version=1, value=self.values[key]) for space, key in data.secrets
        ]
        now_s, release_id = int(time.time()), bytes(16)
        ear = Ear(
            nonce=NONCE,
            report_data=data.report_data(),
            assurance="none",
            issued_s=now_s,
            build="a test's vault",
            vector={"hardware": 97},
            policy_sha256=bytes(32),
        )
        envelope = Envelope(
            release_id=release_id,
            report_data=data.report_data(),
            vault_key_id=key_id(self.key.public),
            policy_epoch=1,
            issued_s=now_s,
            secrets=tuple((each.namespace, each.key, each.version) for each in secrets),
            sealed=seal_secrets(data, release_id, secrets),
            ear=make_ear(ear, self.key),
        )
        signed = sign_envelope(envelope, self.key)
        return ReleaseAnswer(body=signed.body, signature=signed.signature, vault="co-located")
