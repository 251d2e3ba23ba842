"""What SECURITY.md says is visible or forgeable really is: when one of these fails, the page can promise more."""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.attest.evidence import Evidence, EvidenceLimits
from strongroom.attest.receipt import Receipt, decode_receipt
from strongroom.attest.receipt_check import check_receipt
from strongroom.attest.result import Result, check_result, sign_result
from strongroom.attest.runtime_data import decode_runtime_data
from strongroom.attest.verifiers import VERIFIERS
from strongroom.audit.chain import GENESIS, link_digest
from strongroom.crypto.box import BoxKey
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.plugin.messages import basic_action_pb2, http_pb2
from strongroom_confidential_workflows import runner_process
from strongroom_confidential_workflows.messages import CapabilityCall
from strongroom_vault.audit_log import verify_audit
from strongroom_vault.clock import Clock
from tests.fakes.enclave_host import EXECUTION, WORKFLOW, EnclaveHost, request_for, triggered
from tests.fakes.releasing_vault import ReleasingVault
from tests.fakes.runner_modes import descendants_of, started
from tests.fakes.runner_rig import RunnerRig
from tests.fakes.vault_owner import ALICE, Owner
from tests.fakes.vault_runner import Runner
from tests.guests.build import wasm

ACTION = "basic-test-action@1.0.0"
API_KEY = ("main", "API_KEY")
CANARY = b"canary-3b9e07d1c4-in-use"


@pytest.fixture
def home(tmp_path):
    """Where a vault for tests lives; more than one may be opened there, one after the other."""
    return tmp_path / "vault.key"


def opened(key_file):
    return Owner(key_file, accepts_simulated=True)


@pytest.fixture
def stocked(home):
    owner = opened(home)
    assert owner.create("API_KEY", owner.entry("API_KEY", b"s3cret")) == ""
    yield owner
    owner.close()


