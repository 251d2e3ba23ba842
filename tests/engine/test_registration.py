"""Registration checks everything before it stores anything."""

import pytest

from strongroom.engine.limits import EngineLimits
from strongroom.engine.registration import Owners
from strongroom.errors import Conflict, Forbidden, GuestFault, InvalidInput, LimitExceeded, Unavailable
from strongroom.modules.route import module_name
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.workflow_host import OWNER, WASM, WorkflowHost, subscriptions

CONFIDENTIAL = b'{"confidential": true}'


def test_a_workflow_is_stored_with_everything_that_decides_how_it_runs(host):
    done = host.register(name="hello", attributes=CONFIDENTIAL, config=b"c", tag="v1")
    assert done.created
    stored = host.host.specs.get(done.spec.workflow_id)
    assert stored == done.spec
    assert module_name(stored.attributes) == "confidential"
    assert (stored.config, stored.row.workflow_tag, stored.row.encoding) == (b"c", "v1", "raw")
    assert [s.id for s in stored.subscriptions] == ["http-trigger@1.0.0-alpha"]
    assert host.host.artifact(stored.row.binary_sha256) == WASM


def test_the_same_registration_again_finds_the_record(host):
    first = host.register(attributes=CONFIDENTIAL)
    second = host.register(attributes=b'{ "confidential" : true }')
    assert (first.created, second.created) == (True, False)
    assert first.spec.workflow_id == second.spec.workflow_id
    assert len(host.compiler.compiled) == 1


def test_the_same_workflow_with_other_attributes_is_refused_and_the_difference_shown(host):
    host.register(attributes=CONFIDENTIAL)
    with pytest.raises(Conflict, match="attributes.confidential: true -> absent") as caught:
        host.register(attributes=b"")
    assert "workflow delete" in caught.value.fix


@pytest.mark.parametrize("document", [b'{"confidential": tru', b'{"Confidential": true}', b"null"])
def test_attributes_that_are_not_understood_register_nothing(host, document):
    with pytest.raises(InvalidInput, match="failed to parse workflow attributes"):
        host.register(attributes=document)
    assert host.host.specs.count() == 0
    assert host.compiler.compiled == []


def test_an_empty_and_a_missing_document_are_the_same(host):
    assert host.register(attributes=b"").created
    assert not host.register(attributes=b"{}").created


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (sdk_pb2.ExecutionResult(error="no config"), "no config"),
        (sdk_pb2.ExecutionResult(), "an empty result"),
        (sdk_pb2.ExecutionResult(restrictions=sdk_pb2.Restrictions()), "answered subscribe with restrictions"),
    ],
    ids=["an error", "nothing", "another result"],
)
def test_a_guest_that_names_no_triggers_is_refused(host, answer, why):
    host.module.on_subscribe = lambda request, helper: answer
    with pytest.raises(GuestFault, match=why):
        host.register()
    assert host.host.specs.count() == 0


def test_too_many_triggers_are_refused_with_the_limit(host):
    host.module.on_subscribe = lambda request, helper: subscriptions(*["a@1.0.0"] * 11)
    with pytest.raises(LimitExceeded, match="subscribes to 11 triggers, more than 10"):
        host.register()


def test_capability_calls_fail_during_subscribe(host):
    answers = []

    def subscribe(request, helper):
        assert helper.execution_id == ""
        assert request.config == b"c"
        answers.append(helper.call_capability(sdk_pb2.CapabilityRequest(id="basic-test-action@1.0.0")))
        return subscriptions("a@1.0.0")

    host.module.on_subscribe = subscribe
    host.register(config=b"c")
    assert answers[0].error == "capability calls cannot be made during this execution"


def test_a_trigger_that_this_host_lacks_is_unavailable_and_not_an_error(host):
    done = host.register()
    reason = host.registration.unavailable(done.spec.subscriptions[0])
    assert "no plugin of this host offers http-trigger@1.0.0-alpha" in reason


def test_named_secrets_need_a_vault_that_answers(host):
    with pytest.raises(Unavailable, match="the vault is not available"):
        host.register(attributes=b'{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}]}')
    assert host.host.specs.count() == 0


def test_validation_alone_stores_nothing(host):
    done = host.register(validate_only=True)
    assert not done.created
    assert host.host.specs.count() == 0


