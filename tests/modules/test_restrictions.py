"""What restrictions leave, rule by rule: cre-guest.md section 15, with the gaps of section 17 closed."""

import pytest
from google.protobuf import any_pb2
from hypothesis import given
from hypothesis import strategies as st

from strongroom.modules.restrictions import ENTRIES_MAX, NAMES_MAX, Ledger, named_secrets, objection_to
from strongroom.pb.capabilities.networking.confidentialhttp.v1alpha import confidential_http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.vault import vault_pb2
from tests.fakes.capabilities import packed

OPEN = sdk_pb2.CAPABILITY_RESTRICTION_TYPE_OPEN
CLOSED = sdk_pb2.CAPABILITY_RESTRICTION_TYPE_CLOSED
UNLIMITED = 2**32 - 1
HTTP = "confidential-http@1.0.0-alpha"


def calls(total, *methods, kind=CLOSED):
    entries = [
        sdk_pb2.CapabilityRestriction(method=sdk_pb2.MethodRestriction(id=i, method=m, max_calls=n))
        for i, m, n in methods
    ]
    return sdk_pb2.CapabilityRestrictions(restrictions=entries, max_total_calls=total, type=kind)


def secrets(total, *entries):
    return sdk_pb2.SecretsRestritions(restrictions=entries, max_secrets=total)


def exact(key, namespace=""):
    return sdk_pb2.SecretRestriction(exact_secret=sdk_pb2.Secret(id=key, namespace=namespace))


def prefix(text, count, namespace=""):
    rule = sdk_pb2.SecretPrefixRestriction(prefix=text, namespace=namespace, max_secrets=count)
    return sdk_pb2.SecretRestriction(prefixed_secret=rule)


def ledger(*, capabilities=None, of_secrets=None):
    return Ledger(sdk_pb2.Restrictions(capabilities=capabilities, secrets=of_secrets))


def call(capability="a@1.0.0", method="M", payload=None):
    return sdk_pb2.CapabilityRequest(id=capability, method=method, payload=payload)


def http(*keys):
    named = [confidential_http_pb2.SecretIdentifier(key=key, namespace=namespace) for key, namespace in keys]
    return call(HTTP, "SendRequest", packed(confidential_http_pb2.ConfidentialHTTPRequest(vault_don_secrets=named)))


def granted(book, *requests):
    """Which of the calls, made one after the other, are granted."""
    return [book.take_call(request) == "" for request in requests]


def released(book, *names):
    return [book.take_secret(sdk_pb2.SecretRequest(id=key, namespace=ns)) == "" for key, ns in names]


def test_absent_restrictions_leave_everything_free():
    book = ledger()
    assert granted(book, call(), http(("k", ""))) == [True, True]
    assert released(book, ("k", "ns")) == [True]
    assert book.allows("main", "k")


def test_a_denial_names_the_call():
    refusal = ledger(capabilities=calls(0)).take_call(call("basic-test-action@1.0.0", "PerformAction"))
    assert refusal == "call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"


M = ("a@1.0.0", "M")
CALL_CASES = {
    "closed denies an unmatched capability": (calls(9, ("b@1.0.0", "M", 9)), [call()], [False]),
    "closed allows until the method limit is reached": (calls(9, (*M, 2)), [call()] * 3, [True, True, False]),
    "closed with no methods denies all": (calls(9), [call()], [False]),
    "max total calls of zero denies": (calls(0, (*M, 5)), [call()], [False]),
    "open with zero max total calls denies": (calls(0, kind=OPEN), [call()], [False]),
    "open allows an unmatched capability": (calls(1, kind=OPEN), [call()], [True]),
    "open with no methods respects max total calls": (calls(2, kind=OPEN), [call()] * 3, [True, True, False]),
    "a matched method with zero calls is denied": (calls(9, (*M, 0), kind=OPEN), [call()], [False]),
    "both id and method are matched": (
        calls(9, (*M, 9)),
        [call(method="N"), call("b@1.0.0"), call("a@1.0.1"), call()],
        [False, False, False, True],
    ),
    "methods match independently": (
        calls(9, (*M, 1), ("a@1.0.0", "N", 1)),
        [call(), call(), call(method="N")],
        [True, False, True],
    ),
    "the total is reached before the method limit": (calls(1, (*M, 5)), [call()] * 2, [True, False]),
    "a very large total leaves the method limit": (calls(UNLIMITED, (*M, 1)), [call()] * 2, [True, False]),
    "a very large method limit leaves the total": (calls(1, (*M, UNLIMITED)), [call()] * 2, [True, False]),
    "duplicates keep the smallest": (calls(9, (*M, 3), (*M, 1)), [call()] * 2, [True, False]),
    "a smaller duplicate overrides unlimited": (calls(9, (*M, UNLIMITED), (*M, 1)), [call()] * 2, [True, False]),
    "a duplicate of zero overrides": (calls(9, (*M, 0), (*M, 3)), [call()], [False]),
    "an entry of an unknown kind allows nothing": (
        sdk_pb2.CapabilityRestrictions(restrictions=[sdk_pb2.CapabilityRestriction()], max_total_calls=9),
        [call()],
        [False],
    ),
    "a denied call costs nothing": (calls(1, (*M, 1)), [call("b@1.0.0"), call()], [False, True]),
}


