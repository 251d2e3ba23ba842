"""A nonce is good once and for its time, whatever anybody does to the clocks, the host or the process."""

import pytest

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import strongroom_vault_pb2
from strongroom_vault import challenges
from strongroom_vault.limits import CHALLENGES_KEPT_S
from tests.fakes.vault_home import raised, replaced, rewrite_policy, test_home
from tests.fakes.vault_owner import ALICE, Owner
from tests.fakes.vault_runner import EXECUTION, WORKFLOW, Runner


@pytest.fixture
def vault(tmp_path, turned):
    owner = Owner(tmp_path / "vault.key", accepts_simulated=True, clock=turned.clock())
    yield owner
    owner.close()


def answered(runner, challenged, turned):
    """Empty for a release, else the code of the refusal. The evidence is always fresh."""
    asked = runner.asked(challenged=challenged, now_s=turned.wall_s)
    try:
        runner.answer(asked)
    except CapabilityError as error:
        return error.message[:13]
    return ""


def test_a_challenge_lives_for_as_long_as_the_policy_says(tmp_path, turned):
    key_file = test_home(tmp_path)
    rewrite_policy(key_file, raised(replaced("nonce_ttl_s = 60", "nonce_ttl_s = 7")))
    vault = Owner(key_file, accepts_simulated=True, clock=turned.clock())
    runner = Runner(vault)
    challenged = runner.challenge()
    assert challenged[0].exp_s == int(turned.wall_s) + 7
    turned.pass_s(8)
    assert answered(runner, challenged, turned) == "SR-ATTEST-014"
    vault.close()


def test_a_challenge_is_good_until_its_last_second(vault, turned):
    runner = Runner(vault)
    challenged = runner.challenge()
    turned.pass_s(60)
    assert answered(runner, challenged, turned) == ""


@pytest.mark.parametrize(
    ("wall_s", "boot_s"),
    [(61, 61), (0, 61), (-3_600, 61), (61, 0), (86_400, 1)],
    ids=["time goes by", "the wall clock stands", "the wall clock goes back", "it goes on by itself", "it jumps a day"],
)
def test_a_challenge_is_over_when_either_clock_says_so(vault, turned, wall_s, boot_s):
    runner = Runner(vault)
    challenged = runner.challenge()
    turned.wall_s += wall_s
    turned.boot_s += boot_s
    assert answered(runner, challenged, turned) == "SR-ATTEST-014"


def test_a_challenge_that_was_over_once_is_over(vault, turned):
    runner = Runner(vault)
    challenged = runner.challenge()
    turned.wall_s += 3_600
    assert answered(runner, challenged, turned) == "SR-ATTEST-014"
    turned.wall_s -= 3_600
    assert answered(runner, challenged, turned) == "SR-ATTEST-014"


def test_a_challenge_that_went_by_while_nobody_asked_stays_over(vault, turned):
    runner = Runner(vault)
    challenged = runner.challenge()
    turned.wall_s += 3_600
    Runner(vault, execution_id="e2" * 32).challenge()
    turned.wall_s -= 3_600
    assert answered(runner, challenged, turned) == "SR-ATTEST-014"


def test_no_clock_makes_a_used_challenge_usable(vault, turned):
    runner = Runner(vault)
    challenged = runner.challenge()
    assert answered(runner, challenged, turned) == ""
    for seconds in (-3_600, 7_200, -3_600):
        turned.wall_s += seconds
        other = Runner(vault)
        assert answered(other, challenged, turned) == "SR-ATTEST-032", "the attempt is over before the nonce counts"
    challenge, _ = challenged
    assert answered(Runner(vault), (challenge, 2), turned) == "SR-ATTEST-013"


def test_a_challenge_dies_with_the_process_that_gave_it_out(vault, turned, tmp_path):
    challenged = Runner(vault).challenge()
    vault.close()
    again = Owner(tmp_path / "vault.key", accepts_simulated=True, clock=turned.clock())
    runner = Runner(again)
    assert answered(runner, challenged, turned) == "SR-ATTEST-014"
    assert answered(runner, runner.challenge(), turned) == ""
    again.close()


def test_challenges_are_forgotten_after_a_day(vault, turned):
    for _ in range(3):
        challenged = Runner(vault).challenge()
    turned.pass_s(CHALLENGES_KEPT_S + 1)
    runner = Runner(vault)
    assert runner.challenge()[1] == 1
    assert answered(runner, challenged, turned) == "SR-ATTEST-012"


def test_so_many_challenges_wait_and_no_more(vault, turned, monkeypatch):
    monkeypatch.setattr(challenges, "CHALLENGES_OPEN_MAX", 2)
    runners = [Runner(vault, execution_id=f"{number:064x}") for number in range(3)]
    challenged = [runner.challenge() for runner in runners[:2]]
    with pytest.raises(
        CapabilityError, match="SR-VAULT-008: 2 challenges wait for an answer: 2 is the limit"
    ) as caught:
        runners[2].challenge()
    assert caught.value.name == "LimitExceeded"
    assert answered(runners[0], challenged[0], turned) == ""
    assert runners[2].challenge()


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"execution_id": ""}, "challenge execution_id"),
        ({"execution_id": "e" * 129}, "challenge execution_id"),
        ({"workflow_id": "w" * 129}, "challenge workflow_id"),
        ({"owner": ALICE}, "challenge owner"),
        ({"owner": ""}, "challenge owner"),
    ],
    ids=["no execution", "a long execution", "a long workflow", "an owner without 0x", "no owner"],
)
def test_who_asks_says_for_whom(vault, fields, check):
    asked = {"execution_id": EXECUTION, "workflow_id": WORKFLOW, "owner": f"0x{ALICE}"} | fields
    request = strongroom_vault_pb2.ChallengeRequest(**asked)
    with pytest.raises(CapabilityError, match=f"SR-ATTEST-001: evidence refused at {check}"):
        vault.call("vault.release.challenge", request, workflow_id=asked["workflow_id"])


def test_challenges_that_were_lost_with_a_host_do_not_use_an_attempt_up(vault, turned):
    runner = Runner(vault)
    for _ in range(3):
        runner.challenge()
    with pytest.raises(CapabilityError, match="SR-VAULT-007"):
        runner.challenge()
    turned.pass_s(61)
    assert answered(runner, runner.challenge(), turned) == ""


def test_challenges_that_were_lost_with_the_vault_do_not_use_an_attempt_up(tmp_path):
    for _ in range(4):
        vault = Owner(tmp_path / "vault.key", accepts_simulated=True)
        Runner(vault).challenge()
        vault.close()
    vault = Owner(tmp_path / "vault.key", accepts_simulated=True)
    assert Runner(vault).release() == {}
    vault.close()
