"""Real evidence, where it is at hand, through the command line: each case at its time, later, and as of now."""

import json
import sys
from datetime import UTC, datetime

import pytest

from strongroom.cli.main import run
from tests.attest.test_appraise_samples import COUNT_MIN, claims, rules
from tests.fakes.attestation_samples import SAMPLES, sample_cases
from tests.fakes.policies import toml, values

NOT_EVIDENCE = (
    "README.md",
    "cases.json",
    "roots/amd_ask_ark_milan.pem",
    "sev-snp/virtee_turin_vcek.der",
    "az-snp-vtpm/trustee_tpm-quote-v1.json",
    "tdx/gotdx_pckcrl",
    "tdx/gotdx_rootcrl.der",
    "tdx/gotdx_sample_tcbInfo_response",
    "tdx/dcapqvl_tdx_quote_collateral.json",
    "tpm/swtpm/nonce.hex",
    "tpm/swtpm/ak.pem",
    "tpm/swtpm/q.sig",
    "tpm/swtpm/ekecc.der",
)
"""Files beside evidence: roots, leaves, lists, collateral, and parts of a quote."""


def said(capsys, *arguments):
    """The exit code and the document."""
    code = run(["attest", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out or captured.err)


def one(capsys, *arguments):
    """The exit code and what is said of the one piece of evidence."""
    code, document = said(capsys, "verify", *arguments)
    (found,) = document["evidence"]
    assert document["ok"] is (code == 0)
    return code, found


def named(case):
    """The options that name every file of a case, so that nothing is looked for."""
    files = [each["file"] for each in case.get("endorsements", ())] + [
        case[each] for each in ("collateral",) if each in case
    ]
    parts = [each["file"] for each in case.get("parts", {}).values()]
    if case["name"] == "tpm-swtpm-ecdsa":
        parts.append("tpm/swtpm/q.pcrs")
    options = [word for each in dict.fromkeys(files) for word in ("--endorsement", SAMPLES / each)]
    return [*options, *(word for each in parts for word in ("--part", SAMPLES / each))]


def cases():
    return [case for kind, count in COUNT_MIN.items() for case in sample_cases(kind, count)]


def assert_outcome(code, found, wanted, where):
    if wanted == "accept":
        assert (code, found["authentic"], found["refusal"]) == (0, True, None), where
        assert found["binding"] == "not checked", where
    else:
        assert (code, found["authentic"]) == (1, False), where
        assert found["refusal"]["code"] == wanted, (where, found["refusal"])
        assert found["refusal"]["id"], where
        assert found["refusal"]["meaning"], where


def test_every_case_is_what_it_should_be_at_its_time_and_later(capsys):
    for case in cases():
        file = SAMPLES / case["body"]["file"]
        times = [(case["at"], case["outcome"])]
        times += [(case["late"]["at"], case["late"]["outcome"])] if case["late"] else []
        for at, wanted in times:
            code, found = one(capsys, file, "--at", at, *named(case))
            assert found["kind"] == case["kind"], case["name"]
            assert_outcome(code, found, wanted, (case["name"], at))
            if "claims" in case and found["claims"]:
                shown = {name: found["claims"][name] for name in case["claims"]}
                assert shown == case["claims"], case["name"]


def test_as_of_now_what_lives_for_hours_or_weeks_has_expired(capsys):
    seen = set()
    for case in cases():
        if case["late"] and case["late"]["at"] < datetime.now(UTC).isoformat():
            code, found = one(capsys, SAMPLES / case["body"]["file"], *named(case))
            assert_outcome(code, found, case["late"]["outcome"], case["name"])
            seen.add(case["kind"])
    assert seen >= {"nitro", "tdx", "sgx", "sev-snp"}


MISLED = {"snp-milan-forged-vcek", "snp-milan-other-chips-vcek", "snp-genoa-with-milan-chain", "tdx-foreign-collateral"}
"""These have files beside them on purpose that are not theirs; whoever looks beside the file finds the right ones."""


def test_what_belongs_to_evidence_is_found_beside_it(capsys):
    for case in cases():
        if case["name"] in MISLED | {"az-wrong-ak"}:
            continue
        code, found = one(capsys, SAMPLES / case["body"]["file"], "--at", case["at"])
        assert_outcome(code, found, case["outcome"], case["name"])
        assert found["kind"] == case["kind"]
    _code, found = one(capsys, SAMPLES / "sev-snp" / "trustee_test-report.bin", "--at", "2026-07-01T00:00:00Z")
    assert found["files_used"] == ["trustee_test-vcek.der", "dstack_milan_ask.pem", "amd_ask_ark_milan.pem"]
    code, found = one(capsys, SAMPLES / "az-snp-vtpm" / "trustee_other-ak_tpm-quote.msg", "--at", "1782864000")
    assert_outcome(code, found, "SR-ATTEST-006", "the quote of another key")


def test_a_policy_objects_through_the_command_line_to_what_it_should(capsys, tmp_path):
    for number, case in enumerate(cases()):
        if case["outcome"] != "accept":
            continue
        sample = claims(case)
        extended = rules(sample) if case["policy"] != "SR-ATTEST-016" or case["kind"] != "nitro" else values()
        policy = tmp_path / f"{number}.toml"
        policy.write_bytes(toml(extended))
        options = ("--at", case["at"], "--policy", policy, *named(case))
        code, found = one(capsys, SAMPLES / case["body"]["file"], *options)
        assert (code, found["authentic"]) == (1, True), "what is bound to nothing is never affirming"
        assert found["status"] != "affirming"
        failed = [each["code"] for each in found["checks"] if each["outcome"] == "failed"]
        assert failed[:1] == ([case["policy"]] if case["policy"] else []), case["name"]
        assert found["refusal"]["code"] == (case["policy"] or "SR-ATTEST-015"), case["name"]


def test_files_that_are_no_evidence_are_bad_data_and_say_what_they_are(capsys):
    cases()
    for name in NOT_EVIDENCE:
        code, error = said(capsys, "verify", SAMPLES / name)
        assert (code, error["error"]["code"]) == (65, "SR-CLI-090"), name
    assert "2 certificates" in said(capsys, "verify", SAMPLES / "roots/amd_ask_ark_milan.pem")[1]["error"]["why"]
    alone = said(capsys, "verify", SAMPLES / "sev-snp/virtee_turin_vcek.der")[1]["error"]
    assert "this with --endorsement: a chain alone says nothing of what ran" in alone["fix"]


@pytest.mark.parametrize(
    ("name", "count"), [("nitro", 8), ("sev-snp", 7), ("az-snp-vtpm", 5), ("tdx", 7), ("sgx", 2), ("tpm", 3), (".", 32)]
)
def test_a_folder_is_every_piece_of_evidence_in_it(capsys, name, count):
    cases()
    code, document = said(capsys, "verify", SAMPLES / name, "--at", "2026-07-01T00:00:00Z")
    assert len(document["evidence"]) == count
    assert code == (0 if all(each["authentic"] for each in document["evidence"]) else 1)


def test_a_folder_with_one_quote_in_parts_is_that_quote(capsys):
    cases()
    code, found = one(capsys, SAMPLES / "tpm" / "swtpm", "--at", "2026-07-01T00:00:00Z")
    assert (code, found["kind"], found["assurance"]) == (0, "tpm2", "vtpm-untrusted")
    assert found["files_used"] == ["q.pcrs", "q.sig", "ak.pem"]


def test_a_container_of_another_project_is_opened_and_said(capsys):
    cases()
    code, found = one(capsys, SAMPLES / "nitro" / "dstack_nsm_2025-12-25.bin", "--at", "2025-12-25T13:15:37Z")
    assert (code, found["kind"]) == (0, "nitro")
    assert "bytes 4 to 4530 of its container" in found["recognised_as"]


def test_parts_that_are_missing_are_named(capsys):
    cases()
    code, found = one(capsys, SAMPLES / "tpm" / "dstack_tpms_attest_sample.bin")
    assert (code, found["refusal"]["code"], found["refusal"]["id"]) == (1, "SR-ATTEST-001", "tpm2/parts")


def test_what_cannot_be_verified_is_explained_all_the_same(capsys):
    seen = set()
    for case in cases():
        if case["outcome"] == "accept" or "claims" not in case or case["name"] == "tdx-trailing-text":
            continue
        code, document = said(capsys, "explain", SAMPLES / case["body"]["file"], "--at", case["at"])
        (found,) = document["evidence"]
        assert (code, found["claims"]) == (1, None)
        assert {name: found["unverified_claims"][name] for name in case["claims"]} == case["claims"], case["name"]
        seen.add(case["kind"])
    assert seen == {"tdx", "sgx"}
    file = SAMPLES / "tpm" / "dstack_tpms_attest_sample.bin"
    _code, document = said(capsys, "explain", file)
    assert document["evidence"][0]["unverified_claims"]["extra_data"] == "12345678"
    assert run(["attest", "explain", str(file)]) == 1
    assert "which nothing here confirms" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["tdx/dcapqvl_tdx_quote", "sgx/dcapqvl_sgx_quote"])
def test_without_the_library_for_intel_that_is_what_is_said(capsys, monkeypatch, name):
    cases()
    monkeypatch.setitem(sys.modules, "dcap_qvl", None)
    code, found = one(capsys, SAMPLES / name, "--at", "2025-06-20T12:00:00Z")
    assert (code, found["refusal"]["code"]) == (1, "SR-ATTEST-003")
    assert found["files_used"] == [f"{name.split('/')[1]}_collateral.json"]
    assert "strongroom[dcap]" in found["refusal"]["fix"]