@pytest.mark.parametrize("case", CALL_CASES)
def test_calls(case):
    restrictions, requests, expected = CALL_CASES[case]
    assert granted(ledger(capabilities=restrictions), *requests) == expected


SECRET_CASES = {
    "max secrets of zero denies": (secrets(0, exact("k")), [("k", "")], [False]),
    "exact until max secrets is reached": (secrets(2, exact("k")), [("k", "")] * 3, [True, True, False]),
    "exact requires id and namespace": (
        secrets(9, exact("k", "ns")),
        [("k", ""), ("j", "ns"), ("k", "ns")],
        [False, False, True],
    ),
    "a prefix until its limit": (secrets(9, prefix("a", 1)), [("a1", ""), ("a2", "")], [True, False]),
    "a prefix requires its namespace": (secrets(9, prefix("a", 9, "ns")), [("a1", ""), ("a1", "ns")], [False, True]),
    "a prefix when the total hits zero": (secrets(1, prefix("a", 9)), [("a1", ""), ("a2", "")], [True, False]),
    "an unmatched one is denied": (secrets(9, exact("k"), prefix("a", 9)), [("z", "")], [False]),
    "rules match independently": (
        secrets(9, exact("k"), prefix("a", 1), prefix("b", 1)),
        [("a1", ""), ("b1", ""), ("k", ""), ("a2", "")],
        [True, True, True, False],
    ),
    "a very large total": (secrets(UNLIMITED, exact("k")), [("k", "")] * 3, [True] * 3),
    "a very large prefix limit leaves the total": (secrets(1, prefix("a", UNLIMITED)), [("a", "")] * 2, [True, False]),
    "no entries match nothing": (secrets(9), [("k", "")], [False]),
    "an exact match counts against a covering prefix": (
        secrets(9, exact("ak"), prefix("a", 1)),
        [("ak", ""), ("a2", "")],
        [True, False],
    ),
    "an exact match under an exhausted prefix is denied": (
        secrets(9, exact("ak"), prefix("a", 0)),
        [("ak", "")],
        [False],
    ),
    "overlapping prefixes are all counted": (
        secrets(9, prefix("a", 2), prefix("ab", 1)),
        [("ab1", ""), ("ac", ""), ("ad", "")],
        [True, True, False],
    ),
    "an empty namespace is main, in the rule": (
        secrets(9, exact("k"), prefix("a", 9)),
        [("k", "main"), ("a", "main")],
        [True] * 2,
    ),
    "an empty namespace is main, in the request": (secrets(9, exact("k", "main")), [("k", "")], [True]),
}


@pytest.mark.parametrize("case", SECRET_CASES)
def test_secrets(case):
    restrictions, names, expected = SECRET_CASES[case]
    assert released(ledger(of_secrets=restrictions), *names) == expected


def test_the_text_of_a_denied_secret_names_it_in_full():
    refusal = ledger(of_secrets=secrets(0)).take_secret(sdk_pb2.SecretRequest(id="k"))
    assert refusal == 'secret "k" in namespace "main" denied by user pre-hook restrictions'


def test_secrets_inside_of_confidential_http_count_as_secrets():
    book = ledger(capabilities=calls(9, kind=OPEN), of_secrets=secrets(1, exact("k")))
    assert granted(book, http(("k", "")), http(("k", "main"))) == [True, False]
    assert released(book, ("k", "")) == [False]


def test_they_do_so_where_only_secrets_are_restricted():
    book = ledger(of_secrets=secrets(9, exact("k")))
    assert granted(book, http(("other", "")), http(("k", "")), call()) == [False, True, True]


def test_a_denial_in_the_middle_of_a_call_gives_everything_back():
    book = ledger(capabilities=calls(1, kind=OPEN), of_secrets=secrets(2, exact("k"), prefix("a", 1)))
    assert granted(book, http(("k", ""), ("a1", ""), ("z", ""))) == [False]
    assert granted(book, http(("k", ""), ("a1", ""))) == [True]


def test_a_call_that_is_denied_itself_leaves_its_secrets_unspent():
    book = ledger(capabilities=calls(0, kind=OPEN), of_secrets=secrets(1, exact("k")))
    assert granted(book, http(("k", ""))) == [False]
    assert released(book, ("k", "")) == [True]


