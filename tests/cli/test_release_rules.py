"""What a vault under a policy would refuse is not good for ``receipt verify``, ``attest verify`` or ``policy test``."""

import dataclasses
from hashlib import sha256

import pytest

from strongroom.attest.result import Call
from strongroom.cli.main import run
from tests.cli.test_receipt_of_hardware import AT, DATA, _trusted, evidence, policy_file, rules, said
from tests.cli.test_receipt_verify import accepting, receipt_file
from tests.fakes import pki_tpm
from tests.fakes.golden_release import runtime_data
from tests.fakes.policies import changed, values
from tests.fakes.receipts import receipt_of

__all__ = ["_trusted"]

BY_HOST = Call(ref="7", capability_id="http@1", request_sha256=b"1" * 32, response_sha256=b"2" * 32, trust="host")
ATTESTED = dataclasses.replace(BY_HOST, trust="attested")
TPM_AT = "2027-01-15T08:00:00Z"


def tpm_receipt(folder):
    """A receipt of class vtpm, and the policy that makes it affirming."""
    data = dataclasses.replace(runtime_data(), kind="tpm2")
    quoted = pki_tpm.quoted(extra_data=data.report_data())
    issued = {"assurance": "vtpm", "issued_s": int(pki_tpm.NOW.timestamp())}
    path = folder / "tpm.receipt"
    path.write_bytes(
        receipt_of(
            data=data,
            evidence=pki_tpm.evidence(quoted, endorsements=pki_tpm.ek_chain()),
            ear_changes=issued,
            assurance="vtpm",
            vault="separate",
        ).encode()
    )
    entry = {"name": "r", "pcrs": {str(number): value.hex() for number, value in pki_tpm.PCRS.items()}}
    entry |= {"enclave_configs": [data.enclave_config_sha256.hex()]}
    policy = changed(values(("tpm2",)), "accept/tpm2", [entry])
    policy = changed(policy, "tpm2/ek_anchors", [sha256(pki_tpm.maker()).hexdigest()])
    return path, changed(policy, "tpm2/aks", [pki_tpm.name_of(pki_tpm.ecc_public()).hex()])


def hardware_receipt(folder, *calls):
    issued = {"assurance": "hardware", "issued_s": int(AT.timestamp())}
    fields = {"ear_changes": issued, "assurance": "hardware", "vault": "separate", "result_changes": {"calls": calls}}
    path = folder / "run.receipt"
    path.write_bytes(receipt_of(data=DATA, evidence=evidence(), **fields).encode())
    return path


def answers(capsys, receipt, policy, at):
    """What the three commands say: exit codes, and what each holds against the receipt."""
    code, found = said(capsys, receipt, "--policy", policy)
    assert found["holds"], "nothing speaks against the receipt itself"
    verified = (code, [(each["id"], each["code"], each["policy_ref"]) for each in found["failed"]])
    code, document = said(capsys, receipt, "--policy", policy, "--at", at, noun="attest")
    (one,) = document["evidence"]
    attested = (
        code,
        [] if one["refusal"] is None else [tuple(one["refusal"][n] for n in ("id", "code", "policy_ref"))],
    )
    code = run(["policy", "test", str(policy), "--evidence", str(receipt), "--at", at])
    shown = capsys.readouterr().out.splitlines()[-1]
    return verified, attested, (code, shown)


@pytest.mark.parametrize("least", ["vtpm", "hardware"])
def test_a_class_below_that_of_the_policy_is_refused_with_its_line_as_the_vault_does(capsys, tmp_path, least):
    receipt, policy = tpm_receipt(tmp_path)
    file = policy_file(tmp_path, changed(policy, "release/min_assurance", least))
    verified, attested, (code, shown) = answers(capsys, receipt, file, TPM_AT)
    if least == "vtpm":
        assert (verified, attested, code) == ((0, []), (0, []), 0)
        assert "accepted" in shown
        return
    wanted = (1, [("release min_assurance", "SR-ATTEST-031", "policy.toml:release.min_assurance")])
    assert verified == attested == wanted
    assert code == 1
    assert all(each in shown for each in ("refused", "SR-ATTEST-031", "policy.toml:release.min_assurance"))
    assert run(["receipt", "verify", str(receipt), "--policy", str(file)]) == 1
    text = capsys.readouterr().out
    assert "refused by policy.toml, affirming (SR-ATTEST-031)" in text
    assert "policy: policy.toml:release.min_assurance" in text


