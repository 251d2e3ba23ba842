"""What a run may ask for, in an engine: listed secrets, reads of the vault, quotas; and the same when it goes on."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.errors import StrongroomError
from strongroom.modules.vault_reads import not_listed
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.vault import vault_pb2
from tests.fakes.capabilities import ScriptedCapability, packed
from tests.fakes.vault_owner import Owner
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

WAIT_S = 60
VAULT = "vault@1.0.0"
HTTP = "http-actions@1.0.0-alpha"
LISTED = b'{"vault_don_secrets": [{"key": "A"}]}'
TOO_MANY = "calls of http-actions in one run: 2 is more than 1 (limits.http_action_calls_max)"


class RealVault:
    """The vault plugin as the registry would offer it, with the owner's secrets in it."""

    def __init__(self, directory, *, reads=(), **secrets):
        # Each has a file of its own, as if it were on another host.
        state_file = directory / f"vault-{len(list(directory.glob('vault-*.db')))}.db"
        self.owner = Owner(directory / "vault.key", state_file=str(state_file), workflow_reads=reads)
        for key, text in secrets.items():
            assert self.owner.create(key, text.encode(), owner=OWNER) == ""
        self.asked = []

    def execute(self, request, *, timeout_s):
        from strongroom.plugin import Call

        self.asked.append(request.method)
        call = Call(metadata=request.metadata, payload=request.payload, method=request.method, timeout_s=timeout_s)
        return capabilities_pb2.CapabilityResponse(payload=packed(self.owner.capability.methods[request.method](call)))


def fetch(callback_id, *keys):
    return sdk_pb2.GetSecretsRequest(callback_id=callback_id, requests=[sdk_pb2.SecretRequest(id=key) for key in keys])


def read(*keys, owner="", sealed_to=""):
    requests = [
        vault_pb2.SecretRequest(id=vault_pb2.SecretIdentifier(key=key, owner=owner), encryption_keys=[sealed_to])
        for key in keys
    ]
    payload = packed(vault_pb2.GetSecretsRequest(requests=requests))
    return sdk_pb2.CapabilityRequest(id=VAULT, method="vault.secrets.get", callback_id=7, payload=payload)


def call(callback_id):
    return sdk_pb2.CapabilityRequest(id=HTTP, method="SendRequest", callback_id=callback_id)


def run(host, ask, attributes=b""):
    """What ``ask(helper)`` returned, and how the run ended."""
    got = []

    def on_trigger(request, helper):
        try:
            got.append(ask(helper))
        except StrongroomError as error:
            got.append(str(error))
        return value("ok")

    host.module.on_trigger = on_trigger
    host.register(attributes=attributes)
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    header, _ = host.engine.wait(header.run_id, WAIT_S)
    return got[0], header


def test_a_workflow_that_lists_secrets_gets_those_and_the_vault_is_not_asked_for_others(host, tmp_path):
    host.capabilities.found[VAULT] = RealVault(tmp_path, A="aaa", B="bbb")
    answers, header = run(host, lambda helper: helper.get_secrets(fetch(1, "B", "A")), LISTED)
    assert [answer.WhichOneof("response") for answer in answers.responses] == ["error", "secret"]
    assert answers.responses[0].error.error == not_listed("main", "B")
    assert answers.responses[1].secret.value == "aaa"
    assert header.status == "completed"


def test_a_secret_that_is_not_listed_is_said_to_be_so_when_the_workflow_is_registered(host, tmp_path):
    host.capabilities.found[VAULT] = RealVault(tmp_path, A="aaa", B="bbb")
    subscribe = host.module.on_subscribe
    host.module.on_subscribe = lambda request, helper: helper.get_secrets(fetch(1, "B")) and subscribe(request, helper)
    (warning,) = host.register(attributes=LISTED).warnings
    assert warning.startswith("secret main/B is not listed in the workflow's attributes: register it with ")
    assert warning.endswith("; runs do not get it")


def test_subscribe_has_a_quota_too(database, tmp_path):
    host = WorkflowHost(database, limits=EngineLimits(secrets_fetches_max=1))
    host.capabilities.found[VAULT] = RealVault(tmp_path, A="aaa")
    subscribe, failures = host.module.on_subscribe, []

    def asks_twice(request, helper):
        assert helper.get_secrets(fetch(1, "A")).responses[0].secret.value == "aaa"
        with pytest.raises(StrongroomError) as refused:
            helper.get_secrets(fetch(2, "A"))
        failures.append(str(refused.value))
        return subscribe(request, helper)

    host.module.on_subscribe = asks_twice
    assert host.register(attributes=LISTED).created
    assert failures == ["fetches of secrets in one run: 2 is more than 1 (limits.secrets_fetches_max)"]
    host.close()


