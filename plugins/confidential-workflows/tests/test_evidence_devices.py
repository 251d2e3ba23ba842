"""Providers of hardware evidence against simulated devices: what they make passes the production verifiers.

None of this has seen hardware. What is tested is that requests and answers have the layout of Linux, that the binding
ends up where the verifiers look for it, and that nothing which is missing or broken becomes evidence.
"""

import cbor2
import pytest

from strongroom.attest.nitro import KIND as NITRO
from strongroom.errors import InvalidInput, Misconfigured, Unavailable, WrongState
from strongroom_confidential_workflows.providers.nitro import NitroProvider
from strongroom_confidential_workflows.providers.sev_guest import SevGuestProvider
from strongroom_confidential_workflows.providers.tsm import TsmProvider
from tests.fakes import pki_nitro, pki_snp
from tests.fakes.evidence_devices import ReportTree, certificate_table, device_at, nsm, refusing, sev_guest

CHAIN = pki_snp.chain()
TABLE = certificate_table(ark=CHAIN[2], vcek=CHAIN[0], ask=CHAIN[1])
ASKED = (pki_nitro.BOUND.report_data, pki_nitro.BOUND.nonce, pki_nitro.BOUND.kem_spki)
ASKED_SNP = (pki_snp.BOUND.report_data, pki_snp.BOUND.nonce, b"k" * 44)
QUOTE = b"a quote of a trust domain about "


def report(data):
    return pki_snp.made(report_data=data).body


def collected(provider, asked=ASKED_SNP):
    try:
        return provider.collect(*asked)
    finally:
        provider.close()


def unavailable(provider, why, asked=ASKED_SNP):
    with pytest.raises(Unavailable, match=why) as refused:
        collected(provider, asked)
    assert refused.value.code == "SR-EVID-004"