def memory_of(pid):
    """Every readable byte of a process, as root sees it."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, access, *_ = line.split()
            if access.startswith("r") and not line.endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                begin, end = (int(part, 16) for part in place.split("-"))
                memory.seek(begin)
                try:
                    yield memory.read(min(end - begin, 1 << 26))
                except OSError:
                    continue


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a runner: run this as root")
def test_root_reads_a_secret_in_use_out_of_a_runner_of_class_none(tmp_path):
    rig = RunnerRig(tmp_path, values={"Foo": CANARY})
    runner, _ = started("process", rig)
    try:
        rig.start(runner, "async-calls")
        assert isinstance(rig.until(runner, CapabilityCall), CapabilityCall)
        try:
            assert any(CANARY in part for part in memory_of(descendants_of(runner.pid)[-1]))
        except PermissionError as error:
            pytest.skip(f"this machine keeps root out of processes: {error}")
    finally:
        runner.close()


def test_all_but_the_values_of_secrets_crosses_the_host_in_the_clear(tmp_path, monkeypatch):
    crossed = bytearray()

    class RecordingFrames(runner_process.Frames):
        def send(self, message, **arguments):
            crossed.extend(message)
            super().send(message, **arguments)

        def receive(self, timeout_s):
            message = super().receive(timeout_s)
            crossed.extend(message or b"")
            return message

    monkeypatch.setattr(runner_process, "Frames", RecordingFrames)
    vault = ReleasingVault(tmp_path / "vault")
    vault.create("SOME_NAME", CANARY)
    host = EnclaveHost(vault=vault)
    host.registry.add(ACTION, lambda call: basic_action_pb2.Outputs(adapted_thing="what the capability answered"))
    hello, calling = (host.artifacts.add(wasm(name)) for name in ("hello", "async-calls"))
    payload = http_pb2.Payload(input=b'{"who": "somebody in the payload"}')
    host.run(request_for(hello, triggered(payload, config=b"SOME_NAME"), secrets=["SOME_NAME"]))
    host.run(request_for(calling, triggered()))
    host.close()
    visible = {
        "binary": wasm("hello"),
        "config and name of the secret": b"SOME_NAME",
        "payload": b"somebody in the payload",
        "result": b"hello, somebody in the payload",
        "capability": ACTION.encode(),
        "answer of a capability": b"what the capability answered",
        "workflow": WORKFLOW.encode(),
        "owner": ALICE.encode(),
        "execution": EXECUTION.encode(),
    }
    assert [what for what, words in visible.items() if words not in crossed] == []
    assert CANARY not in crossed


def test_a_host_answers_the_calls_of_a_guest_as_it_likes_and_the_receipt_says_whose_answer_it_was(tmp_path):
    vault = ReleasingVault(tmp_path / "vault")
    host = EnclaveHost(vault=vault)
    host.registry.add(ACTION, lambda call: basic_action_pb2.Outputs(adapted_thing="made up"))
    assert "made up" in host.run(request_for(host.artifacts.add(wasm("async-calls")), triggered())).value.string_value
    receipt = decode_receipt(host.receipt())
    host.close()
    sig_pub = decode_runtime_data(receipt.runtime_data).sig_pub
    assert {each.trust for each in check_result(receipt.result, sig_pub=sig_pub).calls} == {"host"}


def test_whoever_has_the_development_ca_gets_secrets_for_tests_and_a_receipt_of_what_never_ran(stocked):
    """``Runner`` is no runner: it is this process, which says of itself what it likes."""
    runner = Runner(stocked, secrets=(API_KEY,), binary=b"a binary that was granted, and is executed nowhere")
    stocked.put_manifest(runner.grant(API_KEY))
    asked = runner.asked()
    found = runner.opened(asked, runner.answer(asked))
    assert [each.value for each in found.secrets] == [b"s3cret"]
    result_bytes = b"made up"
    result = Result(
        execution_id=runner.execution_id,
        attempt=1,
        report_data=asked.data.report_data(),
        status="succeeded",
        evidence_sha256=hashlib.sha256(asked.evidence.body).digest(),
        ear_sha256=hashlib.sha256(found.envelope.ear).digest(),
        result_sha256=hashlib.sha256(result_bytes).digest(),
        fuel=0,
        secrets=found.envelope.secrets,
        calls=(),
    )
    evidence = asked.evidence
    receipt = Receipt(
        protocol="native",
        result=sign_result(result, runner.key),
        runtime_data=asked.data.encode(),
        evidence=Evidence(evidence.kind, evidence.media_type, evidence.body, tuple(evidence.endorsements)),
        ear=found.envelope.ear,
        vault_public_key=stocked.vault.public_key,
        policy_sha256=stocked.vault.policy.sha256,
        assurance="none",
        vault="co-located",
    )
    anchor = DevelopmentAuthority.load(stocked.key_file.with_name("development-ca.key")).fingerprint
    findings = check_receipt(
        decode_receipt(receipt.encode()),
        verifiers=VERIFIERS,
        anchors={"insecure-software": frozenset({anchor})},
        limits=EvidenceLimits(),
        result_bytes=result_bytes,
    )
    assert findings.holds, [each for each in findings.checks if not each.is_passed]


def test_a_granted_workflow_gets_its_secrets_as_often_and_for_whatever_input_a_host_hands_it(stocked):
    for number in range(5):
        runner = Runner(stocked, secrets=(API_KEY,), execution_id=f"{number:064x}")
        stocked.put_manifest(runner.grant(API_KEY))
        data = runner.data(*runner.challenge())
        chosen = {name: bytes([number]) * 32 for name in ("request_sha256", "restrictions_sha256")}
        data = replace(data, execution=replace(data.execution, **chosen))
        asked = runner.asked(challenged=runner.challenge(), execution=data.execution)
        found = runner.opened(asked, runner.answer(asked))
        assert [each.value for each in found.secrets] == [b"s3cret"]


def test_an_older_state_file_of_the_vault_put_back_is_believed(stocked, home):
    """Nonces die with the process, but attempts, serials and what an owner took back are those of the file."""
    state = stocked.vault.state.path
    runner = Runner(stocked, secrets=(API_KEY,))
    stocked.put_manifest(runner.grant(API_KEY))
    stocked.close()
    older = shutil.copy(state, state.with_name("older"))
    runner.owner = newer = opened(home)
    assert runner.release() == {API_KEY: b"s3cret"}
    assert runner.challenge()[1] == 2
    newer.put_manifest(serial=2)
    newer.close()
    for beside in state.parent.glob(f"{state.name}-*"):
        beside.unlink()
    shutil.copy(older, state)
    runner.owner = again = opened(home)
    assert runner.challenge()[1] == 1
    assert runner.release() == {API_KEY: b"s3cret"}, "though its owner had taken it back"
    again.close()


def test_after_90_days_a_vault_has_forgotten_what_it_released(home):
    clocks = {"wall": 1_800_000_000.0, "boot": 1_000.0}
    clock = Clock(wall_s=lambda: clocks["wall"], boot_s=lambda: clocks["boot"])
    vault = Owner(home, accepts_simulated=True, clock=clock)
    for days, attempt in ((0, 1), (89, 2), (91, 1)):
        clocks.update({name: now_s + days * 86_400 for name, now_s in clocks.items()})
        other = Runner(vault, execution_id="e2" * 32)
        other.answer(other.asked(now_s=clocks["wall"]))
        runner = Runner(vault)
        challenge, counted = runner.challenge()
        assert counted == attempt, days
        runner.answer(runner.asked(challenged=(challenge, counted), now_s=clocks["wall"]))
    vault.close()


def test_who_writes_the_state_file_can_write_the_whole_audit_chain_anew(stocked):
    Runner(stocked).release()
    Runner(stocked, execution_id="e2" * 32).release()
    before = verify_audit(stocked.vault.state.path)
    with stocked.vault.state.transaction() as database:
        rows = database.execute("SELECT number, record FROM audit ORDER BY number").fetchall()
        digest = GENESIS
        for number, record in rows:
            record = record.replace(b"e2" * 32, b"f3" * 32)
            digest = link_digest(digest, number, record)
            database.execute("UPDATE audit SET record = ?, digest = ? WHERE number = ?", (record, digest, number))
    after = verify_audit(stocked.vault.state.path)
    assert (after.count, after.number) == (before.count, before.number)
    assert after.digest != before.digest, "only who kept the digest elsewhere sees it"


def test_a_copy_of_key_and_state_file_is_the_vault(stocked, home, tmp_path):
    stocked.put_manifest(Runner(stocked).grant(API_KEY))
    stocked.close()
    shutil.copytree(home.parent, tmp_path.with_name(f"{tmp_path.name}-copied"))
    copied = opened(tmp_path.with_name(f"{tmp_path.name}-copied") / home.name)
    assert Runner(copied, secrets=(API_KEY,)).release() == {API_KEY: b"s3cret"}
    copied.close()


def test_a_host_that_may_call_lists_replaces_and_deletes_secrets_of_any_owner_and_reads_those_of_class_local(stocked):
    """What a host stamps on a call is its word: none of these takes a signature of the owner."""
    assert stocked.create("LOCAL", stocked.entry("LOCAL", b"any run may know", min_assurance="local")) == ""
    assert stocked.names() == [("main", "API_KEY"), ("main", "LOCAL")]
    reader = BoxKey.generate()
    refused, read = stocked.get("API_KEY", "LOCAL", to=[reader.public_hex])
    assert reader.open(bytes.fromhex(read.data.encrypted_decryption_key_shares[0].shares[0])) == b"any run may know"
    assert not refused.HasField("data"), "a secret of another class it cannot read"
    assert stocked.update("API_KEY", stocked.entry("API_KEY", b"the host's own")) == ""
    assert stocked.delete("LOCAL") == ""
