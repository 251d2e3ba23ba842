"""A step is journalled before the guest sees its answer, and is never sent twice once it has one."""

import json

import pytest

from strongroom.crypto.box import seal_to
from strongroom.engine.admission import Start
from strongroom.engine.policy import refuse_system_only
from strongroom.engine.recorded import RecordedStep
from strongroom.errors import CapabilityError, Forbidden
from strongroom.guest.ids import name_hash
from strongroom.modules.vault_reads import not_listed
from strongroom.pb.capabilities.internal.basicaction.v1 import basic_action_pb2
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.vault import vault_pb2
from tests.fakes.capabilities import ScriptedCapability, packed
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

WAIT_S = 60
ACTION = "basic-test-action@1.0.0"
ANSWER = capabilities_pb2.CapabilityResponse(payload=packed(basic_action_pb2.Outputs(adapted_thing="adapted")))
CALL = sdk_pb2.CapabilityRequest(
    id=ACTION, method="PerformAction", callback_id=7, payload=packed(basic_action_pb2.Inputs(input_thing=True))
)


def run(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return host.engine.wait(header.run_id, WAIT_S)


def test_a_call_reaches_the_capability_with_full_metadata(host):
    capability = ScriptedCapability({"PerformAction": ANSWER})
    host.capabilities.found[ACTION] = capability
    answers = []
    header, _ = run(host, lambda request, helper: answers.append(helper.call_capability(CALL)) or value("ok"))
    (request,) = capability.called("PerformAction")
    metadata = request.metadata
    assert metadata.workflow_id == header.workflow_id
    assert metadata.workflow_execution_id == header.execution_id
    assert metadata.workflow_owner == OWNER
    assert metadata.workflow_name == name_hash("wf")
    assert (metadata.decoded_workflow_name, metadata.reference_id, metadata.engine_version) == ("wf", "7", "v2")
    created = journal_pb2.RunCreated.FromString(host.host.journals.read(header)[0].content)
    assert metadata.execution_timestamp.ToNanoseconds() == created.accepted_unix_ns > 0
    assert request.payload == CALL.payload
    assert answers[0].payload == ANSWER.payload


def test_a_step_is_in_the_journal_with_request_and_answer(host):
    host.capabilities.found[ACTION] = ScriptedCapability({"PerformAction": ANSWER})
    header, _ = run(host, lambda request, helper: helper.call_capability(CALL) and value("ok"))
    events = host.host.journals.read(host.engine.get(header.run_id))
    assert [(e.row.event_type, e.row.correlation_id) for e in events] == [
        ("run_created", ""),
        ("run_started", ""),
        ("step_created", "7"),
        ("step_completed", "7"),
        ("run_completed", ""),
    ]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (CapabilityError("Public", "User", "InvalidArgument", "bad: url"), "Public:User:InvalidArgument:bad: url"),
        (CapabilityError("Private", "System", "Internal", "boom"), "Private:System:Internal:boom"),
    ],
)
def test_a_failed_call_is_an_answer_with_its_error(host, answer, text):
    host.capabilities.found[ACTION] = ScriptedCapability({"PerformAction": answer})
    answers = []
    header, _ = run(host, lambda request, helper: answers.append(helper.call_capability(CALL)) or value("ok"))
    assert answers[0].error == text
    assert header.status == "completed"


def test_a_capability_that_is_not_there_is_an_answer_too(host):
    answers = []
    run(host, lambda request, helper: answers.append(helper.call_capability(CALL)) or value("ok"))
    assert "NotFound:action capability not found: " in answers[0].error


@pytest.mark.parametrize(
    ("capability", "method"),
    [
        ("confidential-workflows@1.0.0-alpha", "Execute"),
        ("confidential-workflows:label@1.0.0", "ProvidedTees"),
    ],
)
def test_a_guest_cannot_call_what_is_the_hosts_alone(host, capability, method):
    scripted = ScriptedCapability()
    host.capabilities.found[capability] = scripted
    answers = []
    request = sdk_pb2.CapabilityRequest(id=capability, method=method, callback_id=1)
    run(host, lambda _, helper: answers.append(helper.call_capability(request)) or value("ok"))
    assert "may be called by the host only" in answers[0].error
    assert scripted.calls == []


