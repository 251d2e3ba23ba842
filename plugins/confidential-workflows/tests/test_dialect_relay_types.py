"""What travels between enclave and relay: hashes, what they bind, what is attested, and what is refused by name."""

import json
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from google.protobuf import any_pb2
from hypothesis import given
from hypothesis import strategies as st

from strongroom.plugin import InvalidInput
from strongroom.plugin.messages import sdk_pb2
from strongroom_confidential_workflows.dialect.go_json import parse, written
from strongroom_confidential_workflows.dialect.relay_answers import (
    CapabilityAnswer,
    SecretAnswer,
    SecretsAnswer,
    capability_answer_hash,
    read_capability_answer,
    read_secrets_answer,
    secrets_answer_hash,
    signed_form,
    without_report_signatures,
)
from strongroom_confidential_workflows.dialect.relay_params import (
    SecretRef,
)
from strongroom_confidential_workflows.dialect.signatures import Signature
from tests.fakes.dialect_values import (
    ANSWERED,
    ASKED,
    CALL,
    CONFIG,
    EXECUTION,
    GIVEN,
    A,
    B,
    second_framing,
)

VECTORS = json.loads((Path(__file__).parents[3] / "tests" / "vectors" / "dialect.json").read_text())["relay"]


def second_hash(name, params, rest, result):
    of = params.execution
    parts = [of.workflow_id, of.owner, of.execution_id, of.org_id, *rest]
    if (config := params.enclave_config) is not None:
        parts += [sorted(config.signers), config.master_public_key, config.t, config.f]
    return sha256(f"CONFIDENTIAL_COMPUTE_PAYLOAD\n{name}\n".encode() + second_framing([*parts, *result])).digest()


def second_secrets_hash(params, answer):
    asked = sorted((each.namespace, each.key) for each in params.secrets)
    rest = [[(key, namespace) for namespace, key in asked], params.enclave_public_key]
    given_ = sorted((s.secret.namespace, s.secret.key, s.ciphertext, sorted(s.shares)) for s in answer.secrets)
    result = [(key, namespace, ciphertext, shares) for namespace, key, ciphertext, shares in given_]
    return second_hash("SecretsResponseResult", params, rest, [result])


def second_capability_hash(params, answer):
    rest = [params.reference_id, params.capability_id, params.payload]
    return second_hash("CapabilityResponseResult", params, rest, [answer.payload, answer.error])


def test_the_vectors_of_the_contract():
    assert secrets_answer_hash(ASKED, GIVEN).hex() == VECTORS["secrets"]
    assert secrets_answer_hash(replace(ASKED, enclave_config=CONFIG), GIVEN).hex() == VECTORS["secrets_with_config"]
    assert capability_answer_hash(CALL, ANSWERED).hex() == VECTORS["capability"]


def test_capability_hashes_with_config_and_error_are_those_of_a_second_implementation():
    params, answer = replace(CALL, enclave_config=CONFIG), CapabilityAnswer(error="no")
    assert capability_answer_hash(params, answer) == second_capability_hash(params, answer)
    assert capability_answer_hash(params, answer).hex() == VECTORS["capability_with_config_and_error"]


def test_hash_ignores_attestation_and_signed_requests():
    attested = replace(ASKED, attestation=b"doc", signed_compute_requests=({"requestID": []},))
    assert secrets_answer_hash(attested, GIVEN) == secrets_answer_hash(ASKED, GIVEN)
    assert capability_answer_hash(replace(CALL, attestation=b"doc"), ANSWERED) == capability_answer_hash(CALL, ANSWERED)


@pytest.mark.parametrize("name", ["workflow_id", "owner", "execution_id", "org_id"])
def test_hash_binds_the_execution(name):
    other = replace(EXECUTION, **{name: "other"})
    assert secrets_answer_hash(replace(ASKED, execution=other), GIVEN) != secrets_answer_hash(ASKED, GIVEN)
    assert capability_answer_hash(replace(CALL, execution=other), ANSWERED) != capability_answer_hash(CALL, ANSWERED)


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        (replace(ASKED, secrets=(A,)), GIVEN),
        (replace(ASKED, secrets=(A, SecretRef("other", "B"))), GIVEN),
        (replace(ASKED, enclave_public_key="cd" * 32), GIVEN),
        (replace(ASKED, enclave_config=CONFIG), GIVEN),
        (ASKED, SecretsAnswer(GIVEN.secrets[:1])),
        (ASKED, SecretsAnswer((SecretAnswer(A, "Y3QtYg==", ("c2gy", "c2gx")), GIVEN.secrets[1]))),
        (ASKED, SecretsAnswer((SecretAnswer(A, "Y3QtYQ==", ("c2gy",)), GIVEN.secrets[1]))),
        (ASKED, SecretsAnswer((SecretAnswer(A, "Y3QtYQ==", ("c2gyc2gx",)), GIVEN.secrets[1]))),
        (ASKED, SecretsAnswer((GIVEN.secrets[0], SecretAnswer(B, error="none")))),
    ],
    ids=["fewer", "namespace", "key", "config", "one answer", "ciphertext", "share", "shares in one", "error"],
)
def test_hash_binds_request_and_response_of_secrets(params, answer):
    assert secrets_answer_hash(params, answer) != secrets_answer_hash(ASKED, GIVEN)


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        (replace(CALL, reference_id="8"), ANSWERED),
        (replace(CALL, capability_id="other@1.0.0"), ANSWERED),
        (replace(CALL, payload="eA=="), ANSWERED),
        (replace(CALL, enclave_config=CONFIG), ANSWERED),
        (CALL, CapabilityAnswer("eA==")),
        (CALL, CapabilityAnswer("", "cmVzcA==")),
    ],
    ids=["reference", "capability", "payload", "config", "result", "error instead"],
)
def test_hash_binds_request_and_response_of_a_call(params, answer):
    assert capability_answer_hash(params, answer) != capability_answer_hash(CALL, ANSWERED)


