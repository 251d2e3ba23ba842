"""The gate before a guest's calls: decided in the guest's order, whatever the threads do afterwards."""

import threading

import pytest

from strongroom.errors import LimitExceeded
from strongroom.modules.decisions import Decisions
from strongroom.modules.quotas import QuotaLimits, Quotas
from strongroom.modules.restricted import RestrictedHelper
from strongroom.modules.restrictions import Ledger
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import packed

OWNER = "0x" + "11" * 20
UNLIMITED = sdk_pb2.SecretsRestritions(
    restrictions=[sdk_pb2.SecretRestriction(prefixed_secret=sdk_pb2.SecretPrefixRestriction(max_secrets=9))],
    max_secrets=9,
)


class Inner:
    """A host that notes what reaches it and answers with what was asked."""

    execution_id, node_seed, timeout_ms, entropy = "e" * 64, 1, 5, b"e"
    clock_unix_ns, sleeps_done, suspend_after_ms = 2, 3, 4

    def __init__(self):
        self.calls, self.fetches = [], []
        self.hold = threading.Event()
        self.hold.set()
        self.inside, self.most, self.lock = 0, 0, threading.Lock()

    def call_capability(self, request):
        self.calls.append(request.callback_id)
        return sdk_pb2.CapabilityResponse(payload=request.payload)

    def get_secrets(self, request):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.hold.wait(10)
        with self.lock:
            self.inside -= 1
        self.fetches.append([asked.id for asked in request.requests])
        found = [sdk_pb2.SecretResponse(secret=sdk_pb2.Secret(id=asked.id, value="v")) for asked in request.requests]
        return sdk_pb2.SecretResponses(responses=found)


def gate(restrictions=None, **limits):
    inner = Inner()
    ledger = restrictions and Ledger(restrictions)
    return RestrictedHelper(inner, owner=OWNER, decisions=Decisions(Quotas(QuotaLimits(**limits)), ledger)), inner


def call(callback_id, capability="a@1.0.0", method="M", payload=None):
    return sdk_pb2.CapabilityRequest(id=capability, method=method, callback_id=callback_id, payload=payload)


def fetch(callback_id, *keys, namespace=""):
    requests = [sdk_pb2.SecretRequest(id=key, namespace=namespace) for key in keys]
    return sdk_pb2.GetSecretsRequest(requests=requests, callback_id=callback_id)


def one_call():
    return sdk_pb2.Restrictions(
        capabilities=sdk_pb2.CapabilityRestrictions(max_total_calls=1, type=sdk_pb2.CAPABILITY_RESTRICTION_TYPE_OPEN)
    )


def only(*keys, total=9):
    entries = [sdk_pb2.SecretRestriction(exact_secret=sdk_pb2.Secret(id=key)) for key in keys]
    return sdk_pb2.Restrictions(secrets=sdk_pb2.SecretsRestritions(restrictions=entries, max_secrets=total))


def test_the_order_in_which_the_guest_starts_calls_decides_and_not_the_order_of_threads():
    helper, inner = gate(one_call())
    helper.begin_call(call(1))
    helper.begin_call(call(2))
    second, first = helper.call_capability(call(2)), helper.call_capability(call(1))
    assert not first.error
    assert second.error == "Public:User:LimitExceeded:call denied by user pre-hook restrictions: a@1.0.0 M"
    assert inner.calls == [1]


def test_a_call_that_nobody_announced_is_decided_when_it_comes():
    helper, inner = gate(one_call())
    assert not helper.call_capability(call(1)).error
    assert helper.call_capability(call(2)).error
    assert inner.calls == [1]


def test_a_replay_denies_the_same_calls():
    first, again = ([gate(one_call())[0]], [gate(one_call())[0]])
    denied = []
    for helper, ids in ((first[0], [5, 3, 9]), (again[0], [5, 3, 9])):
        for callback_id in ids:
            helper.begin_call(call(callback_id))
        denied.append([i for i in sorted(ids) if helper.call_capability(call(i)).error])
    assert denied == [[3, 9], [3, 9]]


def test_blocked_secrets_are_answered_in_their_place_and_the_vault_hears_of_the_others_only():
    helper, inner = gate(only("a", "c"))
    answers = helper.get_secrets(fetch(1, "a", "b", "c")).responses
    assert [answer.WhichOneof("response") for answer in answers] == ["secret", "error", "secret"]
    assert [answers[0].secret.id, answers[2].secret.id] == ["a", "c"]
    assert answers[1].error == sdk_pb2.SecretError(
        id="b",
        namespace="main",
        owner=OWNER,
        error='secret "b" in namespace "main" denied by user pre-hook restrictions',
    )
    assert inner.fetches == [["a", "c"]]


