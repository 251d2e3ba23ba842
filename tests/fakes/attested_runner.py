"""The core of a runner in this process, with a link whose other end is a vault, or a host that changes what passes."""

import hashlib

import pytest

from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey
from strongroom.errors import CapabilityError
from strongroom.plugin.messages import capabilities_pb2, sdk_pb2, strongroom_vault_pb2
from strongroom_confidential_workflows.enclave.execution import execute
from strongroom_confidential_workflows.enclave.setup import RunnerSetup
from strongroom_confidential_workflows.messages import ChallengeAnswer, ReleaseAnswer, Start
from strongroom_confidential_workflows.providers.software import SoftwareIdentity, SoftwareProvider
from strongroom_confidential_workflows.vault_relay import VaultCaller
from tests.fakes.enclave_host import EXECUTION, WORKFLOW, RecordingRegistry, request_for, triggered
from tests.fakes.releasing_vault import now
from tests.fakes.vault_owner import ALICE

BINARY = b"\x00asm\x01\x00\x00\x00"
DIGEST = hashlib.sha256(BINARY).hexdigest()
DONE = sdk_pb2.ExecutionResult(error="the guest's own error").SerializeToString()


class Between:
    """A link whose other end is the vault itself, or a host that changes what passes."""

    def __init__(self, vault):
        registry = RecordingRegistry()
        registry.add("vault@1.0.0", vault.call)
        metadata = capabilities_pb2.RequestMetadata(workflow_id=WORKFLOW, workflow_owner=ALICE)
        self._vault = VaultCaller(registry, metadata)
        self.deadline = float("inf")
        self.released = []

    def challenge(self, call):
        question = strongroom_vault_pb2.ChallengeRequest(
            execution_id=call.execution_id, workflow_id=call.workflow_id, owner=call.owner
        )
        answer = self._asked("challenge", question, strongroom_vault_pb2.ChallengeResponse, ChallengeAnswer)
        if isinstance(answer, ChallengeAnswer):
            return answer
        return ChallengeAnswer(body=answer.body, signature=answer.signature, attempt=answer.attempt)

    def release(self, call):
        self.released.append(call)
        evidence = strongroom_vault_pb2.Evidence(
            kind=call.evidence_kind, media_type=call.media_type, body=call.evidence, endorsements=call.endorsements
        )
        question = strongroom_vault_pb2.ReleaseRequest(
            runtime_data=call.runtime_data, evidence=evidence, pop_sig=call.pop_sig
        )
        answer = self._asked("release", question, strongroom_vault_pb2.ReleaseResponse, ReleaseAnswer)
        if isinstance(answer, ReleaseAnswer):
            return answer
        return ReleaseAnswer(body=answer.body, signature=answer.signature, vault=answer.vault)

    def _asked(self, method, question, answer_type, failed):
        try:
            return self._vault.call(f"vault.release.{method}", question, answer_type, timeout_s=5)
        except CapabilityError as error:
            return failed(error_origin=error.origin, error_name=error.name, error=error.message)

    def on_cancel(self, stop):
        """Nobody cancels."""

    def check_cancelled(self):
        """Nobody cancels."""


def setup_of(vault, *, config=None, measurement=None):
    """A runner's setup as ``open_setup`` makes it."""
    key = SigningKey.generate()
    certificate = vault.authority.certify(PublicKey.of_ed25519(key.public), now=now())
    identity = SoftwareIdentity(measurement or vault.measurement, key, certificate, vault.authority.certificate)
    config = config or vault.enclave_config
    return RunnerSetup(
        config=config,
        config_sha256=config.sha256(),
        provider=SoftwareProvider(identity),
        measurement=identity.measurement,
    )


class Guest:
    """In place of a guest: asks for ``A``, and is seen to have run."""

    def __init__(self):
        self.values = []

    def __call__(self, request, helper, *, limits):
        asked = sdk_pb2.GetSecretsRequest(requests=[sdk_pb2.SecretRequest(id="A")], callback_id=1)
        (response,) = helper.get_secrets(asked).responses
        self.values.append(response.secret.value)
        return DONE


class Calls:
    """In place of a compiled guest: calls a function of the test."""

    def __init__(self, function):
        self.run = function

    def compile(self, wasm):
        """There is nothing to compile."""


def not_run(*_, **__):
    """What stands where no guest may be run."""
    pytest.fail("the guest was run")


def executed(vault, *, setup=None, link=None, guest=None, binary=BINARY, asked=None, secrets=("A",), **start):
    """What leaves the runner."""
    request = request_for(DIGEST, asked or triggered(), secrets=secrets)
    fields = {
        "request": request.SerializeToString(),
        "owner": ALICE,
        "timeout_ms": 20_000,
        "execution_id": "" if asked else EXECUTION,
        "binary_bytes": len(binary),
    }
    started = Start(**(fields | start))
    return execute(started, binary, link or Between(vault), setup or setup_of(vault), Calls(guest or Guest()))


def refusal(vault, **arguments):
    """The code word and text of an execution whose guest was not run."""
    finished = executed(vault, guest=not_run, **arguments)
    assert (finished.outcome, finished.receipt) in {("refused", b""), ("host_fault", b"")}
    return finished.code, finished.error
