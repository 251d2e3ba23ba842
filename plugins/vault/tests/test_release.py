"""A runner that proves itself gets what its owner granted it, once for each attempt, and the vault remembers it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from strongroom.attest.ear import check_ear
from strongroom.plugin import CapabilityError
from strongroom_vault.limits import ENVELOPES_KEPT_S
from tests.fakes.vault_owner import ALICE, Owner
from tests.fakes.vault_runner import Runner

API_KEY = ("main", "API_KEY")
OTHER = ("team", "OTHER")


def granted(vault, *names, **fields):
    """A runner whose owner granted it ``names``."""
    runner = Runner(vault, secrets=names, **fields)
    vault.put_manifest(runner.grant(*names))
    return runner


def code_of(runner, asked):
    """Empty for a release, else the code of the refusal."""
    try:
        runner.answer(asked)
    except CapabilityError as error:
        return error.message[:13]
    return ""


def test_a_secret_comes_to_the_execution_that_its_owner_granted_it(stocked):
    runner = granted(stocked, API_KEY)
    asked = runner.asked()
    answer = runner.answer(asked)
    opened = runner.opened(asked, answer)
    assert [(each.namespace, each.key, each.version, each.value) for each in opened.secrets] == [
        ("main", "API_KEY", 1, b"s3cret")
    ]
    assert answer.vault == "co-located"
    ear = check_ear(opened.envelope.ear, vault_public=stocked.vault.public_key)
    assert (ear.status, ear.assurance, ear.nonce) == ("contraindicated", "none", asked.data.challenge.nonce)
    assert opened.envelope.policy_epoch == stocked.vault.policy.epoch


def test_several_secrets_come_in_the_order_of_the_runtime_data_with_their_versions(stocked):
    stocked.update("API_KEY", stocked.entry("API_KEY", b"newer"))
    stocked.create("OTHER", stocked.entry("OTHER", b"o", namespace="team"), namespace="team")
    runner = granted(stocked, API_KEY, OTHER)
    asked = runner.asked()
    opened = runner.opened(asked, runner.answer(asked))
    assert opened.envelope.secrets == ((*API_KEY, 2), (*OTHER, 1))


def test_an_execution_without_secrets_needs_no_manifest(vault):
    assert Runner(vault).release() == {}


def test_a_plain_value_of_a_test_store_is_for_runs_with_and_without_evidence(vault):
    vault.create("API_KEY", b"plain")
    assert granted(vault, API_KEY).release() == {API_KEY: b"plain"}
    assert vault.get("API_KEY", to=[vault.public_key])[0].error == ""


def test_a_repeat_gets_the_same_envelope_also_after_a_restart(stocked):
    runner = granted(stocked, API_KEY)
    asked = runner.asked()
    first = runner.answer(asked)
    assert runner.answer(asked) == first
    stocked.close()
    runner.owner = again = Owner(stocked.key_file, accepts_simulated=True)
    assert runner.answer(asked) == first
    assert [each["event"] for each in again.audit()] == ["manifest", "released", "repeated", "repeated"]
    assert {each["release_id"] for each in again.audit()[1:]} == {runner.opened(asked, first).envelope.release_id}
    again.close()


def test_a_repeat_that_comes_too_late_is_refused_and_releases_nothing_again(tmp_path, turned):
    vault = Owner(tmp_path / "vault.key", accepts_simulated=True, clock=turned.clock())
    runner = Runner(vault)
    challenge, attempt = runner.challenge()
    asked = runner.asked(challenged=(challenge, attempt), now_s=turned.wall_s)
    runner.answer(asked)
    turned.pass_s(ENVELOPES_KEPT_S + 1)
    other = Runner(vault, execution_id="e2" * 32)
    other.answer(other.asked(now_s=turned.wall_s))
    assert code_of(runner, asked) == "SR-ATTEST-032"
    vault.close()


def test_attempts_are_counted_by_releases_and_end(stocked):
    runner = granted(stocked, API_KEY)
    for attempt in (1, 2, 3):
        assert runner.challenge()[1] == attempt
        assert runner.challenge()[1] == attempt
        assert runner.release() == {API_KEY: b"s3cret"}
    with pytest.raises(CapabilityError, match="SR-ATTEST-032.*attempts_max, which is 3") as caught:
        runner.challenge()
    assert (caught.value.origin, caught.value.name) == ("User", "PermissionDenied")


def test_the_number_of_attempts_is_a_setting(tmp_path):
    vault = Owner(tmp_path / "vault.key", accepts_simulated=True, attempts_max=1)
    runner = Runner(vault)
    runner.release()
    with pytest.raises(CapabilityError, match="attempts_max, which is 1"):
        runner.challenge()
    vault.close()


def test_an_attempt_has_three_challenges_and_no_more(vault, caplog):
    runner = Runner(vault)
    challenged = [runner.challenge() for _ in range(3)]
    with pytest.raises(CapabilityError, match="SR-VAULT-007.*had 3 challenges") as caught:
        runner.challenge()
    assert caught.value.name == "LimitExceeded"
    assert "refused a challenge: SR-VAULT-007" in caplog.text
    assert Runner(vault, execution_id="e2" * 32).challenge()[1] == 1
    runner.answer(runner.asked(challenged=challenged[0]))
    assert runner.challenge()[1] == 2


def test_of_many_that_answer_one_challenge_at_once_exactly_one_wins(stocked):
    granted(stocked, API_KEY)
    challenged = Runner(stocked).challenge()
    runners = [Runner(stocked, secrets=(API_KEY,)) for _ in range(6)]
    asked = [runner.asked(challenged=challenged) for runner in runners]
    with ThreadPoolExecutor(6) as pool:
        codes = sorted(pool.map(code_of, runners, asked))
    assert codes.count("") == 1
    # Who comes while the first is at it finds the nonce used; who comes later finds the attempt over.
    assert set(codes[1:]) <= {"SR-ATTEST-013", "SR-ATTEST-032"}
    assert [each["event"] for each in stocked.audit()].count("released") == 1


def test_of_many_challenges_of_one_attempt_answered_at_once_exactly_one_wins(stocked):
    granted(stocked, API_KEY)
    runners = [Runner(stocked, secrets=(API_KEY,)) for _ in range(3)]
    asked = [runner.asked() for runner in runners]
    with ThreadPoolExecutor(3) as pool:
        codes = sorted(pool.map(code_of, runners, asked))
    assert codes == ["", "SR-ATTEST-032", "SR-ATTEST-032"]


def test_one_request_sent_twice_at_once_is_released_once(stocked):
    runner = granted(stocked, API_KEY)
    asked = runner.asked()
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: code_of(runner, asked), range(4)))
    assert "" in codes
    assert set(codes) <= {"", "SR-ATTEST-013"}
    assert [each["event"] for each in stocked.audit()].count("released") == 1


def test_an_insecure_release_is_logged_and_counted_without_a_value(stocked, caplog):
    granted(stocked, API_KEY).release()
    assert stocked.vault.insecure_releases == 1
    (record,) = [each for each in caplog.records if hasattr(each, "strongroom_insecure_release_total")]
    assert (record.levelname, record.strongroom_insecure_release_total) == ("WARNING", 1)
    assert "INSECURE SIMULATION" in record.message
    assert "s3cret" not in caplog.text + repr(record.__dict__)


def test_the_audit_record_of_a_release_says_all_but_the_value(stocked):
    runner = granted(stocked, API_KEY)
    asked = runner.asked()
    opened = runner.opened(asked, runner.answer(asked))
    record = stocked.audit()[-1]
    assert (record["event"], record["owner"], record["attempt"]) == ("released", f"0x{ALICE}", 1)
    assert record["secrets"] == [["main", "API_KEY", 1]]
    assert record["release_id"] == opened.envelope.release_id
    assert record["policy_refs"] == ["vault-policy.toml:insecure.allow_kinds"]
    assert check_ear(record["ear"], vault_public=stocked.vault.public_key).checks
    assert b"s3cret" not in repr(record).encode()