@pytest.mark.usefixtures("_trusted")
def test_a_call_that_the_host_answered_is_refused_where_the_policy_wants_attested_ones_only(capsys, tmp_path):
    at = AT.isoformat()
    strict = changed(rules(), "release/only_attested_capabilities", True)
    lenient = policy_file(tmp_path, rules())
    for calls, policy in (((BY_HOST,), rules()), ((ATTESTED,), strict), ((), strict)):
        verified, attested, (code, shown) = answers(
            capsys, hardware_receipt(tmp_path, *calls), policy_file(tmp_path, policy), at
        )
        assert (verified, attested, code) == ((0, []), (0, []), 0), (calls, shown)
    receipt, file = hardware_receipt(tmp_path, ATTESTED, BY_HOST), policy_file(tmp_path, strict)
    assert file == lenient
    verified, attested, (code, shown) = answers(capsys, receipt, file, at)
    name = "release only_attested_capabilities"
    wanted = (1, [(name, "SR-ATTEST-030", "policy.toml:release.only_attested_capabilities")])
    assert verified == attested == wanted
    assert code == 1
    assert "SR-ATTEST-030" in shown
    assert run(["receipt", "verify", str(receipt), "--policy", str(file)]) == 1
    assert "1 of 2 calls are not attested, the first is 7 of http@1, host" in capsys.readouterr().out


@pytest.mark.usefixtures("_trusted")
def test_evidence_that_comes_alone_has_no_calls_to_look_at(capsys, tmp_path):
    strict = policy_file(tmp_path, changed(rules(), "release/only_attested_capabilities", True))
    (tmp_path / "data.cbor").write_bytes(DATA.encode())
    (tmp_path / "document.cose").write_bytes(evidence().body)
    options = ("--policy", strict, "--at", AT.isoformat(), "--runtime-data", tmp_path / "data.cbor")
    code, document = said(capsys, tmp_path / "document.cose", *options, noun="attest")
    assert (code, document["evidence"][0]["status"]) == (0, "affirming")


def test_a_simulation_under_a_policy_that_asks_for_more_gets_no_test_secrets_either(capsys, tmp_path):
    folder = tmp_path / "evidence"
    folder.mkdir()
    receipt = receipt_file(folder)
    policy = policy_file(tmp_path, changed(accepting(), "release/min_assurance", "vtpm"))
    code, document = said(capsys, receipt, "--policy", policy)
    assert (code, [each["code"] for each in document["failed"]]) == (1, ["SR-ATTEST-026", "SR-ATTEST-031"])
    assert run(["policy", "test", str(policy), "--evidence", str(folder), "--at", "2027-01-15T08:00:10Z"]) == 1
    assert "test secrets only" not in capsys.readouterr().out


def test_what_nobody_named_is_said_with_the_option_that_names_it(capsys, tmp_path):
    policy = accepting()
    del policy["accept"]["insecure-software"][0]["enclave_configs"]
    receipt = receipt_file(tmp_path)
    _code, found = said(capsys, receipt, "--policy", policy_file(tmp_path, policy))
    (check,) = [each for each in found["failed"] if each["id"] == "enclave configuration"]
    assert "--enclave-config keys/enclave-config.cbor" in check["fix"]
    _code, found = said(capsys, receipt, "--policy", policy_file(tmp_path, values()))
    (check,) = [each for each in found["failed"] if each["id"] == "policy section"]
    assert check["fix"].startswith("Use hardware: a production policy accepts no simulation")
    receipt, policy = tpm_receipt(tmp_path)
    policy_file(tmp_path, changed(policy, "accept/tpm2"))
    assert run(["receipt", "verify", str(receipt), "--policy", str(tmp_path / "policy.toml")]) == 1
    assert "do:     Add [[accept.tpm2]] to the policy" in capsys.readouterr().out