@pytest.fixture
def device(tmp_path):
    return device_at(tmp_path / "device")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Makes a report file system."""

    def tree(driver="sev_guest", answer=report, **options):
        return ReportTree(tmp_path / "report", monkeypatch, driver=driver, answer=answer, **options).root

    return tree


def test_a_document_of_the_nitro_module_holds_all_that_was_asked(device):
    evidence = collected(NitroProvider(device, ioctl=nsm()), ASKED)
    assert evidence.kind == NITRO
    claims = pki_nitro.verified(evidence)
    assert claims.is_bound
    assert claims.facts["nonce"] == pki_nitro.BOUND.nonce
    assert claims.facts["public_key"] == pki_nitro.BOUND.kem_spki


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (cbor2.dumps({"Error": "InvalidArgument"}), "it answered 'InvalidArgument'"),
        (cbor2.dumps({"Attestation": {}}), "no document"),
        (cbor2.dumps({"Attestation": {"document": "text"}}), "no document"),
        (cbor2.dumps({"Attestation": b"document"}), "no document"),
        (cbor2.dumps({"Random": {}}), "no document"),
        (cbor2.dumps([1]), "no document"),
        (b"\xff", "bytes that are none"),
        (b"", "bytes that are none"),
        (cbor2.dumps({"Error": "x"}) + b"\0", "after the end"),
    ],
    ids=["error", "empty", "text", "no map", "another answer", "list", "no CBOR", "nothing", "trailing"],
)
def test_another_answer_of_the_nitro_module_is_no_evidence(device, answer, why):
    unavailable(NitroProvider(device, ioctl=nsm(answer)), why, ASKED)


def test_an_answer_of_the_nitro_module_is_bounded(device):
    unavailable(NitroProvider(device, ioctl=nsm(says_bytes=0x3001)), "12289 bytes, and 12288 is the limit", ASKED)


def test_a_report_of_the_guest_device_comes_with_the_hosts_certificates(device):
    evidence = collected(SevGuestProvider(device, ioctl=sev_guest(table=TABLE)))
    assert evidence.endorsements == CHAIN
    assert pki_snp.verified(evidence).is_bound


def test_configured_certificates_come_before_those_of_the_host(device):
    table = certificate_table(vcek=b"another", ask=b"another", ark=b"another")
    evidence = collected(SevGuestProvider(device, endorsements=CHAIN, ioctl=sev_guest(table=table)))
    assert pki_snp.verified(evidence).is_bound


@pytest.mark.parametrize(
    "table",
    [
        b"",
        bytes(24),
        certificate_table(vcek=CHAIN[0], ask=CHAIN[1]),
        certificate_table(ask=CHAIN[1], ark=CHAIN[2]),
        TABLE[:-1],
        TABLE[:16] + b"\xff" * 8 + TABLE[24:],
        certificate_table(vcek=b"", ask=b"", ark=b""),
    ],
    ids=["none", "empty", "no root", "no leaf", "cut", "outside of the table", "of no size"],
)
def test_a_report_without_certificates_says_what_to_configure(tree, table):
    provider = TsmProvider("sev-snp", tree(table=table))
    with pytest.raises(Misconfigured, match="the host gave no certificates") as refused:
        collected(provider)
    assert refused.value.code == "SR-EVID-011"
    assert "VCEK" in refused.value.fix


@pytest.mark.parametrize(
    ("fault", "why"), [({"status": 0x16}, "status 16"), ({"size": 0}, "0 bytes"), ({"size": 1185}, "1185 bytes")]
)
def test_a_guest_device_that_gives_no_report_gives_no_evidence(device, fault, why):
    unavailable(SevGuestProvider(device, endorsements=CHAIN, ioctl=sev_guest(**fault)), why)


@pytest.mark.parametrize(("made", "asked"), [(NitroProvider, ASKED), (SevGuestProvider, ASKED_SNP)])
def test_a_device_that_refuses_is_named(device, made, asked):
    unavailable(made(device, ioctl=refusing), f"{device} gave no usable evidence: it refused", asked)


def test_a_report_of_the_file_system_is_bound(tree):
    root = tree(table=TABLE)
    evidence = collected(TsmProvider("sev-snp", root))
    assert evidence.endorsements == CHAIN
    assert pki_snp.verified(evidence).is_bound
    assert list(root.iterdir()) == [], "the entry is taken away"


def test_a_kernel_without_a_table_of_certificates_needs_configured_ones(tree):
    evidence = collected(TsmProvider("sev-snp", tree(without=("auxblob",)), endorsements=CHAIN))
    assert pki_snp.verified(evidence).is_bound


def test_a_quote_of_a_trust_domain_comes_with_the_configured_collateral(tree):
    root = tree("tdx_guest", lambda data: QUOTE + data)
    evidence = collected(TsmProvider("tdx", root, endorsements=(b"collateral",)))
    assert evidence.body == QUOTE + ASKED_SNP[0] + bytes(32)
    assert (evidence.kind, evidence.endorsements) == ("tdx", (b"collateral",))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda data: b"", "it is empty"),
        (lambda data: report(data)[:-1], "1183 bytes where a report has 1184"),
        (lambda data: report(data) + b"\0", "1185 bytes where a report has 1184"),
        (lambda data: bytes(16 * 1024 + 1), "more than 16384 bytes"),
    ],
    ids=["empty", "cut", "longer", "too large"],
)
def test_a_file_system_that_gives_no_report_gives_no_evidence(tree, answer, why):
    unavailable(TsmProvider("sev-snp", tree(answer=answer), endorsements=CHAIN), why)


def test_an_entry_gives_one_report(tree):
    provider = TsmProvider("sev-snp", tree(table=TABLE))
    provider.collect(*ASKED_SNP)
    with pytest.raises(WrongState) as refused:
        collected(provider)
    assert refused.value.code == "SR-EVID-012"


@pytest.mark.parametrize(("kind", "driver"), [("sev-snp", "tdx_guest"), ("tdx", "sev_guest"), ("tdx", "")])
def test_the_driver_of_another_kind_is_refused(tree, kind, driver):
    root = tree(driver, without=("inblob", "outblob"))
    with pytest.raises(Misconfigured, match=f"evidence kind {kind} needs the driver") as refused:
        TsmProvider(kind, root)
    assert refused.value.code == "SR-EVID-013"
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", ["provider", "inblob"])
def test_a_file_that_the_kernel_does_not_have_is_named(tree, name):
    with pytest.raises(Misconfigured, match=f"/{name}: No such file") as refused:
        TsmProvider("tdx", tree("tdx_guest", without=(name, "inblob", "outblob")))
    assert refused.value.code == "SR-EVID-002"


@pytest.mark.parametrize(
    ("sizes", "field"), [((31, 32, 44), "report_data"), ((32, 64, 44), "nonce"), ((32, 32, 32), "kem_spki")]
)
def test_what_is_asked_has_its_size_for_every_device(device, tree, sizes, field):
    asked = [b"x" * size for size in sizes]
    providers = [
        NitroProvider(device, ioctl=refusing),
        SevGuestProvider(device, ioctl=refusing),
        TsmProvider("tdx", tree("tdx_guest")),
    ]
    for provider in providers:
        with pytest.raises(InvalidInput, match=field) as refused:
            collected(provider, asked)
        assert refused.value.code == "SR-EVID-001"
