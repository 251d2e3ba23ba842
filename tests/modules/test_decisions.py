"""A call is decided and counted once in the life of a run, however often its guest is executed."""

import pytest

from strongroom.errors import GuestFault, NondeterministicGuest
from strongroom.modules.decisions import Decisions, Made
from strongroom.modules.quotas import QuotaLimits, Quotas
from strongroom.modules.restricted import RestrictedHelper
from strongroom.modules.restrictions import Ledger
from strongroom.pb.sdk.v1alpha import sdk_pb2

DENIED = "Public:User:LimitExceeded:call denied by user pre-hook restrictions: a@1.0.0 M"
HTTP = "http-actions@1.0.0-alpha"


def call(callback_id, capability="a@1.0.0"):
    return sdk_pb2.CapabilityRequest(id=capability, method="M", callback_id=callback_id)


def fetch(callback_id, *keys):
    requests = [sdk_pb2.SecretRequest(id=key) for key in keys]
    return sdk_pb2.GetSecretsRequest(requests=requests, callback_id=callback_id)


def calls(total):
    return sdk_pb2.Restrictions(
        capabilities=sdk_pb2.CapabilityRestrictions(
            max_total_calls=total, type=sdk_pb2.CAPABILITY_RESTRICTION_TYPE_OPEN
        )
    )


def names(total):
    rule = sdk_pb2.SecretRestriction(prefixed_secret=sdk_pb2.SecretPrefixRestriction(max_secrets=total))
    return sdk_pb2.Restrictions(secrets=sdk_pb2.SecretsRestritions(restrictions=[rule], max_secrets=total))


def decisions(restrictions=None, **limits):
    return Decisions(Quotas(QuotaLimits(**limits)), restrictions and Ledger(restrictions))


class Inner:
    execution_id, node_seed, timeout_ms, entropy = "e" * 64, 1, 5, b"e"
    clock_unix_ns, sleeps_done, suspend_after_ms = 2, 3, 4

    def __init__(self):
        self.made = []

    def call_capability(self, request):
        self.made.append(request)
        return sdk_pb2.CapabilityResponse()


def gate(book):
    inner = Inner()
    return RestrictedHelper(inner, owner="0x", decisions=book), inner


def test_a_second_call_under_an_id_is_refused_before_it_is_made_and_gets_nobodys_decision():
    allowed = sdk_pb2.MethodRestriction(id="b@1.0.0", method="M", max_calls=1)
    only_b = sdk_pb2.CapabilityRestrictions(
        restrictions=[sdk_pb2.CapabilityRestriction(method=allowed)], max_total_calls=9
    )
    helper, inner = gate(decisions(sdk_pb2.Restrictions(capabilities=only_b)))
    helper.begin_call(call(5))
    with pytest.raises(GuestFault, match="duplicate callback id") as caught:
        helper.begin_call(call(5, "b@1.0.0"))
    assert caught.value.code == "SR-GUEST-046"
    assert helper.call_capability(call(5)).error == DENIED
    with pytest.raises(GuestFault):
        helper.call_capability(call(5, "b@1.0.0"))
    assert inner.made == []


def test_a_decision_is_about_one_request_and_no_other_is_made_on_it():
    helper, inner = gate(decisions())
    helper.begin_call(call(5))
    with pytest.raises(GuestFault):
        helper.call_capability(call(5, "b@1.0.0"))
    with pytest.raises(GuestFault):
        helper.call_capability(call(5))
    assert inner.made == []


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize(
    ("book", "made", "new"),
    [
        (lambda: decisions(calls(1)), call(1), call(2)),
        (lambda: decisions(http_action_calls_max=1), call(1, HTTP), call(2, HTTP)),
    ],
    ids=["restriction", "quota"],
)
def test_what_an_earlier_execution_made_counts_whether_it_is_made_again_or_not(book, made, new, answered):
    later = book()
    later.begin([Made(made, answered=answered)])
    assert later.of_call(new)
    assert later.of_call(made) == ""


def test_secrets_that_an_earlier_execution_had_count_too():
    later = decisions(names(1))
    later.begin([Made(fetch(1, "a"))])
    assert later.of_fetch(fetch(2, "b")) == ['secret "b" in namespace "main" denied by user pre-hook restrictions']
    assert decisions(secrets_fetches_max=0).of_fetch(fetch(2, "b"))


def test_what_was_refused_stays_refused_and_did_not_count():
    later = decisions(calls(1))
    later.begin([Made(call(1), refusal=DENIED), Made(fetch(1, "a"), refusal="no")])
    assert later.of_call(call(1)) == DENIED
    assert later.of_fetch(fetch(1, "a")) == "no"
    assert later.of_call(call(2)) == ""


def test_a_recorded_decision_stands_whatever_the_limits_are_now():
    later = decisions(http_action_calls_max=0, secrets_fetches_max=0)
    later.begin([Made(call(1, HTTP)), Made(fetch(1, "a"))])
    assert later.of_call(call(1, HTTP)) == ""
    assert later.of_fetch(fetch(1, "a")) == [""]
    assert later.of_call(call(2, HTTP)) != ""


def test_a_call_of_which_nobody_knows_whether_it_was_refused_never_exceeds_what_is_left():
    later = decisions(calls(2))
    later.begin([Made(call(1), answered=False), Made(call(2)), Made(call(3), answered=False)])
    assert [later.of_call(call(number)) for number in (1, 2, 3, 4)] == ["", "", DENIED, DENIED]


def test_of_a_fetch_the_journal_has_what_was_granted_and_the_rest_stays_denied():
    first = decisions(names(2))
    asked = fetch(1, "a", "b", "a", "c")
    before = first.of_fetch(asked)
    assert [bool(verdict) for verdict in before] == [False, False, True, True]
    later = decisions(names(2))
    later.begin([Made(fetch(1, "a", "b"))])
    assert later.of_fetch(asked) == before
    assert later.of_fetch(fetch(1, "x")) == [""], "the host knows what it was, and refuses it"


def test_in_one_process_a_call_that_is_not_in_the_journal_yet_counts_and_is_not_exchanged():
    book = decisions(calls(1))
    book.begin([])
    assert book.of_call(call(1)) == ""
    book.begin([])
    assert book.of_call(call(2)) == DENIED
    assert book.of_call(call(1)) == ""
    with pytest.raises(NondeterministicGuest):
        book.of_call(call(1, "b@1.0.0"))


def test_decisions_are_kept_for_as_many_calls_as_a_run_may_make_and_others_are_refused():
    book = Decisions(Quotas(QuotaLimits()), decided_max=1)
    assert book.of_call(call(1)) == ""
    assert book.of_call(call(2)).endswith("calls of one run: more than a run may make")
    assert book.of_fetch(fetch(1, "a")).endswith("calls of one run: more than a run may make")
