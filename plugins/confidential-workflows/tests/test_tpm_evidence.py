"""Evidence of a software TPM goes through the production verifier, and everything that is wrong with it is found."""

from dataclasses import replace
from datetime import UTC, datetime

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.attest.appraise_kinds import check_counts
from strongroom.attest.checks import FAILED
from strongroom.attest.codes import BINDING, MEASUREMENT, SIGNATURE, STALE
from strongroom.attest.evidence import NO_ASSURANCE, VTPM_UNTRUSTED, Binding, EvidenceLimits
from strongroom.attest.findings import Findings
from strongroom.attest.tpm import verify_insecure_swtpm, verify_tpm2
from strongroom.attest.tpm_keys import parse_public
from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.errors import EvidenceRejected, InvalidInput, Tampered, Unavailable
from strongroom.tpm.wire import TpmRefused
from strongroom_confidential_workflows.providers.choice import EvidenceSettings, open_provider
from strongroom_confidential_workflows.providers.tpm2 import TpmProvider
from strongroom_confidential_workflows.providers.tpm_counter import NvCounter
from strongroom_confidential_workflows.providers.tpm_keys import create_ak
from strongroom_confidential_workflows.providers.tpm_registers import quote, read_registers
from tests.fakes.software_tpm import SoftwareTpm, extend, needs_swtpm

pytestmark = needs_swtpm
NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
LIMITS = EvidenceLimits()
BOUND = Binding(report_data=b"r" * 32, nonce=b"n" * 32, kem_spki=b"k" * 44)
ASKED = (BOUND.report_data, BOUND.nonce, BOUND.kem_spki)
REGISTERS = frozenset({0, 7, 16})


@pytest.fixture
def tpm(tmp_path):
    tpm = SoftwareTpm(tmp_path).start()
    yield tpm
    tpm.stop()


@pytest.fixture
def provider(tpm):
    provider = TpmProvider.open(tpm.path, registers=REGISTERS)
    yield provider
    provider.close()


def verified(evidence, expected=BOUND):
    return verify_tpm2(evidence, expected=expected, now=NOW, anchors=frozenset(), limits=LIMITS)


def refusal(evidence, expected=BOUND):
    with pytest.raises(EvidenceRejected) as refused:
        verified(evidence, expected)
    return refused.value.code, refused.value.check


def collected(tpm):
    provider = TpmProvider.open(tpm.path, registers=REGISTERS)
    try:
        return provider.collect(*ASKED)
    finally:
        provider.close()


def changed(evidence, **fields):
    return replace(evidence, body=cbor2.dumps(cbor2.loads(evidence.body) | fields, canonical=True))


def test_a_quote_of_the_tpm_verifies_and_is_bound(provider):
    claims = verified(provider.collect(*ASKED))
    assert claims.is_bound
    assert claims.assurance == VTPM_UNTRUSTED
    assert claims.facts["ak_name"] == parse_public("tpm", provider.ak_public).name
    assert claims.facts["pcrs"] == {0: bytes(32), 7: bytes(32), 16: bytes(32)}
    assert claims.facts["extra_data"] == BOUND.report_data


def test_all_registers_can_be_quoted_though_the_tpm_gives_eight_at_a_time(tpm):
    provider = open_provider(EvidenceSettings(kind="tpm2", device=tpm.path, pcrs=frozenset(range(24))))
    try:
        claims = verified(provider.collect(*ASKED))
    finally:
        provider.close()
    assert sorted(claims.facts["pcrs"]) == list(range(24))
    assert claims.facts["pcrs"][17] == b"\xff" * 32, "a register that only a late launch resets"


def test_the_same_tpm_has_the_same_attestation_key_after_a_reset_and_another_tpm_another(tpm, tmp_path):
    first = verified(collected(tpm)).facts
    tpm.restart()
    second = verified(collected(tpm)).facts
    assert second["ak_name"] == first["ak_name"]
    (tmp_path / "other").mkdir()
    other = SoftwareTpm(tmp_path / "other").start()
    try:
        assert verified(collected(other)).facts["ak_name"] != first["ak_name"]
    finally:
        other.stop()


def test_a_quote_for_another_challenge_is_refused(provider):
    evidence = provider.collect(b"x" * 32, BOUND.nonce, BOUND.kem_spki)
    assert refusal(evidence) == (BINDING, "tpm/5 extraData")


def test_a_quote_that_was_made_before_is_refused_for_a_new_challenge(provider):
    evidence = provider.collect(*ASKED)
    assert verified(evidence).is_bound
    assert refusal(evidence, replace(BOUND, report_data=b"s" * 32)) == (BINDING, "tpm/5 extraData")


def test_a_register_that_changes_shows_and_cannot_be_hidden(tpm, provider):
    before = provider.collect(*ASKED)
    extend(provider._wire, 16, b"another kernel")
    after = provider.collect(*ASKED)
    assert verified(after).facts["pcrs"][16] != verified(before).facts["pcrs"][16]
    hidden = changed(after, pcrs=cbor2.loads(before.body)["pcrs"])
    assert refusal(hidden) == (MEASUREMENT, "tpm/6 pcrDigest")


