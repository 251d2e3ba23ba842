"""Every real sample that is accepted, where they are at hand: one flipped byte in every region, cut, lengthened."""

from dataclasses import replace

import cbor2
import pytest

from strongroom.attest import codes
from strongroom.attest.evidence import Binding
from strongroom.attest.verifiers import VERIFIERS
from tests.attest import test_azure_samples, test_dcap_samples, test_nitro_samples, test_snp_samples
from tests.fakes.attestation_samples import outcome, sample_cases

COUNT_MIN = {"nitro": 4, "sev-snp": 6, "az-snp-vtpm": 4, "tdx": 2, "sgx": 1}
EVIDENCE = {
    "nitro": test_nitro_samples.evidence,
    "sev-snp": test_snp_samples.evidence,
    "az-snp-vtpm": test_azure_samples.evidence,
    "tdx": test_dcap_samples.evidence,
    "sgx": test_dcap_samples.evidence,
}
FLIPS = 8
"""Positions in each region: its two ends, and evenly between them."""
CUTS = 40
OTHER = Binding(report_data=b"x" * 32, nonce=b"x" * 32, kem_spki=b"x" * 44)
SIGNED = {codes.SIGNATURE}
CERTIFICATE = {
    codes.MALFORMED,
    codes.ALGORITHM,
    codes.CHAIN,
    codes.ANCHOR,
    codes.EXPIRED,
    codes.NOT_YET_VALID,
    codes.SIGNATURE,
}
EVERY_KIND = pytest.mark.parametrize("kind", COUNT_MIN)


def accepted(kind):
    """Cases with their evidence. Skips the test where the samples are absent."""
    cases = [each for each in sample_cases(kind, COUNT_MIN[kind]) if each["outcome"] == "accept"]
    assert len(cases) >= COUNT_MIN[kind]
    return [(case, EVIDENCE[kind](case)) for case in cases]


def found(untrusted, case, expected=None, at=None):
    return outcome(VERIFIERS[untrusted.kind], untrusted, at or case["at"], expected)


def at(raw, piece, allowed):
    """Where ``piece`` stands in ``raw``, and what a flipped byte of it may come to."""
    start = raw.index(piece)
    return start, start + len(piece), allowed


def nitro(raw):
    """Regions of a document."""
    protected, _, payload, signature = cbor2.loads(raw)
    fields = cbor2.loads(payload)
    yield "header", at(raw, protected, {codes.ALGORITHM})
    yield "signature", at(raw, signature, SIGNED)
    yield "module id", at(raw, fields["module_id"].encode(), {codes.SIGNATURE, codes.MALFORMED})
    yield "digest", at(raw, b"SHA384", {codes.ALGORITHM, codes.MALFORMED})
    for name in ("user_data", "nonce"):
        if fields[name]:
            yield name, at(raw, fields[name], SIGNED)
    for number, value in fields["pcrs"].items():
        if any(value):
            yield f"pcr {number}", at(raw, value, SIGNED)
    for number, each in enumerate([*fields["cabundle"], fields["certificate"]]):
        yield f"certificate {number}", at(raw, each, CERTIFICATE)


def snp(_raw, base=0):
    """Regions of a report, by their offsets."""
    layout = {
        "version": (0x00, 0x04, {codes.UNSUPPORTED_VERSION, codes.MALFORMED, *SIGNED}),
        "policy": (0x08, 0x10, {codes.MALFORMED, *SIGNED}),
        "family, image and vmpl": (0x10, 0x34, SIGNED),
        "algorithm": (0x34, 0x38, {codes.ALGORITHM}),
        "current_tcb": (0x38, 0x40, SIGNED),
        "key_info": (0x48, 0x4C, {codes.MALFORMED, codes.CHAIN, *SIGNED}),
        "report_data, measurement and host_data": (0x50, 0xE0, SIGNED),
        "digests and ids": (0xE0, 0x188, SIGNED),
        "zeros": (0x18B, 0x1A0, {codes.MALFORMED}),
        "chip_id": (0x1A0, 0x1E0, {codes.MALFORMED, *SIGNED}),
        "committed_tcb": (0x1E0, 0x1EB, SIGNED),
        "launch_tcb": (0x1F0, 0x1F8, SIGNED),
        "more zeros": (0x1F8, 0x2A0, {codes.MALFORMED}),
        "r": (0x2A0, 0x2D0, SIGNED),
        "high bits of r": (0x2D0, 0x2E8, {codes.MALFORMED}),
        "s": (0x2E8, 0x318, SIGNED),
        "high bits of s": (0x318, 0x330, {codes.MALFORMED}),
        "after s": (0x330, 0x4A0, {codes.MALFORMED}),
    }
    for name, (start, end, allowed) in layout.items():
        yield name, (base + start, base + end, allowed)


