"""What an enclave provides is asked when it is needed, and no failure is kept for longer than seconds."""

import threading

import pytest
from google.protobuf import any_pb2, empty_pb2

from strongroom.errors import CapabilityError, Unavailable
from strongroom.modules.tees import CAPABILITY_ID, FAILED_S, FRESH_S, TEES_MAX, ProvidedTees
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import ScriptedCapabilities, ScriptedCapability, packed

NITRO = sdk_pb2.TeeTypeAndRegions(type=sdk_pb2.TEE_TYPE_AWS_NITRO, regions=["us-west-2"])


def provides(*tees):
    return capabilities_pb2.CapabilityResponse(payload=packed(messages.ProvidedTeesResponse(tee=tees)))


class Asked:
    """A question with a clock that only the test moves."""

    def __init__(self, answer=None, *, dialect=None):
        self.capability = ScriptedCapability({"ProvidedTees": answer} if answer else {})
        self.capabilities = ScriptedCapabilities({CAPABILITY_ID: self.capability}, {CAPABILITY_ID: dialect})
        self.now_s = 100.0
        self.tees = ProvidedTees(self.capabilities, clock=lambda: self.now_s)

    @property
    def questions(self):
        return len(self.capability.called("ProvidedTees"))


def test_an_answer_is_used_for_a_while_and_then_asked_for_again():
    asked = Asked(provides(NITRO))
    assert asked.tees.now() == asked.tees.now() == (NITRO,)
    assert asked.questions == 1
    asked.capability.answers["ProvidedTees"] = provides()
    asked.now_s += FRESH_S
    assert asked.tees.now() == ()
    assert asked.questions == 2


def test_the_question_carries_nothing_of_a_run():
    asked = Asked(provides())
    asked.tees.now()
    (question,) = asked.capability.called("ProvidedTees")
    assert question.payload.Is(empty_pb2.Empty.DESCRIPTOR)
    assert question.metadata == capabilities_pb2.RequestMetadata()


def test_a_failure_is_not_nothing_and_is_forgotten_after_seconds():
    asked = Asked(CapabilityError("Public", "System", "Unavailable", "it restarts"))
    for _ in range(2):
        with pytest.raises(Unavailable, match="could not be asked which TEEs it provides: it restarts"):
            asked.tees.now()
    assert asked.questions == 1
    asked.capability.answers["ProvidedTees"] = provides(NITRO)
    asked.now_s += FAILED_S
    assert asked.tees.now() == (NITRO,)
    assert 0 < FAILED_S <= 10, "a failure is forgotten within seconds"
    assert FAILED_S < FRESH_S <= 60, "and what an enclave provides is asked for again within a minute"


def test_an_old_answer_is_not_used_in_place_of_one_that_cannot_be_had():
    asked = Asked(provides(NITRO))
    asked.tees.now()
    asked.capability.answers["ProvidedTees"] = CapabilityError("Public", "System", "Unavailable", "gone")
    asked.now_s += FRESH_S
    with pytest.raises(Unavailable):
        asked.tees.now()


def test_without_a_plugin_and_from_one_that_does_not_know_the_question_nothing_is_provided():
    assert ProvidedTees(ScriptedCapabilities()).now() == ()
    assert Asked().tees.now() == ()


def test_a_plugin_that_is_named_and_has_not_started_is_not_one_that_provides_nothing():
    with pytest.raises(Unavailable, match="has not started"):
        ProvidedTees(ScriptedCapabilities(dialects={CAPABILITY_ID: "both"})).now()


def test_a_plugin_of_the_seed_dialect_is_not_asked():
    asked = Asked(provides(NITRO), dialect="seed")
    assert asked.tees.now() == ()
    assert asked.questions == 0


@pytest.mark.parametrize(
    "answer",
    [
        capabilities_pb2.CapabilityResponse(),
        capabilities_pb2.CapabilityResponse(payload=packed(empty_pb2.Empty())),
        capabilities_pb2.CapabilityResponse(
            payload=any_pb2.Any(type_url=packed(messages.ProvidedTeesResponse()).type_url, value=b"\x0a\xff")
        ),
        provides(*[NITRO] * (TEES_MAX + 1)),
    ],
    ids=["nothing", "another message", "damaged", "too long"],
)
def test_a_wrong_answer_is_a_failure(answer):
    with pytest.raises(Unavailable):
        Asked(answer).tees.now()


def test_many_who_ask_at_once_wait_for_one_question():
    asked = Asked(provides(NITRO))
    together = threading.Barrier(8)
    answers = []

    def ask():
        together.wait(10)
        answers.append(asked.tees.now())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == [(NITRO,)] * 8
    assert asked.questions == 1
