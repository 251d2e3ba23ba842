"""Certificates of an attacker: the right names, the wrong keys; the edges of time; and both forms of a signature."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.attest import codes
from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.public_keys import PublicKey
from tests.fakes import pki_dcap, pki_nitro, pki_snp, pki_software, pki_tpm
from tests.fakes.dcap_verified import code_of
from tests.fakes.good_evidence import good
from tests.fakes.seeded_rsa import rsa_key

TICK = timedelta(microseconds=1)
P384_ORDER = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
P256_ORDER = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
MINE = pki_nitro.key("attacker")
CHAINS_OF_LEAVES = ("sev-snp", "tpm2", "insecure-swtpm", "insecure-software")


def nitro(**named):
    """A document whose certificates are those of the attacker from the one that is named downwards."""
    path, key_above = [], pki_nitro.key("root")
    subjects = (*pki_nitro.AUTHORITIES, "enclave")
    for issuer, subject in zip(("root", *pki_nitro.AUTHORITIES), subjects, strict=True):
        own = MINE if subject in named.get("of", ()) else pki_nitro.key(subject)
        signer = MINE if subject in named["signed"] else key_above
        path.append(pki_nitro.certificate(subject, issuer, is_authority=subject != "enclave", of=own, signed_by=signer))
        key_above = own
    if "root" not in named["signed"]:
        path[0] = pki_nitro.bundle()[0]
    fields = pki_nitro.payload(cabundle=path[:-1], certificate=path[-1])
    return pki_nitro.evidence(pki_nitro.Signed(cbor2.dumps(fields), signer=key_above).body())


def test_a_whole_pki_of_the_same_names_is_not_that_of_the_maker():
    everybody = {"root", "region", "zone", "instance", "enclave"}
    pki_nitro.refused(nitro(signed=everybody, of=everybody), codes.ANCHOR, "nitro/4")
    pki_nitro.refused(nitro(signed={"root"}, of={"root"}), codes.ANCHOR, "nitro/4")


@pytest.mark.parametrize("subject", ["region", "zone", "instance", "enclave"])
def test_an_authority_of_the_same_name_below_the_true_root_is_not_one_of_the_maker(subject):
    found = pki_nitro.refused(nitro(signed={subject}, of={subject}), codes.CHAIN, "nitro/5")
    assert "not issued by the one before it" in found.got


@pytest.mark.parametrize("subject", ["region", "zone", "instance"])
def test_a_true_authority_that_the_attacker_signed_as_well_is_not_on_a_path(subject):
    pki_nitro.refused(nitro(signed={subject}), codes.CHAIN, "nitro/5")


def test_a_leaf_with_the_name_of_the_root_is_no_root():
    leaf = pki_nitro.certificate("enclave", "instance", is_authority=False, is_named="root", signed_by=MINE)
    pki_nitro.refused(pki_nitro.document(certificate=leaf), codes.CHAIN, "nitro/5")
    own = pki_nitro.certificate("root", "root", is_authority=False, of=MINE, signed_by=MINE)
    pki_nitro.refused(pki_nitro.document(certificate=own), codes.CHAIN, "nitro/5")


NOT_UNDERSTOOD = {
    "unknown": x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"),
    "names": x509.NameConstraints(permitted_subtrees=[x509.DNSName("example.org")], excluded_subtrees=None),
    "policies": x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None),
}


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_what_a_certificate_says_must_be_understood_is_understood_or_refused(name):
    critical = NOT_UNDERSTOOD[name]
    instance = pki_nitro.certificate("instance", "zone", is_authority=True, path_length=0, critical=critical)
    for fields in (
        {"certificate": pki_nitro.leaf(critical=critical)},
        {"cabundle": [*pki_nitro.bundle()[:3], instance]},
    ):
        found = pki_nitro.refused(pki_nitro.document(**fields), codes.CHAIN, "nitro/5")
        assert critical.oid.dotted_string in found.got
    usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(pki_tpm.EK_USAGE)])
    assert pki_nitro.verified(pki_nitro.document(certificate=pki_nitro.leaf(critical=usage))).is_bound


def test_the_same_names_in_the_chain_of_a_report_are_refused():
    ark, ask = rsa_key("tpm ak"), rsa_key("snp issuer")
    true = pki_snp.made().evidence()
    mine = pki_snp.root(public=rsa_key("snp issuer").public_key(), signer=rsa_key("snp issuer"))
    ask_by_me = pki_snp.issuer(signer=ask)
    leaf_by_me = pki_snp.leaf(signer=rsa_key("snp ark"))
    for chain, code in (
        ((*true.endorsements[:2], mine), codes.ANCHOR),
        ((true.endorsements[0], ask_by_me, true.endorsements[2]), codes.CHAIN),
        ((leaf_by_me, *true.endorsements[1:]), codes.CHAIN),
        ((pki_snp.leaf(public=pki_nitro.key("x").public_key()), *true.endorsements[1:]), codes.SIGNATURE),
    ):
        pki_snp.refused(replace(true, endorsements=chain), code, "snp/")
    small = pki_snp.issuer(signer=ark, public=ark.public_key())
    pki_snp.refused(replace(true, endorsements=(true.endorsements[0], small, true.endorsements[2])), codes.ALGORITHM)


def test_the_same_names_beside_a_quote_are_refused():
    mine = pki_tpm.certificate("maker", "maker", of=pki_tpm.key("x"), signed_by=pki_tpm.key("x"), ca=True)
    leaf = pki_tpm.certificate("ek", "maker", of=pki_tpm.EK, signed_by=pki_tpm.key("x"), usages=(pki_tpm.EK_USAGE,))
    body = pki_tpm.body()
    found = pki_tpm.verified(pki_tpm.evidence(body, endorsements=(leaf, mine)))
    assert found.assurance == "vtpm-untrusted", "a maker that nobody lists is worth nothing, whatever its name"
    pki_tpm.refused(pki_tpm.evidence(body, endorsements=(leaf, pki_tpm.maker())), codes.CHAIN, "tpm/2")
    pki_tpm.refused(pki_tpm.evidence(body, endorsements=(leaf, mine, pki_tpm.maker())), codes.CHAIN, "tpm/2")
    other = DevelopmentAuthority.generate(now=pki_software.NOW)
    theirs = other.certify(PublicKey.of_ed25519(pki_software.KEY.public), now=pki_software.NOW)
    forged = pki_software.Forged(header={1: -8, 33: theirs}).evidence()
    pki_software.refused(forged, codes.CHAIN, "chain")
    pki_software.refused(replace(forged, endorsements=(other.certificate,)), codes.ANCHOR, "anchor")


def test_the_same_names_in_a_quote_of_a_platform_are_refused():
    platform = pki_dcap.Platform()
    leaf, authority, root = platform.chain()
    mine = pki_dcap.certificate("Platform CA", platform.root, curve_key=pki_dcap.key("attacker"))
    for chain in ((leaf, mine, root), (mine, authority, root), (leaf, root, root)):
        assert code_of(platform, body=platform.quote(chain=chain)) == codes.CHAIN
    assert code_of(platform, body=platform.quote(quoting_key="attacker")) == codes.SIGNATURE


def path_of(kind):
    """The certificates of good evidence, and the times between which all of them are valid."""
    evidence = good(kind).evidence
    ders = evidence.endorsements
    if kind == "nitro":
        ders = (*pki_nitro.bundle(), pki_nitro.leaf())
    if kind == "insecure-software":
        ders = (*ders, pki_software.certified())
    found = [load_certificate(each) for each in ders]
    return max(each.not_before for each in found), min(each.not_after for each in found)


@pytest.mark.parametrize("kind", CHAINS_OF_LEAVES)
def test_a_certificate_is_valid_from_its_first_moment_to_its_last_and_no_longer(kind):
    begins, ends = path_of(kind)
    for now in (begins, ends):
        assert good(kind).outcome(now=now).is_bound
    assert good(kind).outcome(now=begins - TICK) == codes.NOT_YET_VALID
    assert good(kind).outcome(now=ends + TICK) == codes.EXPIRED


def test_a_document_is_valid_at_the_edges_of_its_leaf():
    begins, ends = path_of("nitro")
    for now, code in ((begins, None), (ends, None), (begins - TICK, codes.NOT_YET_VALID), (ends + TICK, codes.EXPIRED)):
        document = pki_nitro.document(timestamp=int(now.timestamp() * 1000))
        if code is None:
            assert pki_nitro.verified(document, now=now).is_bound
        else:
            pki_nitro.refused(document, code, "nitro/7", now=now)


@pytest.mark.parametrize("kind", ["nitro", *CHAINS_OF_LEAVES, "az-snp-vtpm", "tdx", "sgx"])
def test_the_ends_of_time_are_times_like_any_other(kind):
    first, last = (each.replace(tzinfo=UTC) for each in (datetime.min, datetime.max))  # noqa: DTZ901 - given one here
    assert good(kind).outcome(now=first) == codes.NOT_YET_VALID
    assert good(kind).outcome(now=last) in {codes.EXPIRED, codes.COLLATERAL_EXPIRED}


def halves(kind):
    """How evidence of a kind is made with other numbers r and s, the true ones, and the order of the curve."""
    if kind == "nitro":
        signature = pki_nitro.Signed().signature
        made = lambda r, s: pki_nitro.evidence(  # noqa: E731 - one of three that differ in one line
            pki_nitro.Signed().body(signature=r.to_bytes(48, "big") + s.to_bytes(48, "big"))
        )
        return made, [int.from_bytes(each, "big") for each in (signature[:48], signature[48:])], P384_ORDER
    if kind == "sev-snp":
        report = pki_snp.unsigned()
        whole = pki_snp.sign(report)
        true = [int.from_bytes(whole[at : at + 72], "little") for at in (0x2A0, 0x2E8)]
        made = lambda r, s: replace(pki_snp.made().evidence(), body=pki_snp.sign(report, r=r, s=s))  # noqa: E731 - see above
        return made, true, P384_ORDER
    message = pki_tpm.attest(pki_tpm.signer_of(pki_tpm.ecc_public()))
    raw = pki_tpm.ecdsa(message)
    true = [int.from_bytes(each, "big") for each in (raw[6:38], raw[40:72])]
    chain = pki_tpm.ek_chain()
    made = lambda r, s: pki_tpm.evidence(  # noqa: E731 - see above
        pki_tpm.body(attest=message, signature=pki_tpm.ecdsa(message, r=r, s=s)), endorsements=chain
    )
    return made, true, P256_ORDER


def outcome_of(kind, evidence):
    return good(kind).outcome(body=evidence.body, endorsements=evidence.endorsements)


@pytest.mark.parametrize("kind", ["nitro", "sev-snp", "tpm2"])
def test_numbers_of_a_signature_are_above_zero_and_below_the_order(kind):
    made, (r, s), order = halves(kind)
    assert outcome_of(kind, made(r, s)).is_bound
    for wrong in (
        (0, s),
        (r, 0),
        (0, 0),
        (order, s),
        (r, order),
        (order, order),
        (s, r),
        (1, 1),
        (order - 1, order - 1),
    ):
        assert outcome_of(kind, made(*wrong)) == codes.SIGNATURE, wrong


@pytest.mark.parametrize("kind", ["nitro", "sev-snp", "tpm2"])
def test_the_mirrored_signature_says_the_same_so_a_nonce_and_not_a_digest_keeps_a_release_from_being_repeated(kind):
    made, (r, s), order = halves(kind)
    mirrored = made(r, order - s)
    assert mirrored.body != made(r, s).body
    assert outcome_of(kind, mirrored).facts == outcome_of(kind, made(r, s)).facts


def test_a_leaf_key_on_another_curve_of_the_same_size_is_another_algorithm():
    other = ec.derive_private_key(7, ec.BrainpoolP384R1())
    untrusted = replace(pki_snp.made().evidence(), endorsements=pki_snp.chain(public=other.public_key()))
    pki_snp.refused(untrusted, codes.ALGORITHM, "snp/2 algorithm")
    assert sha256(pki_snp.root()).hexdigest() in pki_snp.ANCHORS