def test_a_register_that_changes_while_it_is_quoted_is_read_again(tpm, monkeypatch):
    with tpm.wire() as wire:
        ak = create_ak(wire)
        reads = []

        def changing(wire, registers):
            values = read_registers(wire, registers)
            if not reads:
                extend(wire, 16, b"in between")
            reads.append(values)
            return values

        module = "strongroom_confidential_workflows.providers.tpm_registers.read_registers"
        monkeypatch.setattr(module, changing)
        quoted = quote(wire, ak, b"r" * 32, REGISTERS)
    assert len(reads) == 2
    assert quoted.values == reads[1] != reads[0]


def test_registers_that_never_stand_still_are_not_quoted(tpm, monkeypatch):
    with tpm.wire() as wire:
        ak = create_ak(wire)

        def changing(wire, registers):
            values = read_registers(wire, registers)
            extend(wire, 16, b"in between")
            return values

        module = "strongroom_confidential_workflows.providers.tpm_registers.read_registers"
        monkeypatch.setattr(module, changing)
        with pytest.raises(Unavailable, match="do not stand still") as refused:
            quote(wire, ak, b"r" * 32, REGISTERS)
    assert refused.value.code == "SR-EVID-009"


def test_the_signature_of_another_key_is_refused(provider):
    other = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    public = provider.ak_public[: -64 - 4]
    for each in (other.x, other.y):
        public += b"\0\x20" + each.to_bytes(32, "big")
    assert refusal(changed(provider.collect(*ASKED), ak_public=public)) == (SIGNATURE, "tpm/4 signature")


def test_a_tpm_that_was_set_back_is_found_by_its_reset_count(tpm):
    old = tpm.saved("old")
    tpm.restart()
    last = verified(collected(tpm)).facts
    tpm.set_back(old)
    facts = verified(collected(tpm)).facts
    assert facts["reset_count"] < last["reset_count"]
    found = Findings("policy.toml")
    check_counts("tpm/7 counts", facts, (last["reset_count"], last["restart_count"]), found)
    assert [(each.outcome, each.code) for each in found.checks] == [(FAILED, STALE)]


def test_a_counter_that_was_set_back_is_found(tpm):
    with tpm.wire() as wire:
        counter = NvCounter(wire)
        counter.define()
        counter.define()
        first = counter.read()
    old = tpm.saved("old")
    with tpm.wire() as wire:
        kept = NvCounter(wire).increment()
        assert kept == first + 1
        assert NvCounter(wire).check(kept) == kept
    tpm.set_back(old)
    with tpm.wire() as wire, pytest.raises(Tampered, match="the counter of the TPM") as refused:
        NvCounter(wire).check(kept)
    assert refused.value.details == {"found": first, "kept": kept}


def test_a_counter_that_was_never_defined_is_no_zero(tpm):
    with tpm.wire() as wire, pytest.raises(TpmRefused):
        NvCounter(wire).read()


@pytest.mark.parametrize("size", [0, 31, 33, 66, 67])
def test_qualifying_data_has_32_bytes(provider, size):
    with pytest.raises(InvalidInput, match=f"report_data has {size} bytes") as refused:
        provider.collect(b"r" * size, BOUND.nonce, BOUND.kem_spki)
    assert refused.value.code == "SR-EVID-001"


def test_the_tpm_itself_refuses_67_bytes_of_qualifying_data_and_goes_on(tpm):
    with tpm.wire() as wire:
        ak = create_ak(wire)
        assert quote(wire, ak, b"r" * 66, REGISTERS).attest
        with pytest.raises(TpmRefused) as refused:
            quote(wire, ak, b"r" * 67, REGISTERS)
        assert refused.value.response == 0x1D5
        assert quote(wire, ak, b"r" * 32, REGISTERS).attest


def test_a_tpm_that_ends_while_it_is_used_gives_no_evidence_and_can_be_closed(tpm):
    provider = TpmProvider.open(tpm.path, registers=REGISTERS)
    tpm.kill()
    with pytest.raises(Unavailable) as refused:
        provider.collect(*ASKED)
    assert refused.value.code == "SR-EVID-006"
    provider.close()


def test_a_software_tpm_certified_by_a_development_ca_is_worth_nothing(tpm):
    with tpm.wire() as wire:
        ak = parse_public("tpm", create_ak(wire).public)
    tpm.restart()
    authority = DevelopmentAuthority.generate(now=NOW)
    chain = (authority.certify(ak.key, now=NOW), authority.certificate)
    settings = EvidenceSettings(kind="insecure-swtpm", device=tpm.path, pcrs=REGISTERS, endorsements=chain)
    provider = open_provider(settings)
    try:
        evidence = provider.collect(*ASKED)
    finally:
        provider.close()
    anchors = frozenset({load_certificate(authority.certificate).fingerprint})
    claims = verify_insecure_swtpm(evidence, expected=BOUND, now=NOW, anchors=anchors, limits=LIMITS)
    assert claims.assurance == NO_ASSURANCE
    assert claims.is_bound
