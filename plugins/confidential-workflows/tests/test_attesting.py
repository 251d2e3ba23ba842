"""What a runner accepts of its vault, and what a host between the two can do about it: nothing but refuse service."""

import hashlib
from dataclasses import replace

import pytest

from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.attest.receipt import decode_receipt
from strongroom.attest.runtime_data import decode_runtime_data
from strongroom.attest.software import KIND
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey
from strongroom.errors import CapabilityError
from strongroom.plugin.messages import capabilities_pb2, sdk_pb2, strongroom_vault_pb2
from strongroom_confidential_workflows.enclave.execution import execute
from strongroom_confidential_workflows.enclave.setup import RunnerSetup
from strongroom_confidential_workflows.messages import ChallengeAnswer, ReleaseAnswer, Start
from strongroom_confidential_workflows.providers.software import SoftwareIdentity, SoftwareProvider
from strongroom_confidential_workflows.vault_relay import VaultCaller
from tests.fakes.enclave_host import EXECUTION, WORKFLOW, RecordingRegistry, request_for, subscribing, triggered
from tests.fakes.releasing_vault import ReleasingVault, now
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


@pytest.fixture
def vault(tmp_path):
    made = ReleasingVault(tmp_path / "vault")
    made.create("A", b"s3cret")
    return made


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

    def __call__(self, wasm, request, helper, *, limits):
        asked = sdk_pb2.GetSecretsRequest(requests=[sdk_pb2.SecretRequest(id="A")], callback_id=1)
        (response,) = helper.get_secrets(asked).responses
        self.values.append(response.secret.value)
        return DONE


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
    return execute(started, binary, link or Between(vault), setup or setup_of(vault), guest or Guest())


def refusal(vault, **arguments):
    """The code word and text of an execution whose guest was not run."""

    def guest(*_, **__):
        pytest.fail("the guest was run")

    finished = executed(vault, guest=guest, **arguments)
    assert (finished.outcome, finished.receipt) in {("refused", b""), ("host_fault", b"")}
    return finished.code, finished.error


def test_a_sound_vault_releases_and_the_receipt_names_it(vault):
    guest = Guest()
    finished = executed(vault, guest=guest)
    assert (finished.outcome, finished.result) == ("result", DONE)
    assert guest.values == ["s3cret"]
    receipt = decode_receipt(finished.receipt)
    assert receipt.vault_public_key == vault.key.public
    assert decode_runtime_data(receipt.runtime_data) == vault.released[0]


def test_what_is_attested_is_what_runs(vault):
    executed(vault)
    (data,) = vault.released
    serialized = triggered().SerializeToString()
    empty = hashlib.sha256(b"").digest()
    execution = data.execution
    assert (execution.workflow_id, execution.owner, execution.execution_id) == (WORKFLOW, f"0x{ALICE}", EXECUTION)
    assert (execution.attempt, execution.binary_sha256.hex()) == (1, DIGEST)
    assert execution.request_sha256 == hashlib.sha256(serialized).digest()
    assert {execution.config_sha256, execution.requirements_sha256, execution.restrictions_sha256} == {empty}
    assert (data.kind, data.secrets) == (KIND, (("main", "A"),))
    assert data.enclave_config_sha256 == vault.enclave_config.sha256()


def test_every_execution_has_keys_of_its_own(vault):
    executed(vault)
    executed(vault)
    assert len({each.kem_pub for each in vault.released} | {each.sig_pub for each in vault.released}) == 4
    assert [each.execution.attempt for each in vault.released] == [1, 2]


def test_subscribing_attests_under_an_id_that_the_runner_draws(vault):
    for _ in range(2):
        executed(vault, asked=subscribing(), granted=(("main", "A"),))
    ids = {each.execution.execution_id for each in vault.released}
    assert len(ids) == 2
    assert all(len(bytes.fromhex(each)) == 32 for each in ids)
    assert {each.secrets for each in vault.released} == {(("main", "A"),)}


def test_subscribing_asks_for_those_of_the_named_secrets_that_are_there(vault):
    guest = Guest()
    executed(vault, asked=subscribing(), secrets=["A", "B"], granted=(("main", "C"),), guest=guest)
    assert vault.released[0].secrets == ()
    assert guest.values == [""]


@pytest.mark.parametrize(("secrets", "asked"), [(["A"], "A"), ((), "G")], ids=["a list", "no list"])
def test_a_list_is_asked_for_and_without_one_what_is_granted(vault, secrets, asked):
    vault.create("G", b"v")
    executed(vault, secrets=secrets, granted=(("main", "G"),))
    assert vault.released[0].secrets == (("main", asked),)


def test_a_swapped_binary_is_refused_before_anything_is_asked_for(vault):
    code, text = refusal(vault, binary=BINARY + b"\0")
    assert code == "DataLoss"
    assert text.startswith("binary hash mismatch")
    assert vault.asked == []


def test_a_workflow_id_that_is_not_computed_from_its_parts_is_refused_before_anything_is_asked_for(vault):
    code, text = refusal(vault, workflow_name="billing")
    assert code == "DataLoss"
    assert text.startswith(f"workflow id mismatch: the request says {WORKFLOW}")
    assert vault.asked == []


