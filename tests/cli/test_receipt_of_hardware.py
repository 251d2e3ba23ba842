"""Receipts with evidence of hardware, under a PKI of the tests: what affirms them, and that nothing else does."""

import dataclasses
import json

import pytest

from strongroom.attest import anchors
from strongroom.attest.appraise import Expected, appraise
from strongroom.attest.evidence import INSECURE, EvidenceLimits
from strongroom.attest.nitro import verify_nitro
from strongroom.attest.policy import parse_policy
from strongroom.cli.main import run
from tests.fakes import pki_nitro
from tests.fakes.golden_release import runtime_data
from tests.fakes.policies import changed, toml, values
from tests.fakes.receipts import receipt_of

DATA = dataclasses.replace(runtime_data(), kind="nitro")
AT = pki_nitro.NOW


def evidence():
    """A document that is bound to this execution."""
    bound = DATA.binding()
    return pki_nitro.document(user_data=bound.report_data, nonce=bound.nonce, public_key=bound.kem_spki)


def rules():
    """A production policy that knows this enclave."""
    found = verify_nitro(
        evidence(), expected=DATA.binding(), now=AT, anchors=pki_nitro.ANCHORS, limits=EvidenceLimits()
    )
    release = {"name": "runner-1", "enclave_configs": [DATA.enclave_config_sha256.hex()]}
    release |= {name: found.facts[name].hex() for name in ("pcr0", "pcr1", "pcr2")}
    policy = changed(values(("nitro",)), "accept/nitro", [release])
    report = appraise(found, parse_policy(toml(policy), file="x"), Expected(data=DATA), now=AT)
    assert report.status == "affirming", report.refusal
    return policy


@pytest.fixture
def file(tmp_path):
    issued = {"assurance": "hardware", "issued_s": int(AT.timestamp())}
    path = tmp_path / "run.receipt"
    receipt = receipt_of(data=DATA, evidence=evidence(), ear_changes=issued, assurance="hardware", vault="separate")
    path.write_bytes(receipt.encode())
    return path


@pytest.fixture
def _trusted(monkeypatch):
    monkeypatch.setitem(anchors.PINNED, "nitro", pki_nitro.ANCHORS)


def said(capsys, *arguments, noun="receipt"):
    code = run([noun, "verify", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out or captured.err)


def policy_file(folder, found):
    path = folder / "policy.toml"
    path.write_bytes(toml(found))
    return path


@pytest.mark.usefixtures("_trusted")
def test_a_receipt_of_hardware_that_a_policy_accepts_ends_with_0(capsys, tmp_path, file):
    code, found = said(capsys, file)
    assert (code, found["holds"], found["assurance"], found["insecure"]) == (0, True, "hardware", False)
    code, found = said(capsys, file, "--policy", policy_file(tmp_path, rules()))
    assert (code, found["status"], found["release"], found["failed"]) == (0, "affirming", "runner-1", [])
    assert run(["receipt", "verify", str(file), "--policy", str(tmp_path / "policy.toml")]) == 0
    text = capsys.readouterr().out
    assert "assurance hardware, affirming under policy.toml" in text
    assert INSECURE not in text


@pytest.mark.usefixtures("_trusted")
def test_the_evidence_in_it_is_affirming_at_its_time_only(capsys, tmp_path, file):
    policy = policy_file(tmp_path, rules())
    at = AT.isoformat()
    code, document = said(capsys, file, "--policy", policy, "--at", at, noun="attest")
    assert (code, document["evidence"][0]["status"], document["evidence"][0]["binding"]) == (0, "affirming", "holds")
    code, document = said(capsys, file, "--policy", policy, noun="attest")
    assert (code, document["evidence"][0]["status"]) == (1, None)
    bare = tmp_path / "document.cose"
    bare.write_bytes(evidence().body)
    code, document = said(capsys, bare, "--policy", policy, "--at", at, noun="attest")
    assert (code, document["evidence"][0]["binding"]) == (1, "not checked"), "what is not bound is never affirming"


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("accept/nitro/0/pcr0", "ab" * 48, "SR-ATTEST-021"),
        ("accept/nitro/0/enclave_configs", ["ab" * 32], "SR-ATTEST-022"),
        ("min_runner_svn", 9, "SR-ATTEST-029"),
    ],
)
def test_a_policy_that_does_not_accept_it_ends_with_1_and_names_the_line(capsys, tmp_path, file, path, value, code):
    exit_code, found = said(capsys, file, "--policy", policy_file(tmp_path, changed(rules(), path, value)))
    assert (exit_code, found["holds"]) == (1, True)
    assert found["failed"][0]["code"] == code
    assert found["failed"][0]["policy_ref"].startswith("policy.toml:")


def test_under_the_root_of_the_maker_it_is_not_authentic_and_no_class_is_named(capsys, file):
    code, found = said(capsys, file)
    assert (code, found["holds"], found["assurance"]) == (1, False, None)
    assert found["failed"][0]["code"] == "SR-ATTEST-008"
    assert run(["receipt", "verify", str(file)]) == 1
    assert "assurance: not verified" in capsys.readouterr().out
