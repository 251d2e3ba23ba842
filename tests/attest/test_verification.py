"""Which verifiers take part, and every row of the table that says what fails closed (contracts/attestation.md 16.3)."""

from dataclasses import replace

import pytest

from strongroom.attest import codes
from strongroom.attest.evidence import Evidence, EvidenceLimits
from strongroom.attest.policy import check_epoch, open_policy, parse_policy
from strongroom.attest.policy_sections import VerifierPin
from strongroom.attest.verification import InstalledVerifier, verified_under_policy
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected, Misconfigured
from tests.fakes.pki_nitro import BOUND, NOW, document
from tests.fakes.policies import SIMULATED_KINDS, appraised, changed, claims, hexed, of, policy, toml, values

PIN = VerifierPin("strongroom", "0.1.0", hexed("record", 32))


class Recording:
    """A verifier that says what it was asked, and answers what it is told to."""

    def __init__(self, answer=None):
        self.asked = []
        self.answer = answer

    def __call__(self, evidence, *, expected, now, anchors, limits):
        self.asked.append((expected, now, anchors, limits))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or claims(evidence.kind, is_bound=expected is not None)


def verified(verify, *, kind="nitro", rules=None, pin=PIN, expected=BOUND, installed=None):
    installed = [InstalledVerifier(kind, pin, verify)] if installed is None else installed
    return verified_under_policy(
        Evidence(kind, "x", b"body"), policy(rules), installed, expected=expected, now=NOW, limits=EvidenceLimits()
    )


def refused(code, check, **changes):
    verify = changes.pop("verify", None) or Recording()
    with pytest.raises(EvidenceRejected) as caught:
        verified(verify, **changes)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.check.startswith(check), str(caught.value)
    return verify, caught.value


def test_a_verifier_that_the_policy_loads_is_asked_with_the_anchors_and_the_skew_of_the_policy():
    verify = Recording()
    rules = changed(values(), "freshness/max_skew_s", 60)
    assert verified(verify, rules=rules).is_bound
    ((expected, now, anchors, limits),) = verify.asked
    assert (expected, now) == (BOUND, NOW)
    assert anchors == policy().anchors()["nitro"]
    assert (limits.skew_s_max, limits.evidence_bytes_max) == (60, 64 * 1024)
    assert not verified(Recording(), expected=None).is_bound


def test_a_test_pki_is_not_trusted_by_any_policy():
    from strongroom.attest.nitro import verify_nitro

    with pytest.raises(EvidenceRejected) as caught:
        verified_under_policy(
            document(),
            policy(),
            [InstalledVerifier("nitro", PIN, verify_nitro)],
            expected=BOUND,
            now=NOW,
            limits=EvidenceLimits(),
        )
    assert caught.value.code == codes.ANCHOR


@pytest.mark.parametrize(
    "pin",
    [replace(PIN, record_sha256=hexed("x", 32)), replace(PIN, version="0.1.1"), replace(PIN, distribution="other")],
    ids=["hash", "version", "name"],
)
def test_row_a_verifier_that_is_not_loaded_or_whose_hash_differs(pin):
    verify, _error = refused(codes.UNSUPPORTED_KIND, "verifier", pin=pin)
    assert verify.asked == []
    for rules in (changed(values(), "verifiers"), changed(values(), "verifiers/load", [])):
        verify, error = refused(codes.UNSUPPORTED_KIND, "verifier", rules=rules)
        assert verify.asked == []
        assert "policy.toml:verifiers.load" in error.wanted
    refused(codes.UNSUPPORTED_KIND, "verifier", installed=[])
    both = [InstalledVerifier("nitro", PIN, Recording()), InstalledVerifier("nitro", PIN, Recording())]
    refused(codes.UNSUPPORTED_KIND, "verifier", installed=both)
    refused(codes.UNSUPPORTED_KIND, "verifier", installed=[InstalledVerifier("tdx", PIN, Recording())])


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError(), KeyError(1), MemoryError()], ids=repr)
def test_row_a_verifier_that_raises(error):
    _verify, refusal = refused(codes.VERIFIER_FAILED, "nitro verifier", verify=Recording(error))
    assert refusal.got == type(error).__name__
    own = EvidenceRejected(codes.SIGNATURE, "nitro/8 signature")
    refused(codes.SIGNATURE, "nitro/8", verify=Recording(own))


