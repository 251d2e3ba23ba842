"""Hashes of the enclave protocol: the vectors of the contract, a second implementation, and what each of them binds."""

import json
import struct
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.plugin import InvalidInput, LimitExceeded
from strongroom_confidential_workflows.dialect.hashes import (
    compute_request_hash,
    domain_hash,
    enclave_config_hash,
    enclaves_list_hash,
    execute_response_hash,
    gateway_body_hash,
    public_key_response_hash,
    set_config_response_hash,
)
from strongroom_confidential_workflows.dialect.messages import (
    ComputeRequest,
    Enclave,
    EnclaveConfig,
    ExecuteResponse,
    PublicKeyResponse,
)

VECTORS = json.loads((Path(__file__).parents[3] / "tests" / "vectors" / "dialect.json").read_text())["hashes"]
REQUEST = ComputeRequest(
    request_id=bytes(range(32)),
    application_request_id="exec-1",
    public_data=b"public",
    ciphertext_names=("n1",),
    ciphertexts=(b"c1", b"c2"),
    enclave_ephemeral_public_key=b"epk",
    master_public_key=b"mpk",
    app_id="confidential-workflows",
    version="0.0.6",
)
NEWER = replace(REQUEST, version="0.0.7")
CONFIG = EnclaveConfig(signers=(b"s1", b"s2"), master_public_key=b"mpk", t=2, f=1)
ANSWER = ExecuteResponse(
    request_id=REQUEST.request_id,
    application_request_id="exec-1",
    request_hash=compute_request_hash(REQUEST),
    output=b"out",
    config=CONFIG,
)
ENCLAVES = (
    Enclave(enclave_id=b"\x01" * 32, url="https://one.example", trusted_values=(b"{}", b"[]"), enclave_type="NITRO"),
    Enclave(
        enclave_id=b"\x02" * 32,
        url="https://two.example",
        trusted_values=(),
        enclave_type="FAKE",
        auth_header="Bearer x",
        extra_data=b"\x00\x01",
        region="eu-west-1",
    ),
)
KEYS = PublicKeyResponse(
    public_keys=(b"k" * 32, b"l" * 32),
    creation_times_ns=(1_700_000_000_123_456_789, 1_700_043_200_000_000_000),
    ttls_ns=(86_400_000_000_000, 86_400_000_000_000),
    config=CONFIG,
)
COMPUTED = {
    "enclaves_list": enclaves_list_hash(ENCLAVES),
    "enclaves_list_empty": enclaves_list_hash(()),
    "public_key_response": public_key_response_hash(KEYS),
    "set_config_response": set_config_response_hash(CONFIG),
    "gateway_body": gateway_body_hash(b'{"method":"x"}'),
}


def label(name):
    return f"CONFIDENTIAL_COMPUTE_PAYLOAD\n{name}\n".encode()


def sized(*parts):
    """The second implementation of the framing."""
    return b"".join(struct.pack(f">Q{len(part)}s", len(part), part) for part in parts)


def listed(parts):
    return struct.pack(">Q", len(parts)) + sized(*parts)


def hashed(*parts):
    return sha256(b"".join(parts)).digest()


def second_config(config):
    numbers = struct.pack(">II", config.t, config.f)
    return hashed(label("EnclaveConfig"), listed(config.signers), sized(config.master_public_key), numbers)


def second_request(request):
    last = request.version if request.version == "0.0.6" else request.application_request_id
    names = [name.encode() for name in request.ciphertext_names]
    keys = (request.enclave_ephemeral_public_key, request.master_public_key, request.app_id.encode(), last.encode())
    body = sized(request.public_data), listed(names), listed(request.ciphertexts), sized(*keys)
    return hashed(label("ComputeRequest"), request.request_id, *body)


