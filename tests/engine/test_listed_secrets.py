"""A workflow gets the secrets that its attributes list or that the vault's configuration opens to it, and no others."""

import json

import pytest

from strongroom.attest.secret_entry import SecretEntry
from strongroom.engine.admission import Start
from strongroom.errors import GuestSuspended, Unavailable
from strongroom.modules.vault_reads import GET_SECRETS, READABLE, not_listed
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Offer
from strongroom.registry.states import Lifecycle, PluginState
from strongroom_vault.limits import VALUE_BYTES_MAX
from tests.engine.test_gate import VAULT, WAIT_S, RealVault, fetch, run
from tests.fakes.capabilities import ScriptedCapability, packed
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

STRANGER = "1" * 40
OPENED = [{"workflow": "wf", "owner": OWNER, "secrets": ["B", "GONE"]}]


def listing(*entries):
    return json.dumps({"vault_don_secrets": list(entries)}).encode()


def asked(*names):
    """A fetch of (namespace, key) pairs."""
    requests = [sdk_pb2.SecretRequest(namespace=namespace, id=key) for namespace, key in names]
    return sdk_pb2.GetSecretsRequest(callback_id=1, requests=requests)


def seen(answers):
    """What a guest makes of them: value or error, in order."""
    return [answer.secret.value or answer.error.error for answer in answers.responses]


@pytest.mark.parametrize(
    "attributes", [b"", b"{}", listing(), b'{"retry": {"attempts_max": 1}}'], ids=["none", "empty", "no name", "others"]
)
def test_a_workflow_that_lists_nothing_gets_nothing_and_is_told_how_to_list_it(host, tmp_path, attributes):
    vault = host.capabilities.found[VAULT] = RealVault(tmp_path, A="aaa")
    answers, header = run(host, lambda helper: helper.get_secrets(fetch(1, "A", "NONE")), attributes)
    assert seen(answers) == [not_listed("main", "A"), not_listed("main", "NONE")]
    assert 'register it with {"key": "A"} in the attribute vault_don_secrets' in answers.responses[0].error.error
    assert answers.responses[0].error.owner == "0x" + OWNER
    assert vault.asked == [READABLE], "no value left the vault, and nobody learns which names it knows"
    assert header.status == "completed"


@pytest.mark.parametrize(
    "name",
    [
        ("", "a"),
        ("", "A "),
        ("", " A"),
        ("", "A\0"),
        ("", "Ａ"),
        ("", "main/A"),
        ("", "../main/A"),
        ("", "*"),
        ("", ""),
        ("Main", "A"),
        ("main ", "A"),
        ("other", "A"),
        ("main::main", "A"),
        ("", "A" * 100_000),
    ],
)
def test_a_name_that_only_looks_like_a_listed_one_is_not_listed(host, tmp_path, name):
    vault = host.capabilities.found[VAULT] = RealVault(tmp_path, A="aaa", a="small")
    answers, _ = run(host, lambda helper: helper.get_secrets(asked(name, ("", "A"))), listing({"key": "A"}))
    assert seen(answers)[1] == "aaa"
    assert seen(answers)[0] == not_listed(name[0] or "main", name[1])
    assert vault.asked.count(GET_SECRETS) == 1


def test_a_listed_name_is_of_one_namespace_and_asked_for_twice_it_is_fetched_once(host, tmp_path):
    vault = host.capabilities.found[VAULT] = RealVault(tmp_path, A="aaa")
    assert vault.owner.create("A", b"of the team", owner=OWNER, namespace="team") == ""
    entry = {"key": "A", "namespace": "team"}
    names = [("team", "A"), ("main", "A"), ("team", "A"), ("", "A")]
    answers, _ = run(host, lambda helper: helper.get_secrets(asked(*names)), listing(entry, entry))
    refused = not_listed("main", "A")
    assert seen(answers) == ["of the team", refused, "of the team", refused]


def test_a_list_reaches_no_secret_of_another_owner(host, tmp_path):
    vault = host.capabilities.found[VAULT] = RealVault(tmp_path)
    assert vault.owner.create("A", b"not yours", owner=STRANGER) == ""
    answers, header = run(host, lambda helper: helper.get_secrets(fetch(1, "A")), listing({"key": "A"}))
    assert seen(answers) == ["could not find secret"]
    assert header.error_code == "SR-SECRET-004"


CLASSES = [
    ("none", "main/A asks for assurance none, so only a confidential run"),
    ("hardware", "main/A asks for assurance hardware, so only a confidential run"),
]


