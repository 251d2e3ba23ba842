"""Reports that no appraisal makes, and facts of the wrong type: whoever decides last looks at everything once more."""

from dataclasses import replace

import pytest

from strongroom.attest import codes
from strongroom.attest.appraise import Expected, appraise
from strongroom.attest.appraise_intel import check_intel_platform
from strongroom.attest.authorise import authorise
from strongroom.attest.checks import FAILED, NOT_CHECKED, PASSED, Check
from strongroom.attest.demands import Demand, Entry
from strongroom.attest.findings import Findings
from strongroom.errors import EvidenceRejected
from tests.attest.test_authorise import asked, refused, warned
from tests.fakes.policies import FILE, NOW, appraised, claims, data, policy, values

LESSER = {"tcb_status": "SWHardeningNeeded"}


def warning_report():
    """A report of a platform that the policy puts up with."""
    rows = warned("warning")
    return rows, appraised(claims("tdx", **LESSER), rows)


def test_a_report_without_a_refusal_that_is_not_affirming_gives_nothing():
    good = appraised(claims("nitro"))
    assert good.refusal is None
    for element in ("executables", "configuration", "instance-identity", "runtime-opaque"):
        for number in (32, 96, 97):
            forged = replace(good, vector={**good.vector, element: number})
            refused(codes.VERIFIER_FAILED, "release status", report=forged)


@pytest.mark.parametrize("outcome", [FAILED, NOT_CHECKED])
def test_a_warning_beside_which_something_was_not_met_is_not_enough(outcome):
    rows, report = warning_report()
    assert asked("tdx", report=report, rows=rows).secrets
    other = Check(id="runner svn", outcome=outcome, got="x", wanted="y", code=codes.RUNNER_SVN)
    for checks in ((*report.checks, other), (other, *report.checks)):
        forged = replace(report, checks=checks)
        with pytest.raises(EvidenceRejected) as caught:
            asked("tdx", report=forged, rows=rows)
        assert caught.value.code in {codes.RUNNER_SVN, codes.TCB}


def test_a_report_that_only_warns_and_is_contraindicated_gives_nothing():
    rows, report = warning_report()
    for element in ("hardware", "executables", "configuration"):
        forged = replace(report, vector={**report.vector, element: 96})
        refused(codes.TCB, kind="tdx", report=forged, rows=rows)


def test_without_a_manifest_no_secret_is_given_and_no_secret_needs_none():
    error = refused(codes.NOT_AUTHORISED, "manifest", manifest=None)
    assert error.got == "none"
    nothing = replace(data("nitro"), secrets=())
    found = authorise(
        appraised(claims("nitro"), data=nothing),
        nothing,
        None,
        {},
        policy(values()),
        accepts_simulated=False,
    )
    assert (found.secrets, found.manifest_sha256) == ((), bytes(32))


def test_a_check_that_failed_without_a_code_is_refused_as_a_surprise():
    good = appraised(claims("nitro"))
    odd = replace(good, checks=(*good.checks, Check(id="odd", outcome=FAILED)))
    refused(codes.VERIFIER_FAILED, "odd", report=odd)


def test_a_revoked_platform_is_refused_even_by_a_policy_that_no_file_can_be():
    rows = policy(values())
    lenient = replace(rows.tdx, tcb_status=("UpToDate", "Revoked"))
    found = Findings(FILE)
    check_intel_platform("tdx", claims("tdx", tcb_status="Revoked").facts, lenient, now=NOW, found=found)
    first = found.checks[0]
    assert (first.id, first.outcome, first.code) == ("tdx/8 TCB status", FAILED, codes.REVOKED)


def demand(*allowed, minimum=None):
    return Demand(
        key="k", fact="f", code=codes.MEASUREMENT, element="executables", allowed=frozenset(allowed), minimum=minimum
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (demand(1), True),
        (demand(0), False),
        (demand(True), 1),
        (demand(False), 0),
        (demand(1), 1.0),
        (demand(b"a"), "a"),
        (demand("a"), b"a"),
        (demand(b""), None),
        (demand(b"ab"), b"a"),
        (demand((0, 7)), [0, 7]),
        (demand(), None),
        (demand(minimum=0), True),
        (demand(minimum=0), None),
        (demand(minimum=0), "1"),
        (demand(minimum=0), 1.5),
        (demand(minimum=2), 1),
    ],
    ids=str,
)
def test_a_fact_of_another_type_or_value_meets_no_demand(wanted, found):
    assert not wanted.accepts({"f": found})


def test_a_fact_that_is_not_there_meets_no_demand():
    for wanted in (demand(1), demand(b"a"), demand(minimum=0), demand()):
        assert not wanted.accepts({})


def test_demands_cover_each_other_only_where_all_that_meets_one_meets_the_other():
    assert demand(1, 2).covers(demand(1))
    assert not demand(1).covers(demand(1, 2))
    assert demand(minimum=1).covers(demand(minimum=2))
    assert not demand(minimum=2).covers(demand(minimum=1))
    assert not demand(minimum=1).covers(demand(5))
    assert not demand(5).covers(demand(minimum=5))
    one, other = Entry("tdx", "a", (demand(1),)), Entry("sgx", "a", (demand(1),))
    assert one.covers(one)
    assert not one.covers(other)
    assert not one.covers(Entry("tdx", "b", ()))


@pytest.mark.parametrize("kind", ["nitro", "sev-snp", "tdx", "sgx", "tpm2", "az-snp-vtpm", "insecure-software"])
def test_no_fact_may_be_missing_or_of_another_type(kind):
    """Whatever a verifier forgets to say, or says in another type, is never taken for good."""
    rows = values((kind,)) if kind.startswith("insecure") else values()
    good = appraised(claims(kind), rows)
    for name in claims(kind).facts:
        for value in (..., None, [], {}, "x", b"", 1.5, object()):
            if name == "advisories" and value == []:
                continue
            report = appraised(claims(kind, **{name: value}), rows)
            is_used = report.checks != good.checks
            assert not is_used or report.status == "contraindicated" or is_a_fact_of_none(name, value), (name, value)


def is_a_fact_of_none(name, value):
    """TD 1.0 knows no service TDs, and a platform may not say what it is: both are None and mean so."""
    may_be_none = {"mr_service_td", "dynamic_platform", "cached_keys", "smt_enabled"}
    return (name in may_be_none and value is None) or name in {"host_data", "mr_config_id", "config_id"}


def test_appraisal_of_claims_that_are_none_refuses():
    broken = replace(claims("nitro"), facts=None)
    report = appraise(broken, policy(values()), Expected(data=data("nitro")), now=NOW)
    assert (report.code, report.status, report.assurance) == (codes.VERIFIER_FAILED, "contraindicated", "none")
    assert all(each.outcome != PASSED for each in report.checks)
