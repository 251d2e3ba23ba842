"""Every call of a capability is counted once, under the capability that answered, whoever makes it."""

import pytest

from strongroom.errors import CapabilityError, PluginAway
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Offer
from strongroom.registry.watched import counting
from strongroom.telemetry.counts import OTHER, Counts


class Capability:
    def __init__(self, *answers):
        self.answers = list(answers)

    def execute(self, request, *, timeout_s):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def counts():
    return Counts()


def called(registry, asked="a@1.0.0"):
    return registry.get_executable(asked).execute(capabilities_pb2.CapabilityRequest(), timeout_s=1)


def numbers(counts):
    return {key: sum(spread.buckets) for key, spread in counts.calls.items()}


def test_answers_and_errors_count_by_their_word(counts):
    registry = Registry(watched=counting(counts))
    refused, odd = (CapabilityError("Public", "User", name, "") for name in ("NotFound", "Whatever the guest likes"))
    capability = Capability(capabilities_pb2.CapabilityResponse(), refused, odd, RuntimeError("a bug"))
    registry.add(Offer(id="a@1.2.0", kind="action", description="", plugin="a", executable=capability))
    called(registry)
    for error in (CapabilityError, CapabilityError, RuntimeError):
        with pytest.raises(error):
            called(registry)
    assert numbers(counts) == {("a@1.2.0", "ok"): 1, ("a@1.2.0", "NotFound"): 1, ("a@1.2.0", OTHER): 2}


def test_a_plugin_that_is_away_counts_as_unavailable(counts):
    registry = Registry(watched=counting(counts))
    registry.add(Offer(id="a@1.0.0", kind="action", description="", plugin="a", executable=Capability()))
    registry.suspend("a@1.0.0")
    with pytest.raises(PluginAway):
        called(registry)
    assert numbers(counts) == {("a@1.0.0", "Unavailable"): 1}
