"""The state of an enclave of the dialect: requests it remembers, keys it rotates, votes it counts, texts it answers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.signing import SigningKey
from strongroom.plugin import (
    CapabilityError,
    Conflict,
    Forbidden,
    Internal,
    InvalidInput,
    LimitExceeded,
    TimedOut,
    Unavailable,
    WrongState,
)
from strongroom_confidential_workflows.dialect import config_votes, retries
from strongroom_confidential_workflows.dialect.config_votes import ConfigVotes, Vote, read_vote
from strongroom_confidential_workflows.dialect.enclave_keys import LIFETIME_NS, ROTATION_NS, EnclaveKeys
from strongroom_confidential_workflows.dialect.go_json import written
from strongroom_confidential_workflows.dialect.hashes import enclave_config_hash
from strongroom_confidential_workflows.dialect.http_status import HttpRefusal, app_refusal, refusal, route_refusal
from strongroom_confidential_workflows.dialect.json_forms import config_form
from strongroom_confidential_workflows.dialect.messages import EnclaveConfig
from strongroom_confidential_workflows.dialect.request_memory import (
    TRANSITIONS,
    RequestEvent,
    RequestMemory,
    RequestState,
    step,
)
from strongroom_confidential_workflows.dialect.signatures import COMPUTE_DOMAIN, CONFIG_DOMAIN, sign

NODES = [SigningKey.from_raw(bytes([number]) * 32) for number in range(1, 5)]
CONFIG = EnclaveConfig(signers=tuple(node.public for node in NODES), master_public_key=b"mpk", t=2, f=1)
NEXT = replace(CONFIG, t=3)
DAY_S = 24 * 3600.0
ONE, OTHER = b"1" * 32, b"2" * 32


@pytest.mark.parametrize("state", RequestState)
@pytest.mark.parametrize("event", RequestEvent)
def test_a_request_changes_state_only_by_a_row_of_the_table(state, event):
    if event in TRANSITIONS[state]:
        assert step(state, event) is TRANSITIONS[state][event]
        return
    with pytest.raises(Conflict if event is RequestEvent.ADMITTED else Internal):
        step(state, event)


def test_the_memory_holds_a_request_for_a_day_after_its_end():
    memory = RequestMemory()
    memory.admit(ONE, now_s=0)
    memory.end(ONE, now_s=5)
    with pytest.raises(Conflict) as caught:
        memory.admit(ONE, now_s=5 + DAY_S - 1)
    assert caught.value.code == "SR-DIAL-016"
    memory.admit(ONE, now_s=5 + DAY_S)
    assert memory.state(ONE) is RequestState.IN_PROGRESS


def test_a_memory_that_is_full_refuses_rather_than_forgets():
    memory = RequestMemory(entries_max=2)
    memory.admit(ONE, now_s=0)
    memory.end(ONE, now_s=0)
    memory.admit(OTHER, now_s=0)
    with pytest.raises(LimitExceeded) as caught:
        memory.admit(b"3" * 32, now_s=1)
    assert caught.value.code == "SR-DIAL-018"
    assert memory.state(ONE) is RequestState.EXECUTED
    memory.release(OTHER)
    memory.admit(b"3" * 32, now_s=1)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["admit", "end", "release"]), st.integers(0, 50_000))))
def test_whatever_happens_no_request_is_admitted_again_within_a_day_of_its_end(events):
    memory, now_s, running, ended = RequestMemory(), 0, set(), {}
    for number, event, wait_s in events:
        now_s, request = now_s + wait_s, bytes([number]) * 32
        if event == "admit":
            may = request not in running and now_s - ended.get(request, -DAY_S) >= DAY_S
            try:
                memory.admit(request, now_s=now_s)
            except Conflict:
                assert not may
            else:
                assert may
                running.add(request)
        elif request in running:
            running.remove(request)
            if event == "end":
                memory.end(request, now_s=now_s)
                ended[request] = now_s
            else:
                memory.release(request)


def test_the_memory_of_the_contract_is_a_day_and_half_a_million():
    assert (RequestMemory().remembered_s, RequestMemory().entries_max) == (DAY_S, 500_000)


def test_a_key_writes_for_12_hours_and_opens_for_24():
    keys = EnclaveKeys()
    (first,) = keys.response(ONE, CONFIG, now_ns=0).public_keys
    (same,) = keys.response(OTHER, CONFIG, now_ns=ROTATION_NS - 1).public_keys
    (second,) = keys.response(b"3" * 32, CONFIG, now_ns=ROTATION_NS).public_keys
    assert first == same != second
    assert keys.pair_for(ONE, first, now_ns=LIFETIME_NS - 1).public_hex == first.hex()
    with pytest.raises(InvalidInput) as caught:
        keys.pair_for(ONE, first, now_ns=LIFETIME_NS)
    assert str(caught.value).startswith("the key is not one of this enclave")


def test_one_key_is_pinned_to_one_request():
    keys = EnclaveKeys()
    (first,) = keys.response(ONE, CONFIG, now_ns=0).public_keys
    again = keys.response(ONE, CONFIG, now_ns=ROTATION_NS)
    assert (again.public_keys, again.creation_times_ns, again.ttls_ns) == ((first,), (0,), (LIFETIME_NS,))
    (second,) = keys.response(OTHER, CONFIG, now_ns=ROTATION_NS).public_keys
    with pytest.raises(Conflict) as caught:
        keys.pair_for(ONE, second, now_ns=ROTATION_NS)
    assert caught.value.code == "SR-DIAL-020"
    (third,) = keys.response(ONE, CONFIG, now_ns=LIFETIME_NS).public_keys
    assert third != first, "a pin ends with its key"


def test_keys_are_given_to_so_many_requests_only():
    keys = EnclaveKeys(pins_max=1)
    keys.response(ONE, CONFIG, now_ns=0)
    with pytest.raises(LimitExceeded):
        keys.response(OTHER, CONFIG, now_ns=0)
    assert keys.response(ONE, CONFIG, now_ns=1)
    assert keys.response(OTHER, CONFIG, now_ns=LIFETIME_NS)


def vote(node, config=NEXT, domain=CONFIG_DOMAIN):
    return Vote(config, sign(node, domain, enclave_config_hash(config)).signature)


@pytest.fixture
def votes():
    found = ConfigVotes()
    found.set_first(CONFIG)
    return found


def test_a_config_is_set_once(votes):
    with pytest.raises(Conflict):
        votes.set_first(NEXT)
    assert votes.config == CONFIG
    with pytest.raises(WrongState):
        _ = ConfigVotes().config


def test_f_plus_one_distinct_votes_within_ten_minutes_change_the_config(votes):
    assert not votes.take(vote(NODES[0]), now_s=0)
    assert not votes.take(vote(NODES[0]), now_s=1), "one signer has one vote"
    assert not votes.take(vote(NODES[1], replace(CONFIG, t=4)), now_s=2), "another config"
    assert votes.config == CONFIG
    assert votes.take(vote(NODES[2]), now_s=599)
    assert votes.config == NEXT


def test_a_vote_counts_for_ten_minutes(votes):
    votes.take(vote(NODES[0]), now_s=0)
    assert not votes.take(vote(NODES[1]), now_s=600)
    assert votes.take(vote(NODES[0]), now_s=601)


def test_a_later_vote_takes_the_place_of_the_earlier(votes):
    votes.take(vote(NODES[0]), now_s=0)
    votes.take(vote(NODES[0], replace(CONFIG, t=4)), now_s=1)
    assert not votes.take(vote(NODES[1]), now_s=2)


def test_votes_from_before_a_change_do_not_count_after_it(votes):
    kept = replace(CONFIG, t=4)
    votes.take(vote(NODES[0], kept), now_s=0)
    assert not votes.take(vote(NODES[1]), now_s=1)
    assert votes.take(vote(NODES[2]), now_s=2)
    assert not votes.take(vote(NODES[3], kept), now_s=3)


def test_votes_of_others_and_of_other_domains_are_refused(votes):
    for other in (vote(SigningKey.generate()), vote(NODES[0], domain=COMPUTE_DOMAIN), Vote(NEXT, b"")):
        with pytest.raises(Forbidden) as caught:
            votes.take(other, now_s=0)
        assert caught.value.code == "SR-DIAL-024"


def test_old_votes_do_not_bring_a_former_config_back(votes):
    for node in NODES[:2]:
        votes.take(vote(node), now_s=0)
    assert votes.config == NEXT
    for config in (CONFIG, NEXT):
        with pytest.raises(Conflict) as caught:
            votes.take(vote(NODES[0], config), now_s=1)
        assert caught.value.code == "SR-DIAL-025"


def test_an_enclave_has_so_many_configs_only(votes, monkeypatch):
    monkeypatch.setattr(config_votes, "FORMER_MAX", 1)
    for node in NODES[:2]:
        votes.take(vote(node), now_s=0)
    with pytest.raises(LimitExceeded):
        votes.take(vote(NODES[0], replace(CONFIG, t=4)), now_s=1)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (replace(CONFIG, signers=(b"short",)), "signers must be Ed25519 keys of 32 bytes"),
        (replace(CONFIG, signers=CONFIG.signers[:1] * 3), "signers must be each there once"),
        (replace(CONFIG, f=4), "signers must be more than F"),
        (replace(CONFIG, signers=(), f=0), "signers must be more than F"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_config_that_nobody_could_meet_is_neither_set_nor_voted_for(votes, config, reason):
    for attempt in (lambda: ConfigVotes().set_first(config), lambda: votes.take(vote(NODES[0], config), now_s=0)):
        with pytest.raises(InvalidInput) as caught:
            attempt()
        assert str(caught.value) == reason


def test_a_vote_is_read_and_another_form_refused():
    form = {"config": config_form(NEXT), "signature": "c2ln"}
    assert read_vote(written(form)) == Vote(NEXT, b"sig")
    for other in ({**form, "config": None}, {**form, "other": 1}, {**form, "signature": 1}, []):
        with pytest.raises(InvalidInput):
            read_vote(written(other))
    with pytest.raises(LimitExceeded):
        read_vote(written({**form, "signature": "YWFh" * 100}))


def test_calls_and_methods_of_the_protocol_are_known():
    assert route_refusal("POST", "/requests") is None
    assert route_refusal("PATCH", "/config") is None
    assert route_refusal("GET", "/requests") == HttpRefusal(405, "method not allowed")
    assert route_refusal("GET", "/other") == HttpRefusal(404, "not found")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("SR-DIAL-001", "text"), 400),
        (LimitExceeded("SR-DIAL-002", "text"), 400),
        (Forbidden("SR-DIAL-004", "text"), 400),
        (Conflict("SR-DIAL-015", "text"), 409),
        (LimitExceeded("SR-DIAL-018", "text"), 429),
        (LimitExceeded("SR-DIAL-026", "text"), 429),
        (Unavailable("SR-DIAL-001", "text"), 502),
        (TimedOut("SR-DIAL-001", "text"), 504),
        (Internal("SR-DIAL-017", "text"), 500),
    ],
    ids=lambda value: getattr(value, "code", value),
)
def test_every_refusal_has_its_status(error, status):
    assert refusal(error) == HttpRefusal(status, "text")


def test_an_error_of_the_app_has_the_text_of_the_protocol():
    failed = CapabilityError("Public", "User", "Unknown", "no")
    assert app_refusal(failed) == HttpRefusal(500, "error executing enclave app request: no")
    assert app_refusal(InvalidInput("SR-DIAL-001", "no")).status == 500
    assert app_refusal(ValueError("a path")) == HttpRefusal(500, "error executing enclave app request: internal error")
    assert app_refusal(TimedOut("SR-DIAL-001", "late")) == HttpRefusal(504, "late")


def test_a_request_id_is_the_digest_of_the_text_of_its_execution_id():
    execution = "b028eb767ee9460f7ceca41c8c612ec9d47b7812be0baf001c77c78be2c713d4"
    wanted = "a001fb3d626517a94e488d97d132b06fb586d52424104fbfa05e46a04e481a72"
    assert retries.request_id(execution).hex() == wanted


def test_three_attempts_wait_two_seconds_and_double_and_name_themselves():
    error = CapabilityError("Private", "System", "Unavailable", "gone")
    assert retries.after_failure(error, attempt=1) == retries.Retry(2, 2.0)
    assert retries.after_failure(error, attempt=2) == retries.Retry(3, 4.0)
    with pytest.raises(CapabilityError, match="failed after 3 retries: gone"):
        retries.after_failure(error, attempt=3)
    names = [retries.reference_id(attempt, "7") for attempt in (1, 2, 3)]
    assert names == ["7", "confidential-retry-1", "confidential-retry-2"]


def test_an_error_of_the_user_stops_at_once():
    error = CapabilityError("Public", "User", "InvalidArgument", "wrong")
    with pytest.raises(CapabilityError) as caught:
        retries.after_failure(error, attempt=1)
    assert caught.value is error
