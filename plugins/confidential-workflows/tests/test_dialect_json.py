"""JSON of the enclave protocol: names, arrays of numbers, base64, times; what is written is read, and nothing else."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.plugin import InvalidInput, LimitExceeded
from strongroom_confidential_workflows.dialect.go_json import from_base64, parse, to_base64, written
from strongroom_confidential_workflows.dialect.json_forms import (
    enclave_form,
    execute_response_form,
    public_key_response_form,
    read_batch,
    read_enclaves,
    read_execute_response,
    read_public_key_response,
    signed_request_form,
    write_batch,
)
from strongroom_confidential_workflows.dialect.messages import (
    ComputeRequest,
    Enclave,
    EnclaveConfig,
    ExecuteResponse,
    PublicKeyResponse,
    SignedComputeRequest,
)
from strongroom_confidential_workflows.dialect.times import read_time, write_time

REQUEST = ComputeRequest(
    request_id=bytes(range(32)),
    application_request_id="exec-1",
    public_data=b"public",
    ciphertexts=(b"c1", b"\xff\xfe"),
    ciphertext_names=("n<1>",),
    key_shares=((b"s1", b"s2"), ()),
    enclave_ephemeral_public_key=b"epk",
    master_public_key=b"mpk",
    app_id="confidential-workflows",
    version="0.0.7",
)
SIGNED = SignedComputeRequest(request=REQUEST, signature=b"sig")
CONFIG = EnclaveConfig(signers=(b"s1", b"s2"), master_public_key=b"mpk", t=2, f=1)
IDS = ",".join(map(str, range(32)))
WRITTEN = (
    f'[{{"requestID":[{IDS}],"applicationRequestID":"exec-1","publicData":"cHVibGlj","ciphertexts":["YzE=","//4="],'
    '"CiphertextNames":["n\\u003c1\\u003e"],"encryptedDecryptionKeyShares":[["czE=","czI="],[]],'
    '"enclaveEphemeralPublicKey":"ZXBr","masterPublicKey":"bXBr","appID":"confidential-workflows","version":"0.0.7",'
    '"signature":"c2ln"}]'
).encode()
ANSWER = ExecuteResponse(
    request_id=bytes(32),
    application_request_id="exec-1",
    request_hash=b"\x09" * 32,
    output=b"out",
    config=CONFIG,
    attestation=b"doc",
    metrics={"seconds": 1.5},
    metric_events=None,
)
KEYS = PublicKeyResponse(
    public_keys=(b"k", b"l"),
    creation_times_ns=(1_700_000_000_123_456_789, 0),
    ttls_ns=(86_400_000_000_000, 1),
    config=CONFIG,
)
ENCLAVE = Enclave(
    enclave_id=b"\x01" * 32,
    url="https://one.example",
    trusted_values=(b"{}",),
    enclave_type="NITRO",
    auth_header="Bearer x",
    extra_data=b"\x00",
    region="eu-west-1",
)


def changed(**members):
    """The body of a batch with other members; ``...`` leaves one out."""
    form = {**signed_request_form(SIGNED), **members}
    return json.dumps([{name: value for name, value in form.items() if value is not ...}]).encode()


def test_a_batch_is_written_member_by_member_as_the_contract_has_it():
    assert write_batch((SIGNED,)) == WRITTEN
    assert read_batch(WRITTEN) == (SIGNED,)


def test_data_for_one_node_stands_behind_the_signature_where_there_is_some():
    mine = replace(SIGNED, per_node_data=b"mine")
    assert write_batch((mine,)).endswith(b',"signature":"c2ln","perNodeData":"bWluZQ=="}]')
    assert read_batch(write_batch((mine, SIGNED))) == (mine, SIGNED)


def test_a_list_that_was_never_made_is_null_and_empty():
    nothing = {"ciphertexts": None, "CiphertextNames": None, "encryptedDecryptionKeyShares": None, "publicData": None}
    (found,) = read_batch(changed(**nothing, perNodeData=None))
    wanted = replace(REQUEST, ciphertexts=(), ciphertext_names=(), key_shares=(), public_data=b"")
    assert found == replace(SIGNED, request=wanted)


def test_answers_keys_and_enclaves_come_back_as_they_were():
    assert read_execute_response(written(execute_response_form(ANSWER))) == ANSWER
    assert read_public_key_response(written(public_key_response_form(KEYS))) == KEYS
    assert read_enclaves(written({"Enclaves": [enclave_form(ENCLAVE)]})) == (ENCLAVE,)


def test_times_are_rfc_3339_and_durations_whole_nanoseconds():
    form = public_key_response_form(KEYS)
    assert form["creationTimes"] == ["2023-11-14T22:13:20.123456789Z", "1970-01-01T00:00:00Z"]
    assert form["ttls"] == [86_400_000_000_000, 1]


def test_ids_are_arrays_of_numbers_in_every_form():
    assert enclave_form(ENCLAVE)["enclaveId"] == [1] * 32
    assert execute_response_form(ANSWER)["requestHash"] == [9] * 32


@pytest.mark.parametrize(
    ("text", "unix_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T02:00:00.5+02:00", 500_000_000),
        ("2026-11-22T09:00:00.120Z", 1_795_338_000_120_000_000),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text, unix_ns):
    assert read_time("t", text) == unix_ns


@pytest.mark.parametrize(
    "untrusted",
    [
        "",
        None,
        0,
        "2026-11-22",
        "2026-11-22 09:00:00Z",
        "2026-11-22T09:00:00",
        "2026-13-22T09:00:00Z",
        "2026-11-22T09:00:60Z",
        "2026-11-22T09:00:00.Z",
        "2026-11-22T09:00:00.1234567890Z",
        "2026-11-22T09:00:00+25:00",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_what_is_no_time_is_refused(untrusted):
    with pytest.raises(InvalidInput) as caught:
        read_time("creationTimes[0]", untrusted)
    assert caught.value.details["field"] == "creationTimes[0]"


@given(st.integers(0, 253_402_300_799_999_999_999))
def test_every_time_until_the_year_9999_comes_back(unix_ns):
    assert read_time("t", write_time(unix_ns)) == unix_ns


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body must be JSON"),
        (b"{", "the body must be JSON"),
        (b"\xff", "the body must be JSON"),
        (b"[" * 100_000, "the body must be JSON"),
        (b'[{"version":NaN}]', "the body must be JSON"),
        (b'[{"version":1e999}]', "the body must be JSON"),
        (b'[{"version":"1","version":"2"}]', "the body must be JSON"),
        (b'{"requestID":[]}', "requests must be a list"),
        (b"[]", "the body must be an array of at least one request"),
        (b"null", "the body must be an array of at least one request"),
        (b"[1]", "requests[0] must be an object"),
        (changed(requestID=...), "requests[0].requestID must be an array of 32 numbers"),
        (changed(requestID=[0] * 31), "requests[0].requestID must be an array of 32 numbers"),
        (changed(requestID=[256] * 32), "requests[0].requestID must be an array of 32 numbers"),
        (changed(requestID=[True] * 32), "requests[0].requestID must be an array of 32 numbers"),
        (changed(requestID=[1.0] * 32), "requests[0].requestID must be an array of 32 numbers"),
        (changed(requestID=to_base64(bytes(32))), "requests[0].requestID must be an array of 32 numbers"),
        (changed(publicData=[1]), "requests[0].publicData must be a text of base64"),
        (changed(publicData="a b="), "requests[0].publicData must be standard base64"),
        (changed(publicData="YR=="), "requests[0].publicData must be standard base64 in its only form"),
        (changed(publicData="YQ"), "requests[0].publicData must be standard base64"),
        (changed(publicData="_-8="), "requests[0].publicData must be standard base64"),
        (changed(ciphertexts="YQ=="), "requests[0].ciphertexts must be a list"),
        (changed(ciphertexts=["YQ==", 1]), "requests[0].ciphertexts[1] must be a text of base64"),
        (changed(encryptedDecryptionKeyShares=[1]), "requests[0].encryptedDecryptionKeyShares[0] must be a list"),
        (changed(CiphertextNames=[None]), "requests[0].CiphertextNames[0] must be a text"),
        (changed(ciphertextNames=[]), "requests[0].ciphertextNames must be left out"),
        (changed(appID=7), "requests[0].appID must be a text"),
        (changed(appID="\ud800"), "requests[0].appID must be a text without lone surrogates"),
        (changed(unknown=1), "requests[0].unknown must be left out"),
        (changed(applicationRequestID="0.0.6"), "applicationRequestID must be another text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_body_of_another_form_is_refused_with_its_place(body, reason):
    with pytest.raises(InvalidInput) as caught:
        read_batch(body)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"[" + b",".join([b"{}"] * 65) + b"]", "requests"),
        (changed(ciphertexts=[""] * 1001), "requests[0].ciphertexts"),
        (changed(CiphertextNames=[""] * 1001), "requests[0].CiphertextNames"),
        (changed(encryptedDecryptionKeyShares=[[]] * 1001), "requests[0].encryptedDecryptionKeyShares"),
        (changed(encryptedDecryptionKeyShares=[[""] * 1001]), "requests[0].encryptedDecryptionKeyShares[0]"),
        (changed(version="v" * 257), "requests[0].version"),
    ],
    ids=["requests", "ciphertexts", "names", "lists of shares", "shares", "text"],
)
def test_a_body_with_more_than_a_limit_is_refused(body, place):
    with pytest.raises(LimitExceeded) as caught:
        read_batch(body)
    assert caught.value.details["field"] == place


def test_a_body_is_measured_before_it_is_parsed():
    assert parse("the body", b"[1]  ", bytes_max=5) == [1]
    with pytest.raises(LimitExceeded) as caught:
        parse("the body", b"[1]   ", bytes_max=5)
    assert str(caught.value) == "the body has 6 bytes, more than 5"
    with pytest.raises(LimitExceeded):
        read_batch(bytes(64 * 1024 * 1024 + 1))


@pytest.mark.parametrize(
    ("read", "form"),
    [
        (read_execute_response, execute_response_form(ANSWER)),
        (read_public_key_response, public_key_response_form(KEYS)),
    ],
    ids=["answer", "keys"],
)
@pytest.mark.parametrize("config", [None, {}, {"signers": [], "masterPublicKey": "", "t": 2.0, "f": 1}, {"master": 1}])
def test_an_answer_without_a_whole_config_is_refused(read, form, config):
    with pytest.raises(InvalidInput) as caught:
        read(json.dumps({**form, "config": config}).encode())
    assert caught.value.details["field"].startswith("config")


def test_a_document_that_no_verifier_takes_is_not_read():
    form = {**execute_response_form(ANSWER), "attestation": to_base64(bytes(64 * 1024 + 1))}
    with pytest.raises(LimitExceeded) as caught:
        read_execute_response(json.dumps(form).encode())
    assert caught.value.details["field"] == "attestation"


def test_every_cut_of_a_batch_is_refused():
    for length in range(len(WRITTEN)):
        with pytest.raises(InvalidInput):
            read_batch(WRITTEN[:length])


def test_text_is_escaped_as_the_network_does():
    assert written({"a": '<b>&\u2028\u2029"\\\n\t\x01é'}) == (
        '{"a":"\\u003cb\\u003e\\u0026\\u2028\\u2029\\"\\\\\\n\\t\\u0001é"}'.encode()
    )


@given(st.recursive(st.text(st.characters(codec="utf-8"), max_size=8) | st.integers(0, 9), st.lists))
def test_what_is_written_is_read(value):
    assert parse("value", written(value)) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(signed_request_form(SIGNED))), json_values)
def test_a_member_of_any_value_is_read_or_refused_as_input(name, value):
    with suppress(InvalidInput, LimitExceeded):
        assert len(read_batch(changed(**{name: value}))) == 1


@given(st.binary(max_size=40))
def test_base64_comes_back(raw):
    assert from_base64("value", to_base64(raw)) == raw