def second_computed():
    count = struct.pack(">Q", 2)
    enclaves = [
        each.enclave_id
        + sized(each.url.encode())
        + listed(each.trusted_values)
        + sized(each.enclave_type.encode(), each.auth_header.encode(), each.extra_data, each.region.encode())
        for each in ENCLAVES
    ]
    times = [count + struct.pack(">2Q", *each) for each in (KEYS.creation_times_ns, KEYS.ttls_ns)]
    return {
        "enclaves_list": hashed(label("EnclavesList"), count, *enclaves),
        "enclaves_list_empty": hashed(label("EnclavesList"), bytes(8)),
        "public_key_response": hashed(
            label("PublicKeyResponse"), listed(KEYS.public_keys), *times, second_config(CONFIG)
        ),
        "set_config_response": hashed(label("SetConfigResponse"), second_config(CONFIG)),
        "gateway_body": hashed(label("GatewayRequest"), b'{"method":"x"}'),
    }


def test_the_vectors_of_the_contract():
    assert domain_hash("ConfidentialSecretsGet", b'{"a":1}').hex() == VECTORS["domain_hash"]
    assert compute_request_hash(REQUEST).hex() == VECTORS["compute_request_0_0_6"]
    assert compute_request_hash(NEWER).hex() == VECTORS["compute_request_0_0_7"]
    assert enclave_config_hash(CONFIG).hex() == VECTORS["enclave_config"]
    assert execute_response_hash(ANSWER, version="0.0.6").hex() == VECTORS["execute_response_0_0_6"]
    newer = replace(ANSWER, request_hash=compute_request_hash(NEWER))
    assert execute_response_hash(newer, version="0.0.7").hex() == VECTORS["execute_response_0_0_7"]


def test_domain_hash_has_no_boundary_collision():
    one, other = domain_hash("ab", b"c").hex(), domain_hash("a", b"bc").hex()
    assert (one[:8], one[-8:]) == ("4979765e", "60f4bb9f")
    assert (other[:8], other[-8:]) == ("017286c9", "46f5af60")


@pytest.mark.parametrize("name", COMPUTED)
def test_hashes_without_a_vector_in_the_contract_are_those_of_a_second_implementation(name):
    assert COMPUTED[name] == second_computed()[name]
    assert COMPUTED[name].hex() == VECTORS[name]


def test_compute_request_is_deterministic():
    assert compute_request_hash(replace(REQUEST)) == compute_request_hash(REQUEST)


@pytest.mark.parametrize("request_", [REQUEST, NEWER], ids=["legacy", "newer"])
@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": bytes(32)},
        {"public_data": b"publiC"},
        {"ciphertext_names": ("n2",)},
        {"ciphertext_names": ()},
        {"ciphertexts": (b"c1c2",)},
        {"ciphertexts": (b"c2", b"c1")},
        {"enclave_ephemeral_public_key": b"epj"},
        {"enclave_ephemeral_public_key": b"epkm", "master_public_key": b"pk"},
        {"master_public_key": b"mpj"},
        {"app_id": "confidential-workflow"},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_compute_request_binds_each_member(request_, changes):
    assert compute_request_hash(replace(request_, **changes)) != compute_request_hash(request_)


def test_compute_request_ignores_shares():
    shared = replace(REQUEST, key_shares=((b"s1",), (b"s2", b"s3")))
    assert compute_request_hash(shared) == compute_request_hash(REQUEST)


def test_the_version_is_bound_only_for_legacy():
    assert compute_request_hash(REQUEST) != compute_request_hash(NEWER)
    assert compute_request_hash(replace(NEWER, version="0.0.8")) == compute_request_hash(NEWER)


def test_the_application_request_id_is_bound_only_for_non_legacy():
    other = {"application_request_id": "exec-2"}
    assert compute_request_hash(replace(REQUEST, **other)) == compute_request_hash(REQUEST)
    assert compute_request_hash(replace(NEWER, **other)) != compute_request_hash(NEWER)
    assert execute_response_hash(replace(ANSWER, **other), version="0.0.6") == execute_response_hash(
        ANSWER, version="0.0.6"
    )
    assert execute_response_hash(replace(ANSWER, **other), version="0.0.7") != execute_response_hash(
        ANSWER, version="0.0.7"
    )


