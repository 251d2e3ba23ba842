"""What status says of a backend whose runners do not start, and of a vault that cannot be reached."""

import time

import pytest
from google.protobuf import any_pb2

from strongroom.app.reach import FRESH_S, PROBLEM_CHARACTERS_MAX, VAULT_TIMEOUT_S, Reach, Reached
from strongroom.errors import CapabilityError
from strongroom.modules.tees import QUESTION_TIMEOUT_S
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.strongroom.plugin.v1 import backend_pb2
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Offer
from tests.fakes.capabilities import ScriptedCapability, packed

BACKEND, VAULT = "confidential-workflows@1.0.0-alpha", "vault@1.0.0"
NITRO = capabilities_pb2.CapabilityResponse(payload=packed(backend_pb2.BackendReport(label="nitro")))
NO_DEVICE = CapabilityError("Public", "System", "Unavailable", "SR-ENCL-010 no enclave runner:\n no /dev/nsm")
VAULT_AWAY = CapabilityError("Public", "System", "Unavailable", "SR-VAULT-047: the vault at v:8443: refused")


def reached(*, backend=NITRO, vault=None, clock=time.monotonic):
    registry = Registry()
    answers = {"Backend": backend, "vault.identity.get": vault or capabilities_pb2.CapabilityResponse()}
    asked = {BACKEND: ScriptedCapability(answers), VAULT: ScriptedCapability(answers)}
    for capability_id, capability in asked.items():
        plugin = capability_id.partition("@")[0]
        registry.add(Offer(id=capability_id, kind="action", description="", plugin=plugin, executable=capability))
    return Reach(registry, clock), registry, asked


def test_a_backend_and_a_vault_that_answer_are_no_problem_and_are_asked_for_a_bounded_time():
    reach, _, asked = reached()
    found = reach.now()
    assert (found.backend.label, found.problems) == ("nitro", ())
    assert [timeout_s for _, timeout_s in asked[BACKEND].calls] == [QUESTION_TIMEOUT_S]
    assert [timeout_s for _, timeout_s in asked[VAULT].calls] == [VAULT_TIMEOUT_S]


def test_runners_that_do_not_start_and_a_vault_that_is_away_are_a_line_each_with_the_reason():
    reach, _, _ = reached(backend=NO_DEVICE, vault=VAULT_AWAY)
    found = reach.now()
    assert found.backend is None
    assert found.problems == (
        "confidential-workflows cannot execute confidential workflows: SR-ENCL-010 no enclave runner: no /dev/nsm",
        "vault cannot be reached: SR-VAULT-047: the vault at v:8443: refused",
    )


@pytest.mark.parametrize("name", ["Unimplemented", "PermissionDenied", "Internal"])
def test_a_vault_that_answers_anything_is_there(name):
    reach, _, _ = reached(vault=CapabilityError("Public", "System", name, "no"))
    assert reach.now().problems == ()


def test_a_text_without_end_is_cut():
    reach, _, _ = reached(backend=CapabilityError("Public", "System", "Unavailable", "x" * 100_000))
    assert len(reach.now().problems[0]) == PROBLEM_CHARACTERS_MAX


def test_a_backend_that_answers_with_garbage_earns_no_trust():
    garbage = capabilities_pb2.CapabilityResponse(payload=any_pb2.Any(type_url="x/y", value=b"\xff"))
    assert reached(backend=garbage)[0].now().backend.insecure


def test_an_answer_is_used_for_seconds_and_then_asked_for_again():
    times = [0.0]
    reach, _, asked = reached(backend=NO_DEVICE, clock=lambda: times[0])
    first = reach.now()
    times[0] = FRESH_S - 0.1
    assert reach.now() is first
    asked[BACKEND].answers["Backend"] = NITRO
    times[0] = FRESH_S
    assert reach.now().problems == ()
    assert len(asked[BACKEND].calls) == len(asked[VAULT].calls) == 2


def test_a_plugin_that_is_away_is_not_asked_since_its_state_says_so():
    reach, registry, asked = reached(backend=NO_DEVICE)
    registry.suspend(BACKEND)
    registry.remove(VAULT)
    assert (reach.now().backend, reach.now().problems) == (None, ())
    assert not asked[BACKEND].calls
    assert not asked[VAULT].calls


def test_to_look_at_what_was_found_last_asks_nobody_and_says_which_of_both_is_away():
    reach, _, asked = reached(backend=NO_DEVICE)
    assert (reach.last, asked[BACKEND].calls, asked[VAULT].calls) == (Reached(), [], [])
    reach.refresh()
    found = reach.last
    assert "SR-ENCL-010" in found.backend_problem
    assert found.vault_problem == "", "it is there and answers"
    assert len(asked[BACKEND].calls) == len(asked[VAULT].calls) == 1


def test_a_host_without_either_has_no_problem():
    assert Reach(Registry()).now().problems == ()
