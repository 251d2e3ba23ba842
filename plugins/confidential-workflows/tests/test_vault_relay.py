"""What a runner asks of the vault by way of the plugin: held against its execution, and passed on unopened."""

import pytest

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import strongroom_vault_pb2
from strongroom_confidential_workflows.messages import (
    ChallengeAnswer,
    ReleaseAnswer,
    ReleaseCall,
)
from tests.fakes.enclave_host import RecordingRegistry
from tests.fakes.scripted_runner import (
    BROKEN,
    ScriptedRunner,
    answered,
    attesting,
    challenge,
    refusal,
    release,
)
from tests.fakes.vault_owner import ALICE


@pytest.fixture
def scripted():
    runner = ScriptedRunner()
    yield runner
    runner.frames.close()
    runner.enclave.close()


@pytest.mark.parametrize(
    "changes",
    [{"execution_id": "00" * 32}, {"workflow_id": "00" * 32}, {"owner": ALICE}],
    ids=lambda value: next(iter(value)),
)
def test_a_runner_that_attests_another_execution_is_refused(scripted, changes):
    scripted.say(challenge(**changes))
    assert refusal(scripted)[1] == f"{BROKEN}it attests another execution"


def test_a_runner_has_three_challenges(scripted):
    for _ in range(4):
        scripted.say(challenge())
    assert refusal(scripted)[1] == f"{BROKEN}it asked for more than 3 challenges"


def test_a_runner_has_two_releases(scripted):
    for _ in range(3):
        scripted.say(release(attesting()))
    assert refusal(scripted)[1] == f"{BROKEN}it asked for more than 2 releases"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (attesting(execution_id="00" * 32), "it attests another execution"),
        (attesting(binary_sha256=bytes(32)), "it attests another binary"),
        (attesting(secrets=(("main", "B"),)), "it asks for a secret that is not this execution's to have"),
    ],
    ids=["execution", "binary", "secret"],
)
def test_runtime_data_of_something_else_go_to_no_vault(scripted, data, why):
    scripted.say(release(data))
    assert refusal(scripted)[1] == BROKEN + why


def test_runtime_data_that_are_none_go_to_no_vault(scripted):
    scripted.say(ReleaseCall(runtime_data=b"\xff", evidence_kind="k", media_type="m", evidence=b"", pop_sig=b""))
    assert refusal(scripted)[1].startswith(f"{BROKEN}its runtime data are none: ")


def vault(answer):
    registry = RecordingRegistry()
    registry.add("vault@1.0.0", answer)
    return registry


def fails(name, text):
    def call(_):
        raise CapabilityError("Public", "User", name, text)

    return call


def test_the_vaults_refusal_is_passed_on_as_it_is(scripted):
    registry = vault(fails("PermissionDenied", "SR-ATTEST-021: evidence refused at measurement"))
    answer = answered(scripted, challenge(), ChallengeAnswer, registry=registry)
    assert (answer.error_origin, answer.error_name) == ("User", "PermissionDenied")
    assert answer.error == "SR-ATTEST-021: evidence refused at measurement"


@pytest.mark.parametrize(
    "registry",
    [RecordingRegistry(), vault(fails("Unavailable", "restarting")), vault(fails("DeadlineExceeded", "slow"))],
    ids=["no vault", "away", "slow"],
)
def test_a_vault_that_is_away_is_said_to_be_away(scripted, registry):
    answer = answered(scripted, release(attesting()), ReleaseAnswer, registry=registry)
    assert (answer.error_origin, answer.error_name) == ("System", "Unavailable")
    assert answer.error.startswith("SR-ATTEST-035 the confidential backend is away (CONFIDENTIAL_BACKEND_UNAVAILABLE)")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (strongroom_vault_pb2.ChallengeResponse(body=bytes(2000)), "the vault's answer is none"),
        (strongroom_vault_pb2.ReleaseResponse(), "the vault answered vault.release.challenge with another message"),
    ],
    ids=["too large", "another message"],
)
def test_an_answer_that_is_none_is_an_error_and_no_broken_link(scripted, reply, why):
    answer = answered(scripted, challenge(), ChallengeAnswer, registry=vault(lambda call: reply))
    assert answer.error_name == "Internal"
    assert answer.error.startswith(why)