def test_no_newer_request_has_the_hash_of_a_legacy_one():
    with pytest.raises(InvalidInput) as caught:
        replace(NEWER, application_request_id="0.0.6")
    assert str(caught.value) == "applicationRequestID must be another text than the version 0.0.6"
    assert replace(REQUEST, application_request_id="0.0.6")


def test_the_hash_of_a_config_keeps_the_order_of_its_signers():
    assert enclave_config_hash(replace(CONFIG, signers=(b"s2", b"s1"))) != enclave_config_hash(CONFIG)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: replace(REQUEST, request_id=bytes(31)), "requestID must be 32 bytes"),
        (lambda: replace(REQUEST, version="v" * 257), "version has 257 bytes, more than 256"),
        (lambda: replace(REQUEST, ciphertexts=(b"",) * 1001), "ciphertexts has 1001 entries, more than 1000"),
        (lambda: replace(REQUEST, key_shares=((b"",) * 1001,)), "encryptedDecryptionKeyShares has 1001 entries"),
        (lambda: replace(CONFIG, signers=(b"s",) * 65), "signers has 65 entries, more than 64"),
        (lambda: replace(CONFIG, f=2**32), "f must be a whole number of 32 bits"),
        (lambda: replace(CONFIG, t=-1), "t must be a whole number of 32 bits"),
        (lambda: replace(KEYS, ttls_ns=()), "publicKey must be as long as creationTimes and ttls"),
        (lambda: replace(KEYS, ttls_ns=(0, 2**63)), "ttls must be nanoseconds of 63 bits"),
        (lambda: replace(ENCLAVES[0], enclave_type="TPM"), "enclaveType must be one of FAKE, NITRO, SEV, SGX, TDX"),
        (lambda: replace(ENCLAVES[0], url="u" * 8193), "enclaveURL has 8193 characters, more than 8192"),
        (lambda: replace(ANSWER, request_hash=b""), "requestHash must be 32 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_breaks_a_limit_cannot_be_hashed(build, reason):
    with pytest.raises((InvalidInput, LimitExceeded)) as caught:
        build()
    assert str(caught.value).startswith(reason)


short = st.binary(max_size=3)
names = st.text("0.6ab", max_size=5)
requests = st.builds(
    ComputeRequest,
    request_id=st.sampled_from([bytes(32), bytes(31) + b"\x01"]),
    application_request_id=names.filter(lambda text: text != "0.0.6"),
    public_data=short,
    ciphertexts=st.lists(short, max_size=2).map(tuple),
    ciphertext_names=st.lists(names, max_size=2).map(tuple),
    enclave_ephemeral_public_key=short,
    master_public_key=short,
    app_id=names,
    version=st.sampled_from(["0.0.6", "0.0.7"]),
)


def bound(request):
    """What the hash of a request stands for."""
    unbound = {"key_shares", "application_request_id" if request.version == "0.0.6" else "version"}
    return {each.name: getattr(request, each.name) for each in fields(request) if each.name not in unbound}


@given(requests, requests)
def test_two_requests_have_one_hash_only_when_all_that_is_bound_is_equal(one, other):
    assert compute_request_hash(one) == second_request(one)
    assert (compute_request_hash(one) == compute_request_hash(other)) == (bound(one) == bound(other))


@given(st.tuples(st.text("ab", max_size=3), short), st.tuples(st.text("ab", max_size=3), short))
def test_two_tags_and_data_have_one_domain_hash_only_when_both_are_equal(one, other):
    assert (domain_hash(*one) == domain_hash(*other)) == (one == other)


@given(st.lists(short, max_size=3), short, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_the_hash_of_any_config_is_that_of_a_second_implementation(signers, master, t, f):
    config = EnclaveConfig(signers=tuple(signers), master_public_key=master, t=t, f=f)
    assert enclave_config_hash(config) == second_config(config)
