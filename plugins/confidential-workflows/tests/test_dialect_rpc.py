"""The messages around a relay: JSON-RPC 2.0, and the code of every error."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_confidential_workflows.dialect.relay import CAPABILITY_EXECUTE, SECRETS_GET
from tests.fakes.dialect_relay import Rig, asking, attested, calling, error_of


@pytest.mark.parametrize("method", ["", "confidential.secrets.set", "Confidential.Secrets.Get", "x" * 200])
def test_an_unknown_method_is_not_found(method):
    assert error_of(Rig().ask(method, {})) == (-32601, f"unknown method {method}")


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        (SECRETS_GET, {}, "workflow_id is required"),
        (SECRETS_GET, {**asking().form(), "owner": ""}, "owner is required"),
        (SECRETS_GET, {**asking().form(), "secrets": [{"key": "A"}]}, "secrets[0].namespace is required"),
        (SECRETS_GET, {**asking().form(), "secrets": [{}] * 101}, "secrets has 101 entries, more than 100"),
        (SECRETS_GET, {**asking().form(), "attestation": "?"}, "attestation must be standard base64"),
        (CAPABILITY_EXECUTE, {**calling().form(), "reference_id": ""}, "reference_id is required"),
        (CAPABILITY_EXECUTE, {**calling().form(), "payload": "?"}, "payload must be standard base64"),
    ],
)
def test_bad_params_are_said_before_anything_else(method, params, message):
    answer = Rig().ask(method, params)
    assert error_of(answer) == (-32602, message)
    assert answer["error"]["data"]["code"] in {"SR-DIAL-001", "SR-DIAL-002", "SR-DIAL-005"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capability_id": "other@1.0.0"}, "capability_id must be the id in the payload"),
        ({"payload": "/w=="}, "payload must be a serialized CapabilityRequest"),
    ],
)
def test_a_payload_that_contradicts_its_params_is_refused(changes, message):
    rig, params = Rig(), calling()
    with rig.registered():
        assert error_of(rig.ask(CAPABILITY_EXECUTE, attested(replace(params, **changes)))) == (-32603, message)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "the message must be JSON"),
        (b"[]", "the message must be an object"),
        (b"1", "the message must be an object"),
        (b'{"id":"1","method":"m"}', "jsonrpc must be 2.0"),
        (b'{"jsonrpc":"1.0","id":"1","method":"m"}', "jsonrpc must be 2.0"),
        (b'{"jsonrpc":"2.0","method":"m"}', "id must be a text or a whole number"),
        (b'{"jsonrpc":"2.0","id":null,"method":"m"}', "id must be a text"),
        (b'{"jsonrpc":"2.0","id":[],"method":"m"}', "id must be a text"),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"m"}', "id must be a text"),
        (b'{"jsonrpc":"2.0","id":"1","method":7}', "method must be a text"),
        (b'{"jsonrpc":"2.0","id":"1","method":"m","other":1}', "other must be left out"),
        (b'{"jsonrpc":"2.0","id":"1","id":"2","method":"m"}', "the message must be JSON"),
    ],
)
def test_another_message_is_an_error_of_its_own(message, reason):
    code, text = error_of(json.loads(Rig().relay.answer(message)))
    assert code == -32603
    assert text.startswith(reason)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([SECRETS_GET, CAPABILITY_EXECUTE]), st.data())
def test_a_member_of_any_other_value_is_refused_and_breaks_nothing(method, data):
    form = (asking() if method == SECRETS_GET else calling()).form()
    name = data.draw(st.sampled_from(sorted(form)))
    value = data.draw(json_values.filter(lambda found: found != form[name]))
    answer = Rig().ask(method, {**form, name: value})
    assert error_of(answer)[0] in {-32602, -32603}
    assert error_of(answer)[1] != "internal error"


@given(st.binary(max_size=40))
def test_any_bytes_are_answered(untrusted):
    assert error_of(json.loads(Rig().relay.answer(untrusted)))[0] == -32603


@pytest.mark.parametrize("message_id", ["a", 0, 7])
def test_an_answer_carries_the_id_of_its_message(message_id):
    assert Rig().ask("m", {}, message_id)["id"] == message_id


def test_a_message_is_measured_before_it_is_parsed():
    code, text = error_of(json.loads(Rig().relay.answer(bytes(64 * 1024 * 1024 + 1))))
    assert code == -32603
    assert text == f"the message has {64 * 1024 * 1024 + 1} bytes, more than {64 * 1024 * 1024}"


def test_a_fault_of_the_host_says_nothing_of_itself(caplog):
    def broken():
        raise RuntimeError("a secret path")

    answer = Rig(configs=broken).ask(SECRETS_GET, asking())
    assert error_of(answer) == (-32603, "internal error")
    assert "a request failed unexpectedly" in caplog.text
