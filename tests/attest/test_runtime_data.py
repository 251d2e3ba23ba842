"""Runtime data: golden values, every field refused when it is wrong, and one encoding for one value."""

import dataclasses

import cbor2
import pytest
from hypothesis import given, settings

from strongroom.attest import cbor
from strongroom.attest.runtime_data import (
    RunnerBuild,
    RuntimeData,
    check_possession,
    decode_runtime_data,
    prove_possession,
    report_data_of,
)
from strongroom.crypto.hpke import spki_of
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected
from tests.fakes.golden_release import EXECUTION_KEY, KEM_KEY, VAULT_KEY, golden, runtime_data
from tests.fakes.runtime_data_values import values

GOLDEN = golden("runtime_data", "cbor")


def rejected(untrusted):
    with pytest.raises(EvidenceRejected) as caught:
        decode_runtime_data(untrusted)
    return caught.value


def outcome(untrusted):
    """The runtime data, or the code of the refusal."""
    try:
        return decode_runtime_data(untrusted)
    except EvidenceRejected as refused:
        return refused.code


def changed(path, value):
    """The golden map with another value at this path; ``...`` removes it."""
    whole = cbor.decode("test", GOLDEN)
    at = whole
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return cbor.canonical(whole)


def test_the_golden_runtime_data_has_the_encoding_the_digest_and_the_signature_of_the_vectors():
    data = runtime_data()
    assert data.encode() == GOLDEN
    assert len(GOLDEN) == 888
    assert data.report_data() == golden("runtime_data", "report_data")
    assert prove_possession(GOLDEN, EXECUTION_KEY) == golden("runtime_data", "pop_signature")
    assert decode_runtime_data(GOLDEN) == data
    check_possession(data, golden("runtime_data", "pop_signature"))


def test_evidence_is_bound_to_digest_nonce_and_key():
    binding = runtime_data().binding()
    assert binding.report_data == golden("runtime_data", "report_data")
    assert binding.nonce == bytes(range(32))
    assert binding.kem_spki == spki_of(KEM_KEY.public) == golden("keys", "kem_spki")


def test_possession_is_proved_by_the_key_in_the_data_for_these_very_data_and_for_nothing_else():
    data, signature = runtime_data(), golden("runtime_data", "pop_signature")
    other = dataclasses.replace(data, secrets=())
    weak = dataclasses.replace(data, sig_pub=bytes(32))
    forged = [
        (data, prove_possession(GOLDEN, VAULT_KEY)),
        (data, EXECUTION_KEY.sign("runner/result", GOLDEN)),
        (data, EXECUTION_KEY.sign_raw(GOLDEN)),
        (data, signature[:-1]),
        (data, signature + b"\0"),
        (data, b""),
        (data, bytes(64)),
        (other, signature),
        (weak, bytes(64)),
    ]
    for subject, each in forged:
        with pytest.raises(EvidenceRejected) as caught:
            check_possession(subject, each)
        assert caught.value.code == "SR-ATTEST-033"
        assert caught.value.check == "proof of possession"


LONG = "é" * 65
WRONG = {
    "unknown key": (("more",), 1),
    "unknown key below": (("runner", "more"), 1),
    "no kind": (("kind",), ...),
    "no request digest": (("execution", "request_sha256"), ...),
    "kind is bytes": (("kind",), b"tdx"),
    "empty text": (("execution", "owner"), ""),
    "text of 130 bytes": (("execution", "workflow_id"), LONG),
    "profile is bytes": (("profile",), b"strongroom/runtime-data/v1"),
    "short nonce": (("challenge", "nonce"), bytes(31)),
    "long nonce": (("challenge", "nonce"), bytes(33)),
    "nonce is text": (("challenge", "nonce"), "0" * 32),
    "negative end": (("challenge", "exp"), -1),
    "end is a truth value": (("challenge", "exp"), True),
    "attempt 0": (("execution", "attempt"), 0),
    "attempt is a truth value": (("execution", "attempt"), True),
    "attempt beyond 64 bits": (("execution", "attempt"), 2**64),
    "svn is a fraction": (("runner", "svn"), 1.5),
    "svn is null": (("runner", "svn"), None),
    "short digest": (("enclave_config_sha256",), bytes(20)),
    "short key": (("sig_pub",), bytes(31)),
    "challenge is a list": (("challenge",), []),
    "secrets are a map": (("secrets",), {}),
    "a secret of three": (("secrets", 0), ["a", "b", "c"]),
    "a secret of one": (("secrets", 0), ["a"]),
    "a secret that is text": (("secrets", 0), "ab"),
    "a secret without a namespace": (("secrets", 0), ["", "b"]),
    "a secret whose key is bytes": (("secrets", 0), ["a", b"b"]),
    "unsorted secrets": (("secrets",), [["b", "a"], ["a", "b"]]),
    "unsorted keys": (("secrets",), [["a", "b"], ["a", "a"]]),
    "a secret twice": (("secrets",), [["a", "b"], ["a", "b"]]),
    "257 secrets": (("secrets",), [["main", f"{n:03}"] for n in range(257)]),
}
SUITES = {
    "other cipher": [32, 1, 3],
    "truth value for one": [32, True, 2],
    "fraction": [32.0, 1, 2],
    "shorter": [32, 1],
    "empty": [],
}