def azure(raw):
    """Regions of the map around report and quote."""
    fields = cbor2.loads(raw)
    hcl = raw.index(fields["hcl_report"])
    header = {codes.MALFORMED, codes.UNSUPPORTED_VERSION, codes.ALGORITHM}
    yield "header", (hcl, hcl + 0x20, header)
    yield "runtime header", (hcl + 0x4C0, hcl + 0x4D4, header)
    size = int.from_bytes(fields["hcl_report"][0x4D0:0x4D4], "little")
    wrong_json = {codes.BINDING, codes.MALFORMED, codes.ALGORITHM}
    yield "JSON", (hcl + 0x4D4, hcl + 0x4D4 + size, wrong_json)
    yield "attest", at(raw, fields["attest"], {codes.MALFORMED, codes.ALGORITHM, *SIGNED})
    yield "signature", at(raw, fields["signature"], {codes.MALFORMED, codes.ALGORITHM, *SIGNED})
    yield "VCEK", at(raw, fields["vcek"], CERTIFICATE)
    for number, value in fields["pcrs"].items():
        if any(value) and raw.count(value) == 1:
            yield f"pcr {number}", at(raw, value, {codes.MEASUREMENT})
    yield from (each for each in snp(raw, hcl + 0x20) if "zeros" not in each[0])


def quote(raw):
    """Regions of a DCAP quote."""
    version = int.from_bytes(raw[:2], "little")
    body = 54 if version == 5 else 48
    size = {3: 384, 4: 584, 5: int.from_bytes(raw[50:54], "little")}[version]
    end = body + size
    header = {codes.UNSUPPORTED_VERSION, codes.ALGORITHM, codes.UNSUPPORTED_KIND, codes.IDENTITY, codes.MALFORMED}
    chain = raw.index(b"-----BEGIN")
    yield "header", (0, 28, header | SIGNED)
    yield "user data", (28, 48, SIGNED)
    # Attributes and firmware are compared by the library before it looks at the signature over them.
    yield "body", (body, end, {*SIGNED, codes.TCB, codes.DEBUG, codes.CONFIG, codes.PRIVILEGE, codes.IDENTITY})
    yield "length", (end, end + 4, {codes.MALFORMED})
    yield "signature", (end + 4, end + 68, SIGNED)
    yield "attestation key", (end + 68, end + 132, SIGNED)
    inner = end + 132 + (0 if version == 3 else 6)
    yield "report of the quoting enclave", (inner, inner + 384, {*SIGNED, codes.TCB, codes.IDENTITY, codes.DEBUG})
    yield "its signature", (inner + 384, inner + 448, SIGNED)
    # A line end has more than one spelling, so only the text between two of them.
    yield "chain", (chain + 28, chain + 90, {*CERTIFICATE, codes.COLLATERAL_MISSING, codes.TCB, codes.UNSUPPORTED_KIND})


REGIONS = {"nitro": nitro, "sev-snp": snp, "az-snp-vtpm": azure, "tdx": quote, "sgx": quote}


@EVERY_KIND
def test_one_flipped_byte_in_every_region_of_every_sample_is_refused_by_its_check(kind):
    for case, whole in accepted(kind):
        for name, (start, end, allowed) in REGIONS[kind](whole.body):
            for position in {start, end - 1, *range(start, end, max(1, (end - start) // FLIPS))}:
                flipped = bytearray(whole.body)
                flipped[position] ^= 1 << position % 8
                code = found(replace(whole, body=bytes(flipped)), case)
                assert code in allowed, (case["name"], name, position)


@EVERY_KIND
def test_every_flipped_byte_of_the_chain_beside_a_sample_is_refused(kind):
    for case, whole in accepted(kind):
        good = found(whole, case)
        for place, der in enumerate(whole.endorsements if kind in {"sev-snp", "az-snp-vtpm"} else ()):
            for position in range(0, len(der), len(der) // (FLIPS * 4)):
                flipped = bytearray(der)
                flipped[position] ^= 1 << position % 8
                chain = tuple(bytes(flipped) if n == place else each for n, each in enumerate(whole.endorsements))
                code = found(replace(whole, endorsements=chain), case)
                # The parameters of an outer signature are not signed: they change nothing that is said.
                assert code in CERTIFICATE or code.facts == good.facts, (case["name"], place, position)


@EVERY_KIND
def test_every_cut_and_every_tail_of_every_sample_is_malformed(kind):
    for case, whole in accepted(kind):
        body = whole.body[: len(whole.body) - case["body"].get("zero_padding", 0)]
        for length in range(0, len(body), len(body) // CUTS):
            assert found(replace(whole, body=body[:length]), case) == codes.MALFORMED, (case["name"], length)
        for tail in (b"\1", b"\0\1", b"\0" * 257, b"text after the end", whole.body):
            assert found(replace(whole, body=body + tail), case) == codes.MALFORMED, (case["name"], tail[:9])


@EVERY_KIND
def test_no_sample_is_evidence_of_an_execution_of_ours(kind):
    for case, whole in accepted(kind):
        assert found(whole, case, OTHER) == codes.BINDING, case["name"]


@EVERY_KIND
def test_no_sample_holds_before_it_was_made_or_long_after(kind):
    for case, whole in accepted(kind):
        early, late = found(whole, case, at="2019-01-01T00:00:00Z"), found(whole, case, at="2060-01-01T00:00:00Z")
        assert early == codes.NOT_YET_VALID, case["name"]
        assert late in {codes.EXPIRED, codes.COLLATERAL_EXPIRED}, case["name"]