def test_a_client_may_manage_secrets_but_not_read_them():
    refuse_system_only("vault@1.0.0", "vault.secrets.list")
    with pytest.raises(Forbidden, match="may be called by the host only"):
        refuse_system_only("vault@1.0.0", "vault.secrets.get")
    with pytest.raises(Forbidden):
        refuse_system_only("confidential-workflows:label@1.2.3", "Anything")


def test_after_a_restart_an_answered_step_is_not_sent_again(host):
    capability = ScriptedCapability({"PerformAction": ANSWER})
    host.capabilities.found[ACTION] = capability

    def cut_off(request, helper):
        helper.call_capability(CALL)
        helper.inner.steps.journal.note("step_created", "9", b"")
        host.engine.dispatcher.close()
        raise SystemExit

    host.module.on_trigger = cut_off
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    host.engine.dispatcher._workers["local"].shutdown(wait=True)
    host.cut_off()

    after = WorkflowHost(host.database)
    after.capabilities.found[ACTION] = capability
    answers = []
    after.module.on_trigger = lambda request, helper: answers.append(helper.call_capability(CALL)) or value("ok")
    after.engine.resume()
    finished, _ = after.engine.wait(header.run_id, WAIT_S)
    assert finished.status == "completed"
    assert answers[0].payload == ANSWER.payload
    assert len(capability.called("PerformAction")) == 1
    after.close()


@pytest.mark.parametrize("once", [True, False], ids=["at most once", "at least once"])
def test_a_step_that_was_sent_and_not_answered_is_sent_again_unless_it_may_be_sent_once_only(host, once):
    capability = ScriptedCapability({"PerformAction": ANSWER})
    host.capabilities.found[ACTION] = capability
    if once:
        host.capabilities.once.add(ACTION)
    answers = []

    def was_cut_off(request, helper):
        helper.inner.steps.recorded.steps["7"] = RecordedStep(CALL.SerializeToString(deterministic=True))
        answers.append(helper.call_capability(CALL))
        return value("ok")

    header, _ = run(host, was_cut_off)
    assert header.status == "completed"
    assert len(capability.called("PerformAction")) == (0 if once else 1)
    assert answers[0].error.startswith("Public:System:Aborted:OUTCOME_UNKNOWN") is once


def test_a_guest_that_asks_differently_than_before_is_stopped(host):
    host.capabilities.found[ACTION] = ScriptedCapability({"PerformAction": ANSWER})
    stopped = []

    def ask_twice(request, helper):
        helper.on_cancel(lambda reason, grace_ms=-1: stopped.append((reason, grace_ms)))
        helper.inner.steps.recorded.steps["7"] = RecordedStep(b"something else")
        answer = helper.call_capability(CALL)
        return sdk_pb2.ExecutionResult(error=answer.error)

    header, outcome = run(host, ask_twice)
    assert (header.status, header.error_code) == ("failed", "SR-GUEST-030")
    assert "not deterministic" in outcome.failure.error
    assert stopped == [("the run cannot go on", 0)]


def vault(secrets):
    """A vault that holds ``secrets`` and seals to whatever key is asked for."""

    def get(request):
        asked = vault_pb2.GetSecretsRequest()
        request.payload.Unpack(asked)
        answer = vault_pb2.GetSecretsResponse()
        for each in asked.requests:
            response = answer.responses.add(id=each.id)
            found = secrets.get((each.id.namespace, each.id.key))
            if found is None:
                response.error = "could not find secret"
                continue
            key = each.encryption_keys[0]
            share = response.data.encrypted_decryption_key_shares.add(encryption_key=key)
            share.shares.append(seal_to(key, found).hex())
        return capabilities_pb2.CapabilityResponse(payload=packed(answer))

    def listed(request):
        asked = vault_pb2.ListSecretIdentifiersRequest()
        request.payload.Unpack(asked)
        identifiers = [vault_pb2.SecretIdentifier(key=k, namespace=n) for n, k in secrets if n == asked.namespace]
        return capabilities_pb2.CapabilityResponse(
            payload=packed(vault_pb2.ListSecretIdentifiersResponse(identifiers=identifiers, success=True))
        )

    return ScriptedCapability({"vault.secrets.get": get, "vault.secrets.list": listed})