@pytest.mark.parametrize(("min_assurance", "text"), CLASSES, ids=["none", "hardware"])
def test_a_listed_secret_that_no_local_run_may_have_warns_and_fails_the_run(host, tmp_path, min_assurance, text):
    vault = host.capabilities.found[VAULT] = RealVault(tmp_path, B="bbb")
    entry = SecretEntry(
        owner=OWNER, namespace="main", key="A", value=b"aaa", min_assurance=min_assurance, is_test_only=True
    )
    assert vault.owner.create("A", entry.encode(bytes_max=VALUE_BYTES_MAX), owner=OWNER) == ""
    attributes = listing({"key": "A"}, {"key": "B"})
    answers, header = run(host, lambda helper: helper.get_secrets(fetch(1, "A", "B")), attributes)
    assert seen(answers)[1] == "bbb"
    assert seen(answers)[0].startswith(text)
    assert (header.status, header.error_code) == ("failed", "SR-SECRET-006")
    _, outcome = host.engine.wait(header.run_id, WAIT_S)
    assert outcome.failure.error.startswith(f"secret main/A was not given: {text}")
    (warning,) = host.register(name="again", attributes=attributes).warnings
    assert warning.startswith(f"secret main/A asks for assurance {min_assurance}, so a local run does not get it")


def test_where_the_vault_is_down_registration_and_run_name_the_plugin(host):
    registry = Registry()
    state = PluginState(name="vault", kind="process", state=Lifecycle.FAILED, last_error="keys/vault.key")
    registry.ask_states_of({"vault": state}.get, lambda _capability_id: None)
    offer = Offer(id=VAULT, kind="action", description="", plugin="vault", executable=ScriptedCapability())
    registry.add(offer)
    host.capabilities.found[VAULT] = registry.get_executable(VAULT)
    registry.remove(VAULT)
    attributes = b'{"retry": {"attempts_max": 1}}'
    text, _ = run(host, lambda helper: helper.get_secrets(fetch(1, "A")), attributes)
    assert text.startswith("the vault is not available: capability unavailable: plugin vault is failed; `strongroom")
    with pytest.raises(Unavailable, match="plugin vault is failed") as caught:
        host.register(name="lists", attributes=listing({"key": "A"}))
    assert (caught.value.code, "keys/" in text) == ("SR-SECRET-002", False)


def test_what_the_vaults_configuration_opens_counts_as_listed(host, tmp_path):
    host.capabilities.found[VAULT] = RealVault(tmp_path, reads=OPENED, A="aaa", B="bbb", C="ccc")
    answers, header = run(
        host, lambda helper: helper.get_secrets(fetch(1, "B", "A", "C", "GONE")), listing({"key": "A"})
    )
    assert seen(answers) == ["bbb", "aaa", not_listed("main", "C"), "could not find secret"]
    assert header.status == "completed", "only what the attributes name must be there"


@pytest.mark.parametrize(
    "entry", [{"workflow": "other"}, {"workflow": "WF"}, {"owner": STRANGER}], ids=["another", "case", "another owner"]
)
def test_what_it_opens_to_another_workflow_stays_closed_to_this_one(host, tmp_path, entry):
    vault = host.capabilities.found[VAULT] = RealVault(tmp_path, reads=[OPENED[0] | entry], B="bbb")
    answers, _ = run(host, lambda helper: helper.get_secrets(fetch(1, "B")))
    assert seen(answers) == [not_listed("main", "B")]
    assert GET_SECRETS not in vault.asked


@pytest.mark.parametrize(
    "answers",
    [{}, {READABLE: capabilities_pb2.CapabilityResponse(payload=packed(sdk_pb2.Trigger()))}],
    ids=["a foreign vault", "another message"],
)
def test_a_vault_that_does_not_understand_the_question_opens_nothing(host, answers):
    host.capabilities.found[VAULT] = ScriptedCapability(answers)
    got, _ = run(host, lambda helper: helper.get_secrets(fetch(1, "A")))
    assert seen(got) == [not_listed("main", "A")]


def test_where_no_vault_can_say_what_it_opens_the_fetch_fails_as_a_whole(host):
    text, _ = run(host, lambda helper: helper.get_secrets(fetch(1, "A")), b'{"retry": {"attempts_max": 1}}')
    assert "the vault is not available" in text


def test_a_run_that_goes_on_sees_what_it_was_given_although_nobody_lists_it_any_more(database, tmp_path):
    first = WorkflowHost(database)
    entry = {"workflow": "wf", "owner": OWNER, "secrets": ["A"]}
    first.capabilities.found[VAULT] = RealVault(tmp_path, reads=[entry], A="aaa")
    got = []

    def on_trigger(request, helper):
        got.append(seen(helper.get_secrets(fetch(1, "A"))))
        if len(got) == 1:
            first.cut_off()
            raise GuestSuspended(sleep_until_unix_ns=1, sleeps_done=0)
        got.append(seen(helper.get_secrets(fetch(2, "A"))))
        return value("ok")

    first.module.on_trigger = on_trigger
    first.register()
    header, _ = first.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    first.engine.dispatcher.drain(WAIT_S)
    after = WorkflowHost(database)
    after.capabilities.found[VAULT] = RealVault(tmp_path, A="bbb")
    after.module.on_trigger = on_trigger
    after.engine.resume()
    assert after.engine.wait(header.run_id, WAIT_S)[0].status == "completed"
    assert got == [["aaa"], ["aaa"], [not_listed("main", "A")]]
    after.close()