def test_a_workflow_reads_a_listed_secret_from_the_vault_sealed_to_its_own_key(host, tmp_path):
    from strongroom.crypto.box import BoxKey

    key = BoxKey.generate()
    host.capabilities.found[VAULT] = RealVault(tmp_path, A="aaa")
    answer, header = run(host, lambda helper: helper.call_capability(read("A", sealed_to=key.public_hex)), LISTED)
    released = vault_pb2.GetSecretsResponse()
    assert answer.payload.Unpack(released)
    (share,) = released.responses[0].data.encrypted_decryption_key_shares
    assert key.open(bytes.fromhex(share.shares[0])) == b"aaa"
    stored = host.host.journals.read(header)
    assert not any(share.shares[0].encode() in event.row.sealed for event in stored)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (read("B"), "Public:User:PermissionDenied:secret main/B is not listed in the workflow's attributes"),
        (read("A", owner="0x" + "22" * 20), "Public:User:PermissionDenied:a workflow reads secrets of its own owner"),
    ],
    ids=["not listed", "another owner"],
)
def test_it_reads_nothing_else(host, tmp_path, request_, text):
    host.capabilities.found[VAULT] = vault = RealVault(tmp_path, A="aaa", B="bbb")
    answer, _ = run(host, lambda helper: helper.call_capability(request_), LISTED)
    assert answer.error.startswith(text)
    assert "vault.secrets.get" not in vault.asked


def test_the_vaults_configuration_opens_a_secret_to_one_workflow(host, tmp_path):
    reads = [{"workflow": "wf", "owner": OWNER, "secrets": ["B"]}]
    host.capabilities.found[VAULT] = RealVault(tmp_path, reads=reads, A="aaa", B="bbb")
    key = Owner(tmp_path / "other.key").public_key
    answer, _ = run(host, lambda helper: helper.call_capability(read("B", sealed_to=key)))
    assert answer.error == ""


@pytest.mark.parametrize("method", ["vault.secrets.list", "vault.secrets.delete", "vault.publicKey.get"])
def test_no_other_method_of_the_vault_is_for_workflows(host, tmp_path, method):
    host.capabilities.found[VAULT] = vault = RealVault(tmp_path, A="aaa")
    request = sdk_pb2.CapabilityRequest(id=VAULT, method=method, callback_id=1)
    answer, _ = run(host, lambda helper: helper.call_capability(request))
    assert f"{method} of the vault cannot be called by a workflow" in answer.error
    assert method not in vault.asked


def test_secrets_of_a_run_have_a_limit_of_bytes_and_the_fetch_that_exceeds_it_fails_whole(database, tmp_path):
    host = WorkflowHost(database, limits=EngineLimits(secrets_bytes_max=5))
    host.capabilities.found[VAULT] = RealVault(tmp_path, A="aaa", B="bbb")

    def ask(helper):
        assert helper.get_secrets(fetch(1, "A")).responses[0].secret.value == "aaa"
        return helper.get_secrets(fetch(2, "B"))

    text, _ = run(host, ask, b'{"vault_don_secrets": [{"key": "A"}, {"key": "B"}]}')
    assert text == "secrets of one run: 6 bytes is more than 5 (limits.secrets_bytes_max)"
    host.close()


def test_a_refused_call_is_a_step_of_the_run(database):
    host = WorkflowHost(database, limits=EngineLimits(http_action_calls_max=0))
    answer, header = run(host, lambda helper: helper.call_capability(call(3)))
    assert "limits.http_action_calls_max" in answer.error
    steps = [(e.row.event_type, e.row.correlation_id) for e in host.host.journals.read(header) if e.row.correlation_id]
    assert steps == [("step_created", "3"), ("step_completed", "3")]
    host.close()


@pytest.mark.parametrize("then", [0, 9], ids=["lowered", "raised"])
def test_a_run_that_goes_on_sees_what_it_saw_although_its_limits_were_changed(database, then):
    first = WorkflowHost(database, limits=EngineLimits(http_action_calls_max=1))
    capability = ScriptedCapability({"SendRequest": capabilities_pb2.CapabilityResponse(payload=packed(fetch(1)))})
    first.capabilities.found[HTTP] = capability
    seen, entered, hold = [], threading.Event(), threading.Event()

    def on_trigger(request, helper):
        seen.append([helper.call_capability(call(number)) for number in (1, 2)])
        if not entered.is_set():
            entered.set()
            hold.wait(WAIT_S)
        return value("ok")

    first.module.on_trigger = on_trigger
    first.register()
    header, _ = first.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    assert entered.wait(WAIT_S)
    first.cut_off()
    after = WorkflowHost(database, limits=EngineLimits(http_action_calls_max=then))
    after.capabilities.found[HTTP] = capability
    after.module.on_trigger = on_trigger
    after.engine.resume()
    assert after.engine.wait(header.run_id, WAIT_S)[0].status == "completed"
    assert seen[0] == seen[1]
    assert [TOO_MANY in answer.error for answer in seen[1]] == [False, True]
    assert len(capability.calls) == 1
    hold.set()
    after.close()