def test_a_runner_of_another_release_gets_nothing(vault):
    assert "SR-ATTEST-021" in refusal(vault, setup=setup_of(vault, measurement=bytes(32)))[1]


def test_a_swapped_configuration_gets_nothing(vault):
    forged = replace(vault.enclave_config, policy_epoch=1)
    assert "SR-ATTEST-022" in refusal(vault, setup=setup_of(vault, config=forged))[1]


def test_a_vault_whose_key_is_not_pinned_is_not_believed(vault):
    other = EnclaveConfig(vault_public_key=SigningKey.generate().public, policy_epoch=1)
    code, text = refusal(vault, setup=setup_of(vault, config=other))
    assert code == "PermissionDenied"
    assert "challenge signature" in text
    assert vault.asked == ["vault.release.challenge"], "no evidence for a stranger"


def test_a_challenge_for_another_execution_is_not_answered(vault):
    link = Between(vault)
    sound = link.challenge
    link.challenge = lambda call: sound(replace(call, execution_id="00" * 32))
    assert "challenge execution_id" in refusal(vault, link=link)[1]
    assert link.released == []


def flipped(data, place):
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("part", ["body", "signature"])
@pytest.mark.parametrize("message", ["challenge", "release"])
def test_what_the_host_changes_on_the_way_is_not_opened(vault, message, part):
    link = Between(vault)
    sound = getattr(link, message)

    def changed(call):
        answer = sound(call)
        return replace(answer, **{part: flipped(getattr(answer, part), -1)})

    setattr(link, message, changed)
    wanted = "challenge signature" if message == "challenge" else "envelope signature"
    assert wanted in refusal(vault, link=link)[1]


def test_an_envelope_that_the_host_seals_itself_is_not_opened(vault, tmp_path):
    forger = ReleasingVault(tmp_path / "forger")
    forger.create("A", b"the host's own")
    forger.authority, forger.enclave_config = vault.authority, vault.enclave_config
    link, forging = Between(vault), Between(forger)

    def forged(call):
        forger.nonces = dict(vault.nonces)
        return forging.release(call)

    link.release = forged
    assert "envelope signature" in refusal(vault, link=link)[1]


def test_an_envelope_of_another_release_is_not_opened(vault):
    first, second = Between(vault), Between(vault)
    kept = []
    sound = first.release
    first.release = lambda call: kept.append(sound(call)) or kept[0]
    executed(vault, link=first)
    second.release = lambda call: kept[0]
    assert "envelope report_data" in refusal(vault, link=second)[1]


def test_an_envelope_under_an_older_policy_is_not_opened(vault):
    vault.epoch -= 1
    code, text = refusal(vault)
    assert "evidence refused at envelope policy_epoch" in text
    assert code == "PermissionDenied"


@pytest.mark.parametrize("code", ["SR-ATTEST-012", "SR-ATTEST-014"])
def test_a_challenge_that_went_stale_is_asked_for_once_more(vault, code):
    link = Between(vault)
    sound, stale = link.release, ReleaseAnswer(error_origin="User", error_name="PermissionDenied", error=f"{code} old")
    answers = [stale]
    link.release = lambda call: answers.pop() if answers else sound(call)
    assert executed(vault, link=link).outcome == "result"
    link.release = lambda call: stale
    assert refusal(vault, link=link) == ("PermissionDenied", f"{code} old")
    assert vault.asked.count("vault.release.challenge") == 4


def test_every_other_refusal_is_final(vault):
    vault.accepts_simulated = False
    code, text = refusal(vault)
    assert code == "PermissionDenied"
    assert text.startswith("SR-ATTEST-026 evidence refused at release insecure kind")
    assert "--insecure-accept-simulated-tee" in text
    assert vault.asked == ["vault.release.challenge", "vault.release.release"]


def test_a_named_secret_that_is_missing_is_named_with_what_to_do(vault):
    code, text = refusal(vault, secrets=["A", "MISSING"])
    assert code == "PermissionDenied"
    assert text.startswith("SR-ATTEST-030")
    assert "a grant of main/MISSING to this workflow" in text
    assert "`strongroom secret set`" in text


def test_secrets_that_are_too_large_together_do_not_run(vault):
    vault.create("B", b"x" * 27_000)
    code, text = refusal(vault, secrets=["A", "B"])
    assert (code, text[:60]) == ("LimitExceeded", "the secrets of one execution have 27006 bytes, and 27000 is ")


def test_the_configurations_limit_of_secrets_holds(tmp_path):
    limits = dict(EnclaveConfig(vault_public_key=bytes(32), policy_epoch=1).limits) | {"secrets_bytes_max": 5}
    vault = ReleasingVault(tmp_path / "vault", limits=limits)
    vault.create("A", b"123456")
    assert "have 6 bytes, and 5 is the limit" in refusal(vault)[1]


def test_a_run_without_an_execution_id_does_not_attest(vault):
    request = request_for(DIGEST, triggered(), execution_id="")
    assert refusal(vault, request=request.SerializeToString(), execution_id="") == (
        "InvalidArgument",
        "execution.execution_id is missing",
    )


@pytest.mark.parametrize("request_", [b"\xff\xff", b""], ids=["garbage", "nothing"])
def test_a_request_that_is_none_is_refused(vault, request_):
    assert refusal(vault, request=request_)[0] == "InvalidArgument"
    assert vault.asked == []