@pytest.mark.parametrize("restricted", ["capabilities", "secrets"])
def test_confidential_http_that_cannot_be_read_is_denied(restricted):
    broken = any_pb2.Any(type_url=packed(confidential_http_pb2.ConfidentialHTTPRequest()).type_url, value=b"\x0a\xff")
    of = {"capabilities": calls(9, kind=OPEN)} if restricted == "capabilities" else {"of_secrets": secrets(9)}
    assert granted(ledger(**of), call(HTTP, "SendRequest", broken)) == [False]


def test_a_type_url_without_its_host_is_the_same_type():
    request = http(("k", ""))
    request.payload.type_url = request.payload.type_url.rsplit("/", 1)[-1]
    assert granted(ledger(of_secrets=secrets(0)), request) == [False]


def test_a_call_without_payload_is_no_confidential_http():
    assert granted(ledger(of_secrets=secrets(0)), call()) == [True]


def test_a_read_of_the_vault_is_under_the_same_rules():
    named = vault_pb2.SecretRequest(id=vault_pb2.SecretIdentifier(key="k"))
    read = call("vault@1.0.0", "vault.secrets.get", packed(vault_pb2.GetSecretsRequest(requests=[named])))
    assert granted(ledger(of_secrets=secrets(1, exact("k"))), read, read) == [True, False]


def test_what_was_granted_before_counts_although_it_is_not_asked_for_again():
    book = ledger(
        capabilities=calls(9, (*M, 1), (HTTP, "SendRequest", 9)), of_secrets=secrets(9, prefix("a", 1), prefix("b", 1))
    )
    book.charge_call(call())
    assert granted(book, call()) == [False], "its method is used up"
    book.charge_call(http(("a1", "")))
    assert released(book, ("a2", ""), ("b1", "")) == [False, True], "and so is the prefix of the secret that it carried"
    one = ledger(of_secrets=secrets(1, prefix("a", 9)))
    one.charge_secret(sdk_pb2.SecretRequest(id="a1"))
    assert released(one, ("a2", "")) == [False]


def test_looking_takes_nothing():
    book = ledger(of_secrets=secrets(1, exact("k")))
    assert [book.allows("", "k"), book.allows("main", "k"), book.allows("main", "z")] == [True, True, False]
    assert released(book, ("k", "")) == [True]
    assert not book.allows("main", "k")


SECRET = st.tuples(st.sampled_from(["a1", "a2", "b1"]), st.sampled_from(["", "main", "ns"]))
REQUESTS = st.lists(st.lists(SECRET, max_size=4), max_size=12)
RULES = st.lists(
    st.one_of(
        st.builds(exact, st.sampled_from(["a1", "b1"]), st.sampled_from(["", "main", "ns"])),
        st.builds(prefix, st.sampled_from(["", "a", "b"]), st.integers(0, 3), st.sampled_from(["", "main", "ns"])),
    ),
    max_size=4,
)


@given(total=st.integers(0, 5), rules=RULES, max_calls=st.integers(0, 6), requests=REQUESTS)
def test_what_is_granted_never_exceeds_any_limit_and_what_is_denied_costs_nothing(total, rules, max_calls, requests):
    of = {"capabilities": calls(max_calls, kind=OPEN), "of_secrets": secrets(total, *rules)}
    book, made = ledger(**of), []
    for names in requests:
        request = http(*names)
        if book.take_call(request) == "":
            made.append(request)
        else:
            # Without what was denied in between, the same calls are granted, and this one is still denied.
            again = ledger(**of)
            assert granted(again, *made, request) == [True] * len(made) + [False]
    taken = [(ns or "main", key) for request in made for ns, key in named_secrets(request)]
    assert len(made) <= max_calls
    assert len(taken) <= total
    for rule in rules:
        if rule.HasField("prefixed_secret"):
            limited = rule.prefixed_secret
            place = limited.namespace or "main"
            covered = [name for name in taken if name[0] == place and name[1].startswith(limited.prefix)]
            assert len(covered) <= limited.max_secrets


@pytest.mark.parametrize("names", [NAMES_MAX, NAMES_MAX + 1])
def test_a_call_with_more_secrets_than_one_may_carry_is_denied_and_costs_no_more_than_one(names):
    book = ledger(of_secrets=secrets(UNLIMITED, prefix("", UNLIMITED)))
    assert granted(book, http(*[("k", "")] * names)) == [names <= NAMES_MAX]


def test_restrictions_that_nobody_could_keep_to_are_objected_to():
    many = [sdk_pb2.CapabilityRestriction()] * (ENTRIES_MAX + 1)
    assert objection_to(sdk_pb2.Restrictions()) == ""
    assert objection_to(sdk_pb2.Restrictions(capabilities=sdk_pb2.CapabilityRestrictions(restrictions=many[1:]))) == ""
    too_many = sdk_pb2.Restrictions(capabilities=sdk_pb2.CapabilityRestrictions(restrictions=many))
    assert objection_to(too_many) == "the restrictions have 1001 entries, more than 1000"
    assert "not known here" in objection_to(sdk_pb2.Restrictions.FromString(b"\xfa\x01\x01x"))