def listing(*names):
    entries = [{"key": name.split("/")[-1], "namespace": ["main", *name.split("/")][-2]} for name in names]
    return json.dumps({"vault_don_secrets": entries}).encode()


def fetch(host, *requests, attributes=b""):
    got = []

    def on_trigger(_, helper):
        asked = [sdk_pb2.SecretRequest(id=key, namespace=namespace) for key, namespace in requests]
        got.append(helper.get_secrets(sdk_pb2.GetSecretsRequest(requests=asked, callback_id=1)))
        return value("ok")

    host.module.on_trigger = on_trigger
    host.register(attributes=attributes)
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    header, outcome = host.engine.wait(header.run_id, WAIT_S)
    return got, header, outcome


def test_secrets_come_in_request_order_with_checksummed_owner_and_default_namespace(host):
    host.capabilities.found["vault@1.0.0"] = vault({("main", "A"): b"aaa", ("other", "B"): b"bbb"})
    got, header, _ = fetch(host, ("B", "other"), ("A", ""), ("C", "other"), attributes=listing("other/B", "A"))
    one, two, three = got[0].responses
    assert (one.secret.id, one.secret.namespace, one.secret.value) == ("B", "other", "bbb")
    assert (two.secret.id, two.secret.namespace, two.secret.value) == ("A", "main", "aaa")
    assert (three.error.id, three.error.error) == ("C", not_listed("other", "C"))
    assert one.secret.owner == "0x" + OWNER
    assert header.status == "completed"


def test_more_secrets_than_one_vault_call_takes_are_asked_for_in_several(host):
    scripted = vault({("main", f"K{n}"): b"v%d" % n for n in range(25)})
    host.capabilities.found["vault@1.0.0"] = scripted
    names = [f"K{n}" for n in range(25)]
    got, _, _ = fetch(host, *[(name, "main") for name in names], attributes=listing(*names))
    assert [r.secret.value for r in got[0].responses] == [f"v{n}" for n in range(25)]
    assert len(scripted.called("vault.secrets.get")) == 3


def test_a_secret_that_the_attributes_name_and_nobody_set_fails_the_run_by_its_name(host):
    host.capabilities.found["vault@1.0.0"] = vault({})
    _, header, outcome = fetch(host, ("API_KEY", ""), attributes=b'{"vault_don_secrets": [{"key": "API_KEY"}]}')
    assert (header.status, header.error_code) == ("failed", "SR-SECRET-004")
    assert outcome.failure.error == "secret main/API_KEY is not set: the workflow's attributes name it"
    assert outcome.failure.help == "strongroom secret set API_KEY"


def test_a_named_secret_that_is_missing_at_registration_is_a_warning(host):
    host.capabilities.found["vault@1.0.0"] = vault({})
    done = host.register(attributes=b'{"vault_don_secrets": [{"key": "API_KEY", "namespace": "x"}]}')
    assert done.created
    assert done.warnings == [
        "secret x/API_KEY is not set; runs that need it will fail: strongroom secret set API_KEY --namespace x"
    ]


def test_a_vault_that_seals_to_another_key_gives_nothing(host):
    from strongroom.crypto.box import BoxKey

    def get(request):
        key = BoxKey.generate().public_hex
        answer = vault_pb2.GetSecretsResponse()
        response = answer.responses.add(id=vault_pb2.SecretIdentifier(key="A", namespace="main"))
        share = response.data.encrypted_decryption_key_shares.add(encryption_key=key)
        share.shares.append(seal_to(key, b"value").hex())
        return capabilities_pb2.CapabilityResponse(payload=packed(answer))

    scripted = host.capabilities.found["vault@1.0.0"] = vault({("main", "A"): b"value"})
    scripted.answers["vault.secrets.get"] = get
    got, _, _ = fetch(host, ("A", ""), attributes=listing("A"))
    assert got[0].responses[0].error.error == "the vault's answer is not sealed to this host"
