"""What a host between a runner and its vault can do: nothing but refuse service. And what the vault itself refuses."""

from dataclasses import replace

import pytest

from strongroom.attest.ear import check_ear, make_ear
from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.crypto.signing import SigningKey
from strongroom_confidential_workflows.messages import ReleaseAnswer
from tests.fakes.attested_runner import BINARY, DIGEST, Between, executed, refusal, setup_of
from tests.fakes.enclave_host import WORKFLOW, request_for, triggered
from tests.fakes.releasing_vault import ReleasingVault


@pytest.fixture
def vault(tmp_path):
    made = ReleasingVault(tmp_path / "vault")
    made.create("A", b"s3cret")
    return made


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


@pytest.mark.parametrize("name", ["nonce", "report_data"])
def test_an_attestation_result_about_another_execution_is_not_taken(vault, name):
    sound = vault.envelope_response

    def with_another_ear(data, values, ear):
        found = check_ear(ear, vault_public=vault.key.public)
        return sound(data, values, make_ear(replace(found, **{name: bytes(32)}), vault.key))

    vault.envelope_response = with_another_ear
    assert f"evidence refused at ear {name}" in refusal(vault)[1]


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
    assert text.startswith("SR-ATTEST-026: evidence refused at release insecure kind")
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