@pytest.mark.parametrize("case", WRONG)
def test_a_field_that_is_wrong_is_refused(case):
    assert rejected(changed(*WRONG[case])).code == "SR-ATTEST-001"


@pytest.mark.parametrize("case", SUITES)
def test_another_suite_is_refused(case):
    found = rejected(changed(("kem", "suite"), SUITES[case]))
    # A fraction never reaches the suite: our own structures hold none.
    assert found.code == ("SR-ATTEST-001" if case == "fraction" else "SR-ATTEST-005")


def test_another_profile_is_another_version():
    found = rejected(changed(("profile",), "strongroom/runtime-data/v2"))
    assert (found.code, found.got) == ("SR-ATTEST-004", "strongroom/runtime-data/v2")


def test_the_limits_themselves_are_accepted():
    whole = dataclasses.replace(runtime_data(), secrets=tuple(("main", f"{n:03}") for n in range(256)))
    whole = dataclasses.replace(whole, runner=RunnerBuild(build="é" * 64, svn=2**64 - 1))
    assert decode_runtime_data(whole.encode()) == whole


def test_more_than_64_kib_are_refused_before_they_are_parsed_and_are_not_made_either():
    assert rejected(b"\xff" * (64 * 1024 + 1)).code == "SR-ATTEST-002"
    wide = tuple((f"{n:0128}", "k" * 128) for n in range(256))
    with pytest.raises(EvidenceRejected) as caught:
        dataclasses.replace(runtime_data(), secrets=wide).encode()
    assert caught.value.code == "SR-ATTEST-002"


def test_what_may_not_be_read_is_not_written_either():
    data = runtime_data()
    for wrong in (
        dataclasses.replace(data, kind=""),
        dataclasses.replace(data, kind="\ud800"),
        dataclasses.replace(data, kem_pub=bytes(31)),
        dataclasses.replace(data, secrets=(("b", "a"), ("a", "a"))),
        dataclasses.replace(data, runner=RunnerBuild(build="b", svn=-1)),
        dataclasses.replace(data, runner=RunnerBuild(build="b", svn=2**64)),
    ):
        with pytest.raises(EvidenceRejected) as caught:
            wrong.encode()
        assert caught.value.code == "SR-ATTEST-001"


def test_every_cut_every_byte_behind_and_every_other_encoding_is_refused():
    for length in range(len(GOLDEN)):
        assert rejected(GOLDEN[:length]).code == "SR-ATTEST-001"
    assert rejected(GOLDEN + b"\0").code == "SR-ATTEST-001"
    whole = cbor.decode("test", GOLDEN)
    unsorted = dict(reversed(whole.items()))
    indefinite = b"\xbf" + GOLDEN[1:] + b"\xff"
    long_count = b"\xb8\x09" + GOLDEN[1:]
    twice = b"\xaa" + GOLDEN[1:] + cbor2.dumps("kind") + cbor2.dumps("tdx")
    tagged = b"\xd9\xd9\xf7" + GOLDEN
    for other in (cbor2.dumps(unsorted), indefinite, long_count, twice, tagged):
        assert rejected(other).code == "SR-ATTEST-001"


def test_every_flipped_bit_is_refused_or_is_another_digest():
    for place in range(len(GOLDEN)):
        mutated = bytearray(GOLDEN)
        mutated[place] ^= 1 << (place % 8)
        found = outcome(bytes(mutated))
        if isinstance(found, RuntimeData):
            assert found.encode() == bytes(mutated)
            assert found.report_data() != golden("runtime_data", "report_data")
        else:
            assert found in {"SR-ATTEST-001", "SR-ATTEST-004", "SR-ATTEST-005"}


@settings(max_examples=150)
@given(values)
def test_decoding_and_encoding_again_is_the_identity(data):
    encoded = data.encode()
    assert decode_runtime_data(encoded) == data
    assert decode_runtime_data(encoded).encode() == encoded


@settings(max_examples=100)
@given(values, values)
def test_two_runtime_data_have_two_encodings_and_two_digests(one, other):
    assert (one.encode() == other.encode()) is (one == other)
    assert (one.report_data() == other.report_data()) is (one == other)


def test_the_frame_of_the_digest_has_no_border_that_can_shift():
    assert report_data_of(b"ab") != report_data_of(b"a")
    assert report_data_of(GOLDEN) != report_data_of(GOLDEN + b"\0")


def test_a_fresh_key_proves_possession():
    key = SigningKey.generate()
    data = dataclasses.replace(runtime_data(), sig_pub=key.public)
    check_possession(data, prove_possession(data.encode(), key))
