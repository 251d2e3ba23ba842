"""Real quotes of TPMs, where they are at hand: from containers of others, so each part by itself."""

import base64
from datetime import datetime
from hashlib import sha256

from strongroom.attest import codes
from strongroom.attest.evidence import Binding, EvidenceLimits
from strongroom.attest.tpm_quote import check_quote, parse_quote, quote_facts
from strongroom.attest.tpm_structures import parse_attest
from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.public_keys import load_public_key
from strongroom.errors import EvidenceRejected
from tests.fakes.attestation_samples import SAMPLES, assert_facts, sample_bytes, sample_cases, sample_json

# What the README beside the sample says of its registers.
SWTPM_PCRS = {0: bytes(32), 7: bytes(32), 16: sha256(bytes(32) + sha256(b"enclave-runner-v1").digest()).digest()}


def cases():
    return {case["name"]: case for case in sample_cases("tpm2", 2)}


def swtpm(case):
    pem = (SAMPLES / case["parts"]["ak"]["file"]).read_text()
    ak = load_public_key(base64.b64decode("".join(pem.splitlines()[1:-1])))
    return sample_bytes(case["body"]), sample_bytes(case["parts"]["signature"]), ak, SWTPM_PCRS


def rsa(case):
    found = sample_json(case["body"])
    quote = found["tpm_quote"]
    pcrs = {register: bytes.fromhex(value) for register, value in enumerate(quote["pcrs"])}
    message, signature = (base64.b64decode(quote[name]) for name in ("message", "signature"))
    return message, signature, load_public_key(base64.b64decode(found["ak_public"])), pcrs


def facts(parts, expected=None):
    """The facts, or the code of the refusal."""
    message, signature, ak, pcrs = parts
    try:
        signed = parse_quote("tpm", message, signature, ak, EvidenceLimits())
        check_quote("tpm", signed, pcrs, expected=expected)
    except EvidenceRejected as error:
        return error.code
    return quote_facts(signed.quote, pcrs)


def test_every_sample_is_authentic_and_its_values_are_those_that_were_quoted():
    for name, read in (("tpm-swtpm-ecdsa", swtpm), ("tpm-rsa", rsa)):
        case = cases()[name]
        assert case["outcome"] == "accept"
        assert_facts(case, facts(read(case)))


def test_the_software_tpm_quoted_what_it_was_asked_for():
    case = cases()["tpm-swtpm-ecdsa"]
    nonce = bytes.fromhex((SAMPLES / "tpm" / "swtpm" / "nonce.hex").read_text().strip())
    found = facts(swtpm(case), Binding(report_data=nonce, nonce=b"n" * 32, kem_spki=b"k" * 44))
    assert (found["reset_count"], found["restart_count"], sorted(found["pcrs"])) == (2, 0, [0, 7, 16])


def test_a_sample_of_another_shape_is_bound_to_nothing_of_ours():
    found = rsa(cases()["tpm-rsa"])
    extra_data = facts(found)["extra_data"]
    assert len(extra_data) == 64
    for report_data in (extra_data[:32], b"r" * 32):
        expected = Binding(report_data=report_data, nonce=b"n" * 32, kem_spki=b"k" * 44)
        assert facts(found, expected) == codes.BINDING


def test_no_flipped_byte_of_a_sample_is_taken():
    for name, read in (("tpm-swtpm-ecdsa", swtpm), ("tpm-rsa", rsa)):
        message, signature, ak, pcrs = read(cases()[name])
        for position in range(len(message)):
            changed = message[:position] + bytes((message[position] ^ 0x41,)) + message[position + 1 :]
            assert isinstance(facts((changed, signature, ak, pcrs)), str), position
        for position in range(len(signature)):
            changed = signature[:position] + bytes((signature[position] ^ 0x41,)) + signature[position + 1 :]
            assert isinstance(facts((message, changed, ak, pcrs)), str), position


def test_the_key_of_one_sample_did_not_sign_the_other():
    message, signature, _ak, pcrs = swtpm(cases()["tpm-swtpm-ecdsa"])
    assert facts((message, signature, rsa(cases()["tpm-rsa"])[2], pcrs)) == codes.ALGORITHM


def test_attested_bytes_alone_are_read():
    cases()
    quote = parse_attest("tpm", (SAMPLES / "tpm" / "dstack_tpms_attest_sample.bin").read_bytes())
    assert (quote.selection, quote.extra_data.hex()) == ((0, 1, 2), "12345678")


def test_the_certificate_of_a_software_endorsement_key_says_what_it_is_for():
    cases()
    certificate = load_certificate((SAMPLES / "tpm" / "swtpm" / "ekecc.der").read_bytes())
    assert "2.23.133.8.1" in certificate.extended_usages
    assert certificate.is_valid_at(datetime.fromisoformat("2027-01-01T00:00:00Z"))
