"""The door to the library: what it says becomes a code of ours, and what breaks it refuses."""

import sys
from types import SimpleNamespace

import pytest

from strongroom.attest import codes
from strongroom.attest.dcap_library import TEXTS, fmspc_of, verified_claims
from strongroom.errors import EvidenceRejected
from tests.fakes.pki_dcap import NOW, Platform


class PanicException(BaseException):
    """The name under which a panic of Rust arrives; nothing catches it by accident."""


@pytest.fixture
def says(monkeypatch):
    """Put in the place of the library one that raises."""

    def put(error):
        def fail(*_arguments, **_named):
            raise error

        module = SimpleNamespace(
            parse_quote=fail,
            QuoteVerifier=lambda **_named: SimpleNamespace(verify_with_policy=fail),
            QuoteCollateralV3=SimpleNamespace(from_json=str),
            QuotePolicy=SimpleNamespace(claims_only=str),
        )
        monkeypatch.setitem(sys.modules, "dcap_qvl", module)

    return put


def refused(call):
    with pytest.raises(EvidenceRejected) as caught:
        call()
    return caught.value


def verify():
    return verified_claims("tdx", b"quote", "{}", b"root", NOW)


@pytest.mark.parametrize(("text", "code"), TEXTS, ids=[text for text, _ in TEXTS])
def test_what_the_library_says_has_a_code(says, text, code):
    says(ValueError(f"Verification failed: {text} (and more)"))
    error = refused(verify)
    assert error.code == code
    assert error.check == "tdx/verification"
    assert text in error.got


def test_the_first_row_counts_and_every_row_can_be_reached():
    for number, (text, _) in enumerate(TEXTS):
        assert not any(earlier in text for earlier, _ in TEXTS[:number]), text


def test_a_text_that_nobody_knows_is_a_signature_that_does_not_verify(says):
    says(ValueError("Verification failed: the moon is full"))
    assert refused(verify).code == codes.SIGNATURE


def test_a_long_text_is_cut(says):
    says(ValueError("x" * 10_000))
    assert len(refused(verify).got) == 200


def test_a_panic_refuses_like_any_other_failure(says):
    says(PanicException("index out of range"))
    for call in (verify, lambda: fmspc_of("tdx", b"quote")):
        error = refused(call)
        assert (error.code, error.check) == ("SR-ATTEST-034", "tdx/verification")
        assert "index out of range" in error.got


def test_what_ends_the_process_is_no_refusal(says):
    says(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        verify()


def test_without_the_library_there_is_no_verifier_and_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dcap_qvl", None)
    error = refused(lambda: fmspc_of("sgx", b"quote"))
    assert (error.code, error.check, error.got) == ("SR-ATTEST-003", "sgx/library", "no dcap-qvl")
    assert "strongroom[dcap]" in error.fix


def test_claims_that_are_no_json_are_refused(monkeypatch):
    verifier = SimpleNamespace(verify_with_policy=lambda *_arguments: SimpleNamespace(to_json=lambda: "{"))
    module = SimpleNamespace(
        QuoteVerifier=lambda **_named: verifier,
        QuoteCollateralV3=SimpleNamespace(from_json=str),
        QuotePolicy=SimpleNamespace(claims_only=str),
    )
    monkeypatch.setitem(sys.modules, "dcap_qvl", module)
    assert refused(verify).code == "SR-ATTEST-001"


def test_the_real_library_reads_the_family_of_a_platform():
    assert fmspc_of("tdx", Platform().quote()).lower() == "90c06f000000"
    assert refused(lambda: fmspc_of("tdx", b"quote")).code in {"SR-ATTEST-001", "SR-ATTEST-006"}
