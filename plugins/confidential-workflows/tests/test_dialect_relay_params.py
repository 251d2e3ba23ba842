"""What an enclave may ask a relay for, what is refused by name, and which bytes an attestation is about."""

import json
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from strongroom.plugin import InvalidInput, LimitExceeded
from strongroom_confidential_workflows.dialect.go_json import parse, written
from strongroom_confidential_workflows.dialect.relay_params import (
    SecretRef,
    read_capability_params,
    read_secrets_params,
)
from tests.fakes.dialect_values import ASKED, CALL, CONFIG, EXECUTION, second_framing

VECTORS = json.loads((Path(__file__).parents[3] / "tests" / "vectors" / "dialect.json").read_text())["relay"]


def attested(form, tag):
    """The second implementation of what is attested: the JSON written by hand in the tests below."""
    label = b"CONFIDENTIAL_COMPUTE_PAYLOAD"
    return sha256(label + second_framing([tag, form])).digest()


def test_what_is_attested_is_compact_json_without_the_attestation():
    params = replace(ASKED, secrets=(SecretRef("main", "a<b>&c"),), attestation=b"doc")
    of = f'{{"workflow_id":"{EXECUTION.workflow_id}","owner":"{EXECUTION.owner}"'
    of += f',"execution_id":"{EXECUTION.execution_id}"'
    rest = ',"secrets":[{"key":"a\\u003cb\\u003e\\u0026c","namespace":"main"}],"enclave_public_key":"' + "ab" * 32 + '"'
    assert params.user_data() == attested(of + rest + "}", "ConfidentialSecretsGet")
    whole = replace(params, execution=replace(EXECUTION, org_id="o"), enclave_config=CONFIG)
    config = ',"enclave_config":{"signers":["czI=","czE="],"master_public_key":"bXBr","t":2,"f":1}'
    signed = ',"signed_compute_requests":[{"a":null,"b":[]}]'
    whole = replace(whole, signed_compute_requests=({"a": None, "b": []},))
    assert whole.user_data() == attested(f'{of},"org_id":"o"{rest}{config}{signed}}}', "ConfidentialSecretsGet")
    call = ',"reference_id":"7","capability_id":"basic-test-action@1.0.0","payload":"cGF5bG9hZA=="'
    assert CALL.user_data() == attested(f"{of}{call}}}", "ConfidentialCapabilityExecute")
    assert CALL.user_data().hex() == VECTORS["capability_user_data"]


def test_params_that_are_written_are_read():
    asked = replace(ASKED, enclave_config=CONFIG, attestation=b"doc")
    assert read_secrets_params(parse("params", written(asked.form()))) == asked
    call = replace(CALL, execution=replace(EXECUTION, org_id="o"), enclave_config=CONFIG)
    assert read_capability_params(parse("params", written(call.form()))) == call


SECRETS_FORM = replace(ASKED, enclave_config=CONFIG).form()
CALL_FORM = replace(CALL, enclave_config=CONFIG).form()
CONFIG_FORM = SECRETS_FORM["enclave_config"]


@pytest.mark.parametrize(
    ("read", "form", "name"),
    [(read_secrets_params, SECRETS_FORM, name) for name in ("enclave_public_key", "secrets")]
    + [(read_capability_params, CALL_FORM, name) for name in ("reference_id", "capability_id", "payload")]
    + [
        (read, form, name)
        for read, form in ((read_secrets_params, SECRETS_FORM), (read_capability_params, CALL_FORM))
        for name in ("workflow_id", "owner", "execution_id")
    ],
)
def test_what_is_required_is_said_by_name(read, form, name):
    for untrusted in (
        {key: value for key, value in form.items() if key != name},
        {**form, name: [] if name == "secrets" else ""},
    ):
        with pytest.raises(InvalidInput) as caught:
            read(untrusted)
        assert (caught.value.code, str(caught.value)) == ("SR-DIAL-005", f"{name} is required")


def table(member, value):
    return {**SECRETS_FORM, member: value}


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (table("owner", "11" * 20), "owner must be 0x and 40 hex digits"),
        (table("owner", "0x" + "11" * 21), "owner must be 0x and 40 hex digits"),
        (table("owner", "0x" + "1g" * 20), "owner must be 0x and 40 hex digits"),
        (table("owner", "0x" + "11" * 20 + "\n"), "owner must be 0x and 40 hex digits"),
        (table("owner", 7), "owner must be a text"),
        (table("enclave_public_key", "zz"), "enclave_public_key must be hex"),
        (table("enclave_public_key", "abc"), "enclave_public_key must be hex"),
        (table("secrets", [{"key": "A", "namespace": "m"}, {"namespace": "m"}]), "secrets[1].key is required"),
        (table("secrets", [{"key": "A", "namespace": ""}]), "secrets[0].namespace is required"),
        (table("secrets", [{}]), "secrets[0].key is required"),
        (table("secrets", ["A"]), "secrets[0] must be an object"),
        (table("secrets", {}), "secrets must be a list"),
        (table("enclave_config", {**CONFIG_FORM, "signers": []}), "enclave_config.signers is required"),
        (table("enclave_config", {**CONFIG_FORM, "signers": ["czE=", ""]}), "enclave_config.signers[1] is required"),
        (table("enclave_config", {**CONFIG_FORM, "f": 0}), "enclave_config.f must be greater than 0"),
        (table("enclave_config", {**CONFIG_FORM, "f": -1}), "enclave_config.f must be a whole number"),
        (
            table("enclave_config", {**CONFIG_FORM, "master_public_key": ""}),
            "enclave_config.master_public_key is required",
        ),
        (table("enclave_config", {"masterPublicKey": ""}), "enclave_config.masterPublicKey must be left out"),
        (table("attestation", "a b"), "attestation must be standard base64"),
        (table("signed_compute_requests", [{}]), "signed_compute_requests[0].requestID must be an array"),
        (table("other", 1), "other must be left out"),
        (None, "the message must be an object"),
        ([], "the message must be an object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_params_are_rejected_with_their_place(form, reason):
    with pytest.raises(InvalidInput) as caught:
        read_secrets_params(form)
    assert str(caught.value).startswith(reason)


def test_a_payload_is_base64():
    with pytest.raises(InvalidInput) as caught:
        read_capability_params({**CALL_FORM, "payload": "?"})
    assert str(caught.value) == "payload must be standard base64"


@pytest.mark.parametrize(
    ("form", "place"),
    [
        (table("secrets", [{"key": "A", "namespace": "m"}] * 101), "secrets"),
        (table("secrets", [{"key": "A" * 257, "namespace": "m"}]), "secrets[0].key"),
        (table("workflow_id", "a" * 257), "workflow_id"),
        (table("signed_compute_requests", [None] * 65), "signed_compute_requests"),
        (table("enclave_config", {**CONFIG_FORM, "signers": ["czE="] * 65}), "enclave_config.signers"),
        (table("attestation", b64encode(bytes(65537)).decode()), "attestation"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_params_with_more_than_a_limit_are_rejected(form, place):
    with pytest.raises(LimitExceeded) as caught:
        read_secrets_params(form)
    assert caught.value.details["field"] == place
