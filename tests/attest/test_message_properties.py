"""Whatever may be said in a message comes back as it was, and two things that differ are never one message."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.attest.ar4si import VECTOR
from strongroom.attest.checks import FAILED, PASSED, Check
from strongroom.attest.ear import Ear, check_ear, make_ear
from strongroom.attest.release import (
    Challenge,
    Envelope,
    ReleasedSecret,
    open_challenge,
    open_envelope,
    seal_secrets,
    sign_challenge,
    sign_envelope,
)
from strongroom.attest.result import STATUSES, Call, Result, check_result, sign_result
from strongroom.crypto.signing import key_id
from tests.fakes.golden_release import EXECUTION_KEY, KEM_KEY, VAULT_KEY
from tests.fakes.runtime_data_values import digests, texts, uints, values

VAULT = key_id(VAULT_KEY.public)


def encoded(name):
    """A namespace and key as their bytes, which is the order of secrets."""
    return name[0].encode(), name[1].encode()


challenges = st.builds(
    Challenge,
    nonce=digests,
    exp_s=uints,
    execution_id=texts,
    workflow_id=texts,
    owner=texts,
    vault_key_id=st.just(VAULT),
)
words = st.text(max_size=40)
checks = st.lists(
    st.builds(Check, id=words, outcome=st.sampled_from([PASSED, FAILED]), got=words, wanted=words, policy_ref=words),
    max_size=5,
).map(tuple)
ears = st.builds(
    Ear,
    nonce=digests,
    report_data=digests,
    assurance=words,
    issued_s=st.integers(0, 253_402_300_799),
    build=words,
    vector=st.dictionaries(st.sampled_from(sorted(VECTOR)), st.integers(0, 127)),
    policy_sha256=digests,
    checks=checks,
)
calls = st.builds(
    Call,
    ref=texts,
    capability_id=texts,
    request_sha256=digests,
    response_sha256=digests,
    trust=st.sampled_from(["host", "attested"]),
)
versions = st.lists(st.tuples(texts, texts), max_size=5, unique=True).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(ns), st.just(key), uints) for ns, key in sorted(names, key=encoded)))
)
results = st.builds(
    Result,
    execution_id=texts,
    attempt=st.integers(1, 2**64 - 1),
    report_data=digests,
    status=st.sampled_from(sorted(STATUSES)),
    evidence_sha256=digests,
    ear_sha256=digests,
    result_sha256=digests,
    fuel=uints,
    secrets=versions,
    calls=st.lists(calls, max_size=3).map(tuple),
)


@settings(max_examples=60)
@given(challenges, challenges)
def test_a_challenge_comes_back_as_it_was(one, other):
    signed = sign_challenge(one, VAULT_KEY)
    ids = {"execution_id": one.execution_id, "workflow_id": one.workflow_id, "owner": one.owner}
    assert open_challenge(signed, vault_public=VAULT_KEY.public, **ids) == one
    assert (sign_challenge(other, VAULT_KEY) == signed) is (one == other)


@settings(max_examples=60)
@given(ears, ears)
def test_an_attestation_result_comes_back_as_it_was(one, other):
    jwt = make_ear(one, VAULT_KEY)
    assert check_ear(jwt, vault_public=VAULT_KEY.public) == one
    assert (make_ear(other, VAULT_KEY) == jwt) is (one == other)


@settings(max_examples=60)
@given(results, results)
def test_a_result_comes_back_as_it_was(one, other):
    signed = sign_result(one, EXECUTION_KEY)
    assert check_result(signed, sig_pub=EXECUTION_KEY.public) == one
    assert (sign_result(other, EXECUTION_KEY) == signed) is (one == other)


@settings(max_examples=40)
@given(values, st.binary(min_size=16, max_size=16), st.data())
def test_secrets_come_back_as_they_were(untrusted, release_id, data):
    wanted = replace(untrusted, kem_pub=KEM_KEY.public)
    secrets = tuple(
        ReleasedSecret(namespace=ns, key=key, version=data.draw(uints), value=data.draw(st.binary(max_size=100)))
        for ns, key in wanted.secrets
    )
    envelope = Envelope(
        release_id=release_id,
        report_data=wanted.report_data(),
        vault_key_id=VAULT,
        policy_epoch=data.draw(uints),
        issued_s=data.draw(uints),
        secrets=tuple((each.namespace, each.key, each.version) for each in secrets),
        sealed=seal_secrets(wanted, release_id, secrets),
        ear=b"ear",
    )
    opened = open_envelope(sign_envelope(envelope, VAULT_KEY), vault_public=VAULT_KEY.public, data=wanted, key=KEM_KEY)
    assert (opened.envelope, opened.secrets) == (envelope, secrets)
