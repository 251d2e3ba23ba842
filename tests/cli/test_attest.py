"""``strongroom attest`` without samples: simulations, binding, policies, and everything that is no evidence."""

import json

import pytest

from strongroom.attest.evidence import INSECURE
from strongroom.cli import attest_meanings
from strongroom.cli.main import run
from strongroom.crypto.dev_authority import DevelopmentAuthority
from tests.cli.test_receipt_verify import receipt_file
from tests.fakes.golden_release import runtime_data
from tests.fakes.pki_software import MEASUREMENT, NOW, authority
from tests.fakes.policies import changed, toml, values
from tests.fakes.receipts import evidence_of
from tests.test_docs import ROOT

AT = "2027-01-15T08:00:10Z"
OWN = ("insecure-software",)


def said(capsys, *arguments, verb="verify"):
    """The exit code and the document."""
    code = run(["attest", verb, *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out or captured.err)


@pytest.fixture
def simulated(tmp_path):
    """Simulated evidence, its CA's certificate, and the runtime data that it is bound to, each in a file."""
    data = runtime_data()
    found = evidence_of(data)
    for name, content in (("it.cose", found.body), ("ca.der", found.endorsements[0]), ("data.cbor", data.encode())):
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_meaning_is_the_line_of_the_page_on_errors():
    page = (ROOT / "docs" / "errors.md").read_text()
    assert len(attest_meanings.MEANINGS) == 35
    for code, (meaning, fix) in attest_meanings.MEANINGS.items():
        assert f"| {code} | {meaning} | {fix} |\n" in page


def test_a_simulation_is_of_no_assurance_and_says_so_first_and_last(capsys, simulated):
    options = ("--endorsement", simulated / "ca.der", "--at", AT)
    code, document = said(capsys, simulated / "it.cose", *options)
    (found,) = document["evidence"]
    assert (code, found["assurance"], found["insecure"], found["binding"]) == (0, "none", True, "not checked")
    assert run(["attest", "verify", str(simulated / "it.cose"), *map(str, options)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[-1] == INSECURE
    assert "  binding:   not checked" in lines


def test_a_simulation_must_end_in_the_development_ca_that_was_named(capsys, simulated):
    other = simulated / "other.der"
    other.write_bytes(DevelopmentAuthority.generate(now=NOW).certificate)
    options = ("--endorsement", simulated / "ca.der", "--at", AT, "--development-ca")
    assert said(capsys, simulated / "it.cose", *options, simulated / "ca.der")[0] == 0
    code, document = said(capsys, simulated / "it.cose", *options, other)
    assert (code, document["evidence"][0]["refusal"]["code"]) == (1, "SR-ATTEST-008")
    code, error = said(capsys, simulated / "it.cose", *options, simulated / "data.cbor")
    assert (code, error["error"]["code"]) == (65, "SR-CLI-101")


def test_runtime_data_bind_the_evidence_and_a_policy_then_says_everything(capsys, simulated):
    rules = changed(values(OWN), "accept/insecure-software/0/measurement", MEASUREMENT.hex())
    rules = changed(rules, "insecure/anchors", [authority().fingerprint])
    policy = simulated / "policy.toml"
    policy.write_bytes(toml(rules))
    options = ("--endorsement", simulated / "ca.der", "--at", AT, "--policy", policy)
    code, document = said(capsys, simulated / "it.cose", *options, "--runtime-data", simulated / "data.cbor")
    (found,) = document["evidence"]
    assert (code, found["binding"], found["status"], found["release"]) == (
        1,
        "holds",
        "contraindicated",
        "runner-1.4.0",
    )
    code, document = said(capsys, simulated / "it.cose", *options, verb="explain")
    (found,) = document["evidence"]
    unchecked = [each["id"] for each in found["checks"] if each["outcome"] == "not checked"]
    assert "binding" in unchecked
    assert found["status"] == "contraindicated"
    other = simulated / "other.cbor"
    other.write_bytes(b"\xa0")
    code, error = said(capsys, simulated / "it.cose", *options, "--runtime-data", other)
    assert (code, error["error"]["code"]) == (65, "SR-ATTEST-001")


def test_a_production_policy_refuses_a_simulation(capsys, simulated):
    policy = simulated / "policy.toml"
    policy.write_bytes(toml(values()))
    code, document = said(
        capsys, simulated / "it.cose", "--endorsement", simulated / "ca.der", "--at", AT, "--policy", policy
    )
    (found,) = document["evidence"]
    assert (code, found["authentic"], found["refusal"]["code"]) == (1, True, "SR-ATTEST-026")
    assert found["refusal"]["meaning"].startswith("Simulated evidence")


def test_the_evidence_of_a_receipt_is_bound_to_the_execution_in_it(capsys, tmp_path):
    code, document = said(capsys, receipt_file(tmp_path), "--at", AT)
    (found,) = document["evidence"]
    assert (code, found["binding"], found["kind"]) == (0, "holds", "insecure-software")


def test_a_kind_that_the_content_is_not_of_is_refused(capsys, tmp_path):
    receipt = receipt_file(tmp_path)
    assert said(capsys, receipt, "--at", AT, "--kind", "insecure-software")[0] == 0
    code, document = said(capsys, receipt, "--at", AT, "--kind", "nitro")
    (found,) = document["evidence"]
    assert (code, found["kind"], found["refusal"]["code"]) == (1, "nitro", "SR-ATTEST-001")
    (tmp_path / "q.msg").write_bytes(b"\xffTCG")
    code, document = said(capsys, tmp_path / "q.msg", "--kind", "nitro")
    assert (code, document["evidence"][0]["kind"]) == (1, "nitro")


def test_explaining_prints_every_check_with_what_was_found_and_wanted(capsys, simulated):
    policy = simulated / "policy.toml"
    policy.write_bytes(toml(values(OWN)))
    rules = changed(values(OWN), "insecure/anchors", [authority().fingerprint])
    policy.write_bytes(toml(rules))
    options = ["--endorsement", str(simulated / "ca.der"), "--at", AT, "--policy", str(policy)]
    assert run(["attest", "explain", str(simulated / "it.cose"), *options]) == 1
    text = capsys.readouterr().out
    for wanted in (
        "FAILED       insecure-software/release measurement  (SR-ATTEST-021)",
        f"got:    {MEASUREMENT.hex()}",
        "policy: policy.toml:accept.insecure-software.runner-1.4.0.measurement",
        "not checked  binding",
    ):
        assert wanted in text, wanted


@pytest.mark.parametrize(
    ("content", "options", "code", "exit_code"),
    [
        (b"", (), "SR-CLI-090", 65),
        (b"not evidence\n", (), "SR-CLI-090", 65),
        (b"\xa1\x01\x02", (), "SR-CLI-090", 65),
        (b'{"a": 1}', (), "SR-CLI-090", 65),
        (b"[" * 100_000, (), "SR-CLI-090", 65),
        (b"{" * 100_000, (), "SR-CLI-090", 65),
        (b"\0" * (7 * 1024 * 1024), (), "SR-CLI-009", 65),
        (b"\xa5\x69ak_public", (), "SR-CLI-091", 65),
        (b"x", ("--kind", "quantum"), "SR-CLI-103", 2),
        (b"x", ("--at", "yesterday"), "SR-CLI-102", 2),
        (b"x", ("--at", "2026-07-01T00:00:00"), "SR-CLI-102", 2),
        (b"x", ("--at", "0001-01-01T00:00:00+23:59"), "SR-CLI-102", 2),
        (b"x", ("--at", "9" * 30), "SR-CLI-102", 2),
        (b"x", ("--policy-key", "00" * 32), "SR-CLI-104", 2),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_evidence_or_no_option_is_said_with_its_code(capsys, tmp_path, content, options, code, exit_code):
    (tmp_path / "it").write_bytes(content)
    found, error = said(capsys, tmp_path / "it", *options)
    assert (found, error["error"]["code"]) == (exit_code, code)


@pytest.mark.parametrize("kind", ["nitro", "sev-snp", "az-snp-vtpm", "tdx", "sgx", "tpm2", "insecure-swtpm"])
def test_broken_evidence_of_a_kind_that_was_named_is_refused_with_1(capsys, tmp_path, kind):
    (tmp_path / "it").write_bytes(b"\x84broken")
    code, document = said(capsys, tmp_path / "it", "--kind", kind)
    (found,) = document["evidence"]
    assert (code, found["kind"], found["refusal"]["code"]) == (1, kind, "SR-ATTEST-001")


def test_every_cut_of_a_simulation_is_refused_and_none_is_a_fault_of_ours(capsys, simulated):
    whole = (simulated / "it.cose").read_bytes()
    for length in range(0, len(whole), 41):
        (simulated / "it.cose").write_bytes(whole[:length])
        options = ("--endorsement", simulated / "ca.der", "--at", AT)
        code, document = said(capsys, simulated / "it.cose", *options)
        assert code in {1, 65}, length
        code, document = said(capsys, simulated / "it.cose", "--kind", "insecure-software", *options)
        assert (code, document["evidence"][0]["refusal"]["code"]) == (1, "SR-ATTEST-001"), length


def test_a_file_that_goes_with_no_evidence_is_named(capsys, simulated):
    code, error = said(capsys, simulated / "it.cose", "--endorsement", simulated / "data.cbor")
    assert (code, error["error"]["code"]) == (65, "SR-CLI-092")
    assert str(simulated / "data.cbor") in error["error"]["what"]
    assert said(capsys, simulated / "it.cose", "--endorsement", simulated)[0] == 65
    assert said(capsys, simulated / "none")[0] == 65


def test_a_folder_without_evidence_and_one_with_too_much_are_refused(capsys, tmp_path):
    code, error = said(capsys, tmp_path)
    assert (code, error["error"]["code"]) == (65, "SR-CLI-094")
    for number in range(257):
        (tmp_path / str(number)).touch()
    code, error = said(capsys, tmp_path)
    assert (code, error["error"]["code"]) == (65, "SR-CLI-095")


def test_two_files_that_could_be_the_same_part_are_a_question(capsys, tmp_path):
    (tmp_path / "q.msg").write_bytes(b"\xffTCG")
    for name in ("one.sig", "two.sig"):
        (tmp_path / name).write_bytes(b"\x00\x18\x00\x0b" + bytes(68))
    code, error = said(capsys, tmp_path / "q.msg")
    assert (code, error["error"]["code"]) == (65, "SR-CLI-093")
