"""Requirements and restrictions go to the enclave with the request, and to none that would not see them."""

import pytest

from strongroom.errors import CapabilityError, PluginFault, Refused, Unavailable
from strongroom.modules.attributes import SecretName
from strongroom.modules.confidential import CAPABILITY_ID, ConfidentialModule
from strongroom.modules.module import Terms
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import ScriptedCapabilities, ScriptedCapability, confidential_answer, packed
from tests.modules.test_confidential import REQUEST, RESULT, WORKFLOW, Helper

REQUIREMENTS = sdk_pb2.Requirements(tee=sdk_pb2.Tee(any_regions=sdk_pb2.Regions(regions=["us-west-2"])))
RESTRICTIONS = sdk_pb2.Restrictions(capabilities=sdk_pb2.CapabilityRestrictions(max_total_calls=3))
KNOWS_TEES = capabilities_pb2.CapabilityResponse(payload=packed(messages.ProvidedTeesResponse()))
TERMS = [Terms(REQUIREMENTS), Terms(None, RESTRICTIONS), Terms(REQUIREMENTS, RESTRICTIONS)]


def execute(dialect, terms, *, secrets=(), tees=None):
    capability = ScriptedCapability({"Execute": confidential_answer(RESULT)} | ({"ProvidedTees": tees} if tees else {}))
    capabilities = ScriptedCapabilities({CAPABILITY_ID: capability}, {CAPABILITY_ID: dialect})
    module = ConfidentialModule(WORKFLOW, tuple(secrets), capabilities)
    try:
        module.execute(REQUEST, Helper(), terms)
    finally:
        capability.sent = [_inner(call) for call in capability.called("Execute")]
    return capability.sent[0]


def _inner(call):
    inner = messages.ConfidentialWorkflowRequest()
    assert call.payload.Unpack(inner)
    return inner


@pytest.mark.parametrize("dialect", ["both", "later"])
@pytest.mark.parametrize("terms", TERMS, ids=["requirements", "restrictions", "together"])
def test_terms_are_forwarded(dialect, terms):
    sent = execute(dialect, terms).execution
    assert sent.requirements == (terms.requirements or sdk_pb2.Requirements())
    assert sent.restrictions == (terms.restrictions or sdk_pb2.Restrictions())
    assert sent.HasField("requirements") is (terms.requirements is not None)
    assert sent.HasField("restrictions") is (terms.restrictions is not None)


def test_without_terms_neither_field_is_there():
    sent = execute("both", Terms()).execution
    assert not sent.HasField("requirements")
    assert not sent.HasField("restrictions")


def test_terms_of_one_execution_are_not_those_of_the_next():
    capability = ScriptedCapability({"Execute": confidential_answer(RESULT)})
    capabilities = ScriptedCapabilities({CAPABILITY_ID: capability}, {CAPABILITY_ID: "both"})
    module = ConfidentialModule(WORKFLOW, (), capabilities)
    module.execute(REQUEST, Helper(), Terms(REQUIREMENTS, RESTRICTIONS))
    module.execute(REQUEST, Helper())
    first, second = (_inner(call).execution for call in capability.called("Execute"))
    assert first.HasField("restrictions")
    assert not second.HasField("restrictions")
    assert not second.HasField("requirements")


@pytest.mark.parametrize("terms", TERMS, ids=["requirements", "restrictions", "together"])
@pytest.mark.parametrize("dialect", ["seed", None], ids=["said to be seed", "found to be seed"])
def test_a_seed_enclave_would_not_see_them_and_is_not_called(dialect, terms):
    with pytest.raises(Refused, match="knows neither requirements nor restrictions"):
        execute(dialect, terms)


def test_a_far_side_that_answers_provided_tees_is_later_and_gets_no_list_of_secrets():
    sent = execute(None, Terms(None, RESTRICTIONS), secrets=[SecretName("A")], tees=KNOWS_TEES)
    assert sent.execution.restrictions == RESTRICTIONS
    assert list(sent.vault_don_secrets) == []


def test_ours_gets_both():
    sent = execute("both", Terms(None, RESTRICTIONS), secrets=[SecretName("A")])
    assert sent.execution.HasField("restrictions")
    assert [secret.key for secret in sent.vault_don_secrets] == ["A"]


@pytest.mark.parametrize(("name", "kind"), [("Unavailable", Unavailable), ("Internal", PluginFault)])
def test_a_far_side_that_cannot_be_asked_is_not_called(name, kind):
    with pytest.raises(kind, match="ProvidedTees failed"):
        execute(None, TERMS[0], tees=CapabilityError("Public", "System", name, "it restarts"))