# Of every category that shows nothing or changes how the rest is shown; a surrogate cannot even be sent.
HIDDEN = "\x00\x7f\x85\u00ad\u200b\u202e\u2028\u2029\ue000\U000e0041"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, InvalidInput),
        ({"name": "x" * 65}, InvalidInput),
        ({"name": "a\nb"}, InvalidInput),
        ({"name": "ab" * 32}, InvalidInput),
        *(({"name": f"a{character}b"}, InvalidInput) for character in HIDDEN),
        *(({"tag": f"v{character}1"}, InvalidInput) for character in HIDDEN),
        ({"tag": "t" * 33}, InvalidInput),
        ({"config": b"c" * 50_001}, LimitExceeded),
        ({"owner": "12"}, InvalidInput),
        ({"owner": "22" * 20}, Forbidden),
        ({"binary": b"not a module"}, InvalidInput),
        ({"binary": b""}, InvalidInput),
    ],
    ids=[
        "no name",
        "long name",
        "control character",
        "looks like an id",
        *(f"name with U+{ord(character):04X}" for character in HIDDEN),
        *(f"tag with U+{ord(character):04X}" for character in HIDDEN),
        "long tag",
        "large config",
        "short owner",
        "foreign owner",
        "not wasm",
        "empty binary",
    ],
)
def test_bad_fields_are_refused_and_nothing_is_stored(host, fields, error):
    with pytest.raises(error) as caught:
        host.register(**fields)
    assert caught.value.fix
    assert host.host.specs.count() == 0


@pytest.mark.parametrize("name", ["a b", "größe", "仕事", "🦀", "a\u00a0b"], ids=ascii)
def test_a_name_may_be_in_any_language(host, name):
    assert host.register(name=name, tag=name).spec.row.workflow_name == name


def test_a_host_takes_no_more_workflows_than_its_limit(database):
    host = WorkflowHost(database, limits=EngineLimits(workflows_max=1))
    host.register(name="one")
    with pytest.raises(LimitExceeded, match="1 workflows are registered"):
        host.register(name="two")
    assert not host.register(name="one").created, "what is registered stays reachable"


def test_an_owner_takes_no_more_workflows_than_its_limit(database):
    host = WorkflowHost(database, limits=EngineLimits(workflows_per_owner_max=1))
    host.registration._owners = Owners(OWNER, frozenset({"22" * 20}))
    host.register(name="one")
    with pytest.raises(LimitExceeded, match=f"1 workflows of owner {OWNER} are registered") as caught:
        host.register(name="two")
    assert caught.value.details["setting"] == "limits.workflows_per_owner_max"
    assert host.register(name="two", owner="22" * 20).created, "another owner has its own room"
    assert not host.register(name="one").created, "what is registered stays reachable"


def test_the_limit_of_an_owner_holds_when_two_register_at_once(database):
    host = WorkflowHost(database, limits=EngineLimits(workflows_per_owner_max=1))
    subscribe = host.module.on_subscribe

    def meanwhile(request, helper):
        host.module.on_subscribe = subscribe
        host.register(name="other")
        return subscribe(request, helper)

    host.module.on_subscribe = meanwhile
    with pytest.raises(LimitExceeded, match="1 workflows of owner"):
        host.register(name="one")
    assert host.host.specs.count() == 1


@pytest.mark.parametrize(
    ("identifier", "method"),
    [("a secret value", "M"), ("x" * 129, "M"), ("a@1.0.0", "x" * 129), ("a@1.0.0", "a\nline"), ("", "M")],
)
def test_an_id_or_method_that_cannot_be_one_is_refused_and_not_quoted(host, identifier, method):
    answer = subscriptions("a@1.0.0")
    answer.trigger_subscriptions.subscriptions[0].id = identifier
    answer.trigger_subscriptions.subscriptions[0].method = method
    host.module.on_subscribe = lambda request, helper: answer
    with pytest.raises(GuestFault) as caught:
        host.register()
    assert caught.value.code == "SR-WF-015"
    assert "a secret value" not in str(caught.value)
    assert "xxx" not in str(caught.value)
    assert host.host.specs.count() == 0


def test_what_a_confidential_guest_says_instead_of_its_triggers_stays_in_its_enclave(host):
    host.module.on_subscribe = lambda request, helper: sdk_pb2.ExecutionResult(error="a secret value")
    with pytest.raises(GuestFault, match="stay in the enclave") as caught:
        host.register(attributes=b'{"confidential": true}')
    assert "a secret value" not in str(caught.value)


def test_owners_are_the_own_one_and_those_allowed():
    owners = Owners(OWNER, frozenset({"22" * 20}))
    assert owners.checked("") == OWNER
    assert owners.checked("0x" + "22" * 20) == "22" * 20
    with pytest.raises(Forbidden, match="may not use this host") as caught:
        owners.checked("33" * 20)
    assert "owners_allowed" in caught.value.fix