def test_a_verifier_that_answers_something_else_than_it_was_asked():
    for answer in (claims("tdx"), claims("nitro", is_bound=False)):
        refused(codes.VERIFIER_FAILED, "nitro verifier", verify=Recording(answer))


def test_row_an_appraiser_that_raises():
    report = appraised(claims("tdx", advisories=([],)))
    assert (report.code, report.status) == (codes.VERIFIER_FAILED, "contraindicated")


def test_row_a_kind_without_a_section():
    for kind, rules in (
        ("nitro", changed(values(), "accept/nitro")),
        ("tdx", changed(values(), "tdx")),
        ("quantum", values()),
        ("x" * 100_000, values()),
    ):
        verify, error = refused(codes.UNSUPPORTED_KIND, "policy section", kind=kind, rules=rules)
        assert verify.asked == []
        assert len(str(error)) < 400


@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_row_an_insecure_kind_under_a_production_profile(kind):
    verify, _error = refused(codes.INSECURE_KIND, "kind", kind=kind)
    assert verify.asked == []
    report = appraised(claims(kind), values())
    assert (report.code, report.status) == (codes.INSECURE_KIND, "contraindicated")
    with pytest.raises(Misconfigured, match="insecure.allow_kinds"):
        policy(changed(values(), "insecure/allow_kinds", [kind]))
    assert verified(Recording(), kind=kind, rules=values((kind,))).kind == kind


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"epoch = = 1", "policy.toml"),
        (toml(changed(values(), "ignore_expiry", True)), "policy.toml:ignore_expiry"),
        (
            toml(changed(values(), "accept/nitro", [values()["accept"]["nitro"][0]] * 2)),
            "policy.toml:accept.nitro[1].name",
        ),
        (toml(changed(values(), "accept/nitro", [])), "policy.toml:accept.nitro"),
    ],
    ids=["parse error", "unknown key", "two entries with one name", "empty reference set"],
)
def test_rows_of_a_policy_that_is_broken(text, where):
    with pytest.raises(Misconfigured) as caught:
        parse_policy(text, file="policy.toml")
    assert (caught.value.code, caught.value.details["where"]) == (codes.POLICY_INVALID, where)


def test_row_a_bad_or_missing_signature():
    key = SigningKey.from_raw(bytes(32))
    for signature in (b"", bytes(64), key.sign("policy", b"another file")):
        with pytest.raises(Misconfigured, match="signature") as caught:
            open_policy(toml(values()), signature, public=key.public, file="policy.toml")
        assert caught.value.code == codes.POLICY_INVALID


def test_a_file_beyond_the_limit_is_refused_before_its_signature_is_looked_at():
    with pytest.raises(Misconfigured, match="at most 262144 are read"):
        open_policy(bytes(300_000), b"", public=bytes(32), file="policy.toml")


def test_row_an_epoch_lower_than_the_stored_one():
    with pytest.raises(Misconfigured) as caught:
        check_epoch(policy(), stored_epoch=8)
    assert caught.value.code == codes.POLICY_EPOCH


def test_row_an_empty_reference_set():
    for path in ("accept/nitro", "accept"):
        report = appraised(claims("nitro"), changed(values(), path))
        assert (report.code, report.status) == (codes.UNSUPPORTED_KIND, "contraindicated")
    none = changed(values(), "accept/nitro/0/enclave_configs", [])
    assert appraised(claims("nitro"), none).code == codes.CONFIG


def test_row_a_claim_that_the_policy_names_and_the_evidence_lacks():
    for kind, name in (("nitro", "pcr8"), ("sev-snp", "measurement"), ("tdx", "rtmr1"), ("sgx", "isv_svn")):
        report = appraised(claims(kind, **{name: ...}))
        assert (report.code, report.refusal.got) == (codes.MEASUREMENT, "nothing")
    assert appraised(claims("tpm2", pcrs=...)).status == "contraindicated"
    assert appraised(claims("nitro", pcr8=of("x"))).code == codes.MEASUREMENT