def test_when_all_are_denied_the_vault_is_not_asked():
    helper, inner = gate(only("a"))
    assert len(helper.get_secrets(fetch(1, "x", "y")).responses) == 2
    assert inner.fetches == []


def test_without_restrictions_everything_passes_unchanged():
    helper, inner = gate()
    assert helper.call_capability(call(1)).error == ""
    assert len(helper.get_secrets(fetch(1, "a", "b")).responses) == 2
    assert inner.fetches == [["a", "b"]]
    assert (helper.timeout_ms, helper.entropy, helper.clock_unix_ns, helper.sleeps_done) == (5, b"e", 2, 3)


@pytest.mark.parametrize(
    ("capability", "setting"),
    [
        ("http-actions@1.0.0-alpha", "http_action_calls_max"),
        ("http-actions:Label:x@2.0.0", "http_action_calls_max"),
        ("confidential-http@1.0.0-alpha", "confidential_http_calls_max"),
        ("consensus@1.0.0", "consensus_calls_max"),
    ],
)
def test_calls_beyond_the_quota_of_a_run_are_refused(capability, setting):
    helper, inner = gate(**{setting: 2})
    answers = [helper.call_capability(call(i, capability)).error for i in range(3)]
    assert answers[:2] == ["", ""]
    assert answers[2].startswith("Public:User:LimitExceeded:calls of ")
    assert answers[2].endswith(f"in one run: 3 is more than 2 (limits.{setting})")
    assert inner.calls == [0, 1]


def test_other_capabilities_have_no_quota():
    helper, _ = gate(http_action_calls_max=0, confidential_http_calls_max=0, consensus_calls_max=0)
    assert helper.call_capability(call(1)).error == ""


def test_an_observation_that_is_too_large_is_refused_and_not_counted():
    helper, _inner = gate(consensus_observation_bytes_max=10, consensus_calls_max=1)
    large = packed(sdk_pb2.SimpleConsensusInputs(error="x" * 20))
    refusal = helper.call_capability(call(1, "consensus@1.0.0-alpha", "Simple", large)).error
    assert refusal == (
        "Public:User:LimitExceeded:consensus observation: 22 bytes is more than 10 "
        "(limits.consensus_observation_bytes_max)"
    )
    assert helper.call_capability(call(2, "consensus@1.0.0-alpha", "Report", large)).error == ""


def test_fetches_beyond_the_quota_fail_whole_and_a_read_of_the_vault_is_one():
    helper, inner = gate(secrets_fetches_max=2)
    helper.get_secrets(fetch(1, "a"))
    assert helper.call_capability(call(7, "vault@1.0.0", "vault.secrets.get")).error == ""
    with pytest.raises(LimitExceeded, match=r"fetches of secrets in one run: 3 is more than 2 \(limits.secrets_"):
        helper.get_secrets(fetch(2, "b"))
    assert inner.fetches == [["a"]]


def test_a_call_that_the_quota_refuses_spends_no_restriction_and_the_other_way_round():
    helper, _inner = gate(one_call(), http_action_calls_max=0)
    assert "limits.http_action_calls_max" in helper.call_capability(call(1, "http-actions@1.0.0-alpha")).error
    assert helper.call_capability(call(2)).error == ""
    denied, _counted = gate(
        sdk_pb2.Restrictions(capabilities=sdk_pb2.CapabilityRestrictions()), http_action_calls_max=1
    )
    for i in range(3):
        assert "pre-hook restrictions" in denied.call_capability(call(i, "http-actions@1.0.0-alpha")).error


def test_no_more_fetches_than_allowed_are_under_way_and_the_others_wait():
    helper, inner = gate(secrets_fetches_in_flight_max=2, secrets_fetches_max=8)
    inner.hold.clear()
    threads = [threading.Thread(target=helper.get_secrets, args=(fetch(i, "a"),)) for i in range(6)]
    for thread in threads:
        thread.start()
    inner.hold.set()
    for thread in threads:
        thread.join(10)
    assert len(inner.fetches) == 6
    assert inner.most <= 2


def test_a_fetch_of_more_secrets_than_anybody_has_is_refused_before_it_is_looked_at():
    helper, inner = gate(only("k"))
    with pytest.raises(LimitExceeded, match="secrets in one fetch: 101 is more than 100"):
        helper.get_secrets(fetch(1, *["k"] * 101))
    assert inner.fetches == []
    assert helper.get_secrets(fetch(2, "k")).responses[0].HasField("secret")