@pytest.mark.parametrize(
    "changes",
    [{"signers": (b"s1",)}, {"master_public_key": b"mpj"}, {"t": 3}, {"f": 2}],
    ids=lambda each: next(iter(each)),
)
def test_enclave_config_is_optional_and_bound_when_present(changes):
    params = replace(ASKED, enclave_config=CONFIG)
    other = replace(ASKED, enclave_config=replace(CONFIG, **changes))
    assert secrets_answer_hash(other, GIVEN) != secrets_answer_hash(params, GIVEN)


names = st.sampled_from([SecretRef("main", "A"), SecretRef("main", "é"), SecretRef("n", "A"), SecretRef("", "AA")])
texts = st.text("ab", max_size=2)
answers = st.lists(st.builds(SecretAnswer, names, texts, st.lists(texts, max_size=2).map(tuple)), max_size=3).map(
    lambda found: SecretsAnswer(tuple(found))
)


@given(st.lists(names, max_size=3), answers, st.booleans(), st.randoms())
def test_hash_is_stable_under_reordering_of_secrets_shares_and_signers(asked, answer, has_config, random):
    params = replace(ASKED, secrets=tuple(asked), enclave_config=CONFIG if has_config else None)
    config = replace(CONFIG, signers=CONFIG.signers[::-1]) if has_config else None
    shuffled = [replace(each, shares=tuple(random.sample(each.shares, len(each.shares)))) for each in answer.secrets]
    random.shuffle(shuffled)
    again = replace(params, secrets=tuple(random.sample(asked, len(asked))), enclave_config=config)
    wanted = secrets_answer_hash(params, answer)
    assert secrets_answer_hash(again, SecretsAnswer(tuple(shuffled))) == wanted == second_secrets_hash(params, answer)


def settled(answer):
    """What the hash of an answer stands for."""
    return sorted((each.secret, each.ciphertext, sorted(each.shares)) for each in answer.secrets)


@given(answers, answers)
def test_two_answers_have_one_hash_only_when_they_say_the_same(one, other):
    same = settled(one) == settled(other)
    assert (secrets_answer_hash(ASKED, one) == secrets_answer_hash(ASKED, other)) == same


def test_an_answer_with_an_error_has_a_hash_of_its_own_that_covers_it():
    empty, failed, otherwise = (SecretsAnswer((SecretAnswer(A, error=text),)) for text in ("", "none", "other"))
    assert len({secrets_answer_hash(ASKED, each) for each in (empty, failed, otherwise)}) == 3


def test_answers_come_back_with_their_signature_and_older_ones_have_a_list_of_one():
    signature = Signature(b"k" * 32, b"s" * 64)
    answer = SecretsAnswer((*GIVEN.secrets, SecretAnswer(SecretRef("n", "C"), error="none")))
    form = signed_form(answer.form(), signature)
    assert read_secrets_answer(parse("answer", written(form))) == (answer, signature)
    older = {"result": form["result"], "signatures": [form["signature"]]}
    assert read_secrets_answer(older) == (answer, signature)
    failed = CapabilityAnswer(error="no")
    assert failed.form() == {"error": "no"}
    assert read_capability_answer(signed_form(failed.form(), signature)) == (failed, signature)
    assert read_capability_answer(signed_form(ANSWERED.form(), signature)) == (ANSWERED, signature)


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": None},
        {"signatures": [{}]},
        {"result": None},
        {"result": {"secrets": 1}},
        {"signature": {"signer": 1}},
    ],
    ids=["none", "both", "no result", "no list", "no bytes"],
)
def test_an_answer_of_another_form_is_refused(changes):
    with pytest.raises(InvalidInput):
        read_secrets_answer({**signed_form(GIVEN.form(), Signature(b"k", b"s")), **changes})


def report(*signatures):
    inner = sdk_pb2.ReportResponse(raw_report=b"r", seq_nr=1, sigs=[{"signature": each} for each in signatures])
    payload = any_pb2.Any()
    payload.Pack(inner)
    return CapabilityAnswer(b64encode(sdk_pb2.CapabilityResponse(payload=payload).SerializeToString()).decode())


def test_report_signatures_are_left_out_when_grouping_and_nothing_else():
    one, other, bare = report(b"1"), report(b"2", b"3"), report()
    assert without_report_signatures(one) == without_report_signatures(other) == without_report_signatures(bare)
    assert capability_answer_hash(CALL, one) != capability_answer_hash(CALL, other)
    for answer in (ANSWERED, CapabilityAnswer(error="no"), CapabilityAnswer(b64encode(b"\xff").decode())):
        assert without_report_signatures(answer) == answer
