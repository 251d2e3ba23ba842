"""Each reason to release nothing has its code, says what was found and wanted, and is in the audit records."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from strongroom.attest.runtime_data import prove_possession
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import strongroom_vault_pb2
from strongroom_vault import verifiers
from tests.fakes.vault_home import raised, replaced, rewrite_policy, test_home
from tests.fakes.vault_owner import ALICE, BOB, Owner
from tests.fakes.vault_runner import Asked, Runner

API_KEY = ("main", "API_KEY")


def refused(vault, code, ask, *, check=""):
    """The refusal, whose text begins with this code, and which the last audit record repeats."""
    with pytest.raises(CapabilityError) as caught:
        ask()
    assert caught.value.message.startswith(f"{code}: evidence refused at {check}"), caught.value.message
    assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "User", "PermissionDenied")
    record = vault.audit()[-1]
    assert (record["event"], record["code"]) == ("refused", code)
    assert record["check"].startswith(check)
    return caught.value.message


@pytest.fixture
def runner(stocked):
    """A runner to which everything is granted."""
    runner = Runner(stocked, secrets=(API_KEY,))
    stocked.put_manifest(runner.grant(API_KEY))
    return runner


def sent(runner, asked, **changes):
    """A call whose request has these fields instead."""
    request = asked.request()
    for name, value in changes.items():
        setattr(request, name, value)
    return lambda: runner.owner.call("vault.release.release", request, **runner.stamped())


@pytest.mark.parametrize(
    ("runtime_data", "code"),
    [
        (b"", "SR-ATTEST-001"),
        (b"\xa0", "SR-ATTEST-001"),
        (b"\xff" * 40, "SR-ATTEST-001"),
        (bytes(65_537), "SR-ATTEST-002"),
    ],
    ids=["nothing", "an empty map", "no CBOR", "too large"],
)
def test_runtime_data_that_are_none(runner, stocked, runtime_data, code):
    refused(stocked, code, sent(runner, runner.asked(), runtime_data=runtime_data), check="runtime-data")


@pytest.mark.parametrize("owner", [f"0x{ALICE.upper()}", ALICE], ids=["upper case", "no 0x"])
def test_an_owner_has_one_spelling(runner, stocked, owner):
    challenged = runner.challenge()
    runner.of = owner
    refused(
        stocked,
        "SR-ATTEST-001",
        lambda: runner.answer(runner.asked(challenged=challenged)),
        check="runtime-data execution",
    )


def test_possession_must_be_proved_by_the_key_in_the_runtime_data(runner, stocked):
    asked = runner.asked()
    forged = prove_possession(asked.data.encode(), SigningKey.generate())
    for signature in (forged, b"", asked.pop_sig[:-1]):
        refused(stocked, "SR-ATTEST-033", sent(runner, asked, pop_sig=signature), check="proof of possession")
    assert runner.answer(asked)


def test_a_challenge_that_nobody_gave_out(runner, stocked):
    challenge, attempt = runner.challenge()
    asked = runner.asked(challenged=(replace(challenge, nonce=b"n" * 32), attempt))
    refused(stocked, "SR-ATTEST-012", lambda: runner.answer(asked), check="challenge nonce")


def test_a_challenge_is_used_up_by_a_refusal_too(runner, stocked):
    challenged = runner.challenge()
    runner.measurement = b"m" * 32
    refused(stocked, "SR-ATTEST-021", lambda: runner.answer(runner.asked(challenged=challenged)))
    runner.measurement = None
    asked = runner.asked(challenged=challenged)
    refused(stocked, "SR-ATTEST-013", lambda: runner.answer(asked), check="challenge nonce")


def test_a_challenge_of_another_execution_is_of_no_use(runner, stocked):
    relayed = Runner(stocked, execution_id="e2" * 32).challenge()
    refused(
        stocked,
        "SR-ATTEST-015",
        lambda: runner.answer(runner.asked(challenged=relayed)),
        check="challenge execution_id",
    )


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"workflow_id": "b2" * 32}, "challenge workflow_id"),
        ({"of": f"0x{BOB}"}, "challenge owner"),
    ],
    ids=["workflow", "owner"],
)
def test_a_challenge_is_for_one_workflow_of_one_owner(stocked, fields, check):
    relayed = Runner(stocked).challenge()
    runner = Runner(stocked, **fields)
    refused(stocked, "SR-ATTEST-015", lambda: runner.answer(runner.asked(challenged=relayed)), check=check)


@pytest.mark.parametrize("field", ["exp_s", "vault_key_id", "attempt"])
def test_a_challenge_is_answered_as_it_was_given(runner, stocked, field):
    challenge, attempt = runner.challenge()
    if field == "attempt":
        asked = runner.asked(challenged=(challenge, attempt + 1))
    else:
        changed = {"exp_s": challenge.exp_s + 1, "vault_key_id": b"v" * 32}[field]
        asked = runner.asked(challenged=(replace(challenge, **{field: changed}), attempt))
    check = f"challenge {field.removesuffix('_s')}"
    refused(stocked, "SR-ATTEST-015", lambda: runner.answer(asked), check=check)


@pytest.mark.parametrize(
    ("stamped", "check"),
    [
        ({"workflow_id": "b2" * 32}, "call workflow_id"),
        ({"workflow_id": ""}, "call workflow_id"),
        ({"execution_id": "e9" * 32}, "call execution_id"),
        ({"caller": f"0x{BOB}"}, "call owner"),
    ],
    ids=["another workflow", "no workflow", "another execution", "another owner"],
)
def test_the_host_says_who_calls(runner, stocked, stamped, check):
    asked = runner.asked()
    refused(stocked, "SR-ATTEST-015", lambda: runner.answer(asked, **stamped), check=check)
    with pytest.raises(CapabilityError, match=f"SR-ATTEST-015: evidence refused at {check}"):
        runner.challenge(**stamped)
    assert runner.answer(asked, execution_id="", caller="")


def test_evidence_of_another_execution(runner, stocked):
    other = Runner(stocked, execution_id="e2" * 32).asked()
    asked = runner.asked()
    borrowed = Asked(asked.data, other.evidence, asked.pop_sig)
    refused(stocked, "SR-ATTEST-015", lambda: runner.answer(borrowed), check="insecure-software/binding")


def test_evidence_of_another_kind_than_the_runtime_data_say(runner, stocked):
    asked = runner.asked()
    asked.evidence.kind = "nitro"
    refused(stocked, "SR-ATTEST-015", lambda: runner.answer(asked), check="evidence kind")


def test_a_kind_that_the_policy_does_not_speak_of(runner, stocked):
    data = runner.data(*runner.challenge(), kind="nitro")
    evidence = strongroom_vault_pb2.Evidence(kind="nitro", body=b"x")
    asked = Asked(data, evidence, prove_possession(data.encode(), runner.key))
    refused(stocked, "SR-ATTEST-003", lambda: runner.answer(asked), check="policy section")


def test_evidence_with_another_signature(runner, stocked):
    asked = runner.asked()
    asked.evidence.body = asked.evidence.body[:-1] + bytes([asked.evidence.body[-1] ^ 1])
    refused(stocked, "SR-ATTEST-006", lambda: runner.answer(asked), check="insecure-software/signature")


def test_evidence_by_another_authority(runner, stocked):
    runner.authority = DevelopmentAuthority.generate(now=datetime.now(UTC))
    refused(stocked, "SR-ATTEST-008", lambda: runner.answer(runner.asked()), check="insecure-software/anchor")


@pytest.mark.parametrize(("days", "code"), [(-3, "SR-ATTEST-009"), (3, "SR-ATTEST-010")], ids=["expired", "not yet"])
def test_evidence_by_a_certificate_of_another_time(runner, stocked, days, code):
    made = (datetime.now(UTC) + timedelta(days=days)).timestamp()
    asked = runner.asked(now_s=made)
    refused(stocked, code, lambda: runner.answer(asked), check="insecure-software/validity")


def test_another_program_than_the_installed_one(runner, stocked):
    runner.measurement = b"m" * 32
    text = refused(stocked, "SR-ATTEST-021", lambda: runner.answer(runner.asked()))
    assert "vault-policy.toml:accept.insecure-software.development.measurement" in text
    assert stocked.audit()[-1]["ear"], "what was appraised is kept with the refusal"


def test_another_configuration_of_the_runner(runner, stocked):
    asked = runner.asked(enclave_config_sha256=hashlib.sha256(b"forged").digest())
    refused(stocked, "SR-ATTEST-022", lambda: runner.answer(asked), check="enclave configuration")


def test_a_verifier_that_breaks(tmp_path, monkeypatch):
    def breaks(*_arguments, **_more):
        raise RuntimeError("a bug")

    monkeypatch.setattr(verifiers, "verify_insecure_software", breaks)
    vault = Owner(tmp_path / "vault.key", accepts_simulated=True)
    runner = Runner(vault)
    refused(vault, "SR-ATTEST-034", lambda: runner.answer(runner.asked()), check="insecure-software verifier")
    vault.close()


@pytest.mark.parametrize(
    ("change", "code", "check"),
    [
        (replaced("strongroom 0.1.0 sha256:", "strongroom 0.1.9 sha256:"), "SR-ATTEST-003", "verifier"),
        (replaced("min_runner_svn = 0", "min_runner_svn = 5"), "SR-ATTEST-029", "runner svn"),
        (replaced('min_assurance = "none"', 'min_assurance = "hardware"'), "SR-ATTEST-031", "release min_assurance"),
        (replaced('allow_kinds = ["insecure-software"]', "allow_kinds = []"), "SR-ATTEST-026", "kind"),
    ],
    ids=["verifier", "runner", "class", "simulation"],
)
def test_what_the_policy_does_not_allow(tmp_path, change, code, check):
    key_file = test_home(tmp_path)
    rewrite_policy(key_file, raised(change))
    vault = Owner(key_file, accepts_simulated=True)
    runner = Runner(vault)
    refused(vault, code, lambda: runner.answer(runner.asked()), check=check)
    vault.close()


def test_a_simulation_without_the_flag_of_the_process(tmp_path):
    vault = Owner(tmp_path / "vault.key")
    runner = Runner(vault)
    text = refused(vault, "SR-ATTEST-026", lambda: runner.answer(runner.asked()), check="release insecure kind")
    assert "--insecure-accept-simulated-tee" in text
    vault.close()


def test_nothing_granted(stocked):
    runner = Runner(stocked, secrets=(API_KEY,))
    refused(stocked, "SR-ATTEST-030", lambda: runner.answer(runner.asked()), check="manifest")


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"binary": b"other wasm"}, "manifest grant"),
        ({"config": b"other config"}, "manifest grant"),
        ({"secrets": (API_KEY, ("main", "OTHER"))}, "manifest secret"),
        ({"secrets": (("main", "ABSENT"),)}, "manifest secret"),
    ],
    ids=["another binary", "another config", "one more secret", "a secret that is not there"],
)
def test_what_the_owner_did_not_grant(stocked, fields, check):
    stocked.create("OTHER", stocked.entry("OTHER", b"o"))
    stocked.put_manifest(Runner(stocked).grant(API_KEY, ("main", "ABSENT")))
    runner = Runner(stocked, **{"secrets": (API_KEY,), **fields})
    refused(stocked, "SR-ATTEST-030", lambda: runner.answer(runner.asked()), check=check)
    assert stocked.vault.insecure_releases == 0


def test_a_secret_that_asks_for_more(vault):
    vault.create("API_KEY", vault.entry("API_KEY", b"s", min_assurance="vtpm"))
    runner = Runner(vault, secrets=(API_KEY,))
    vault.put_manifest(runner.grant(API_KEY))
    refused(vault, "SR-ATTEST-031", lambda: runner.answer(runner.asked()), check="secret main/API_KEY")


def test_a_manifest_that_asks_for_more(stocked):
    runner = Runner(stocked, secrets=(API_KEY,))
    stocked.put_manifest(runner.grant(API_KEY, min_assurance="hardware"))
    refused(stocked, "SR-ATTEST-031", lambda: runner.answer(runner.asked()), check="secret main/API_KEY")


def test_a_second_release_of_an_attempt(runner, stocked):
    asked = runner.asked()
    runner.answer(asked)
    data = replace(asked.data, kem_pub=Runner(stocked).kem.public)
    second = Asked(data, runner.evidence(data), prove_possession(data.encode(), runner.key))
    refused(stocked, "SR-ATTEST-032", lambda: runner.answer(second), check="attempt")


def test_a_key_under_which_anybody_could_open(runner, stocked):
    asked = runner.asked(kem_pub=bytes(32))
    refused(stocked, "SR-ATTEST-005", lambda: runner.answer(asked), check="runtime-data kem pub")
