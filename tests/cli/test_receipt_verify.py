"""``strongroom receipt verify``: offline, as a whole, with and without a policy; bad files and bad keys."""

import hashlib
import json
import socket
import subprocess
import sys
from datetime import timedelta

import pytest

from strongroom.attest.evidence import INSECURE
from strongroom.cli.main import run
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.signing import SigningKey
from tests.fakes import golden_release
from tests.fakes.golden_release import VAULT_KEY, runtime_data
from tests.fakes.pki_software import MEASUREMENT, NOW, authority
from tests.fakes.policies import changed, toml, values
from tests.fakes.receipts import receipt_of

OWN = ("insecure-software",)
STRANGER = SigningKey.from_raw(b"\x07" * 32)


def receipt_file(folder, **changes):
    """A receipt that holds, but for what is changed, in a file."""
    path = folder / "run.receipt"
    path.write_bytes(receipt_of(**changes).encode())
    return path


def said(capsys, *arguments):
    """The exit code and the document."""
    code = run(["receipt", "verify", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out or captured.err)


def line_of(capsys, name):
    """What the answer for people says under this name."""
    lines = capsys.readouterr().out.splitlines()
    (found,) = (each.partition(":")[2].strip() for each in lines if each.strip().startswith(f"{name}:"))
    return found


def policy_file(folder, rules):
    path = folder / "policy.toml"
    path.write_bytes(toml(rules))
    return path


def accepting():
    """A test policy that knows this runner, its configuration and its development CA."""
    rules = changed(values(OWN), "accept/insecure-software/0/measurement", MEASUREMENT.hex())
    configs = [runtime_data().enclave_config_sha256.hex()]
    rules = changed(rules, "accept/insecure-software/0/enclave_configs", configs)
    return changed(rules, "insecure/anchors", [authority().fingerprint])


def test_a_receipt_holds_offline_and_says_what_ran_and_that_no_policy_was_applied(capsys, tmp_path, monkeypatch):
    def touched(*_arguments, **_named):
        raise AssertionError("no host and no network is asked")

    monkeypatch.setattr(socket, "socket", touched)
    code, found = said(capsys, receipt_file(tmp_path))
    assert (code, found["ok"], found["holds"], found["policy"], found["status"]) == (0, True, True, None, None)
    assert (found["assurance"], found["insecure"], found["kind"]) == ("none", True, "insecure-software")
    assert found["execution"]["execution_id"] == runtime_data().execution.execution_id
    assert (found["result"]["status"], found["result_compared"]) == ("succeeded", False)
    assert (found["at"], found["at_given"]) == ("2027-01-15T08:00:10Z", False)
    assert found["failed"] == []
    assert len(found["checks"]) == 18


def test_people_see_the_simulation_first_and_last_and_where_the_time_is_from(capsys, tmp_path):
    file = receipt_file(tmp_path)
    assert run(["receipt", "verify", str(file)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == lines[-1] == INSECURE
    assert "holds, 18 checks, assurance none" in lines[1]
    assert any("the time of the attestation result (iat)" in each for each in lines)
    assert any("no policy was applied" in each for each in lines)
    assert any(each.endswith("not compared") for each in lines), "the result itself was not given"
    assert "the vault ran with the host" in captured.err
    assert run(["receipt", "verify", str(file), "--policy", str(policy_file(tmp_path, values()))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[-1] == INSECURE
    assert not any("no policy was applied" in each for each in lines)


def test_what_the_vault_found_is_said_also_where_no_policy_is_applied(capsys, tmp_path):
    file = receipt_file(tmp_path)
    code, found = said(capsys, file)
    assert (code, found["holds"], found["status"], found["vault_status"]) == (
        0,
        True,
        None,
        golden_release.ear().status,
    )
    vector = {**golden_release.ear().vector, "hardware": 96}
    file = receipt_file(tmp_path, ear_changes={"vector": vector})
    code, found = said(capsys, file)
    assert (code, found["holds"], found["vault_status"]) == (0, True, "contraindicated"), "authentic, and said"
    assert run(["receipt", "verify", str(file)]) == 0
    text = capsys.readouterr().out
    assert "holds, 18 checks, assurance none; its vault found contraindicated" in text
    assert "contraindicated, by the vault when it released" in text


def test_another_time_is_said_and_decides(capsys, tmp_path):
    late = (NOW + timedelta(days=2)).isoformat()
    code, found = said(capsys, receipt_file(tmp_path), "--at", late)
    assert (code, found["at_given"]) == (1, True)
    assert [(each["id"], each["code"]) for each in found["failed"]] == [
        ("evidence: insecure-software/validity", "SR-ATTEST-009")
    ]
    assert found["assurance"] == "none"


def test_a_production_policy_refuses_a_simulation(capsys, tmp_path):
    file = receipt_file(tmp_path)
    code, found = said(capsys, file, "--policy", policy_file(tmp_path, values()))
    assert (code, found["holds"], found["status"], found["assurance"]) == (1, True, "contraindicated", "none")
    assert found["failed"][0]["code"] == "SR-ATTEST-026"
    assert found["failed"][0]["meaning"].startswith("Simulated evidence")


def test_no_policy_makes_a_simulation_affirming(capsys, tmp_path):
    file = receipt_file(tmp_path)
    code, found = said(capsys, file, "--policy", policy_file(tmp_path, accepting()))
    assert (code, found["holds"], found["status"]) == (1, True, "contraindicated")
    assert found["release"] == "runner-1.4.0"
    assert {each["outcome"] for each in found["policy_checks"]} == {"passed", "failed"}
    failed = [each["id"] for each in found["failed"]]
    assert len(failed) == 1, "nothing speaks against it but what it is"


def test_under_a_policy_the_development_ca_must_be_one_that_it_names(capsys, tmp_path):
    rules = changed(accepting(), "insecure/anchors", ["00" * 32])
    code, found = said(capsys, receipt_file(tmp_path), "--policy", policy_file(tmp_path, rules))
    assert (code, found["holds"]) == (1, False)
    assert ("evidence: insecure-software/anchor", "SR-ATTEST-008") in [(e["id"], e["code"]) for e in found["failed"]]


def test_the_development_ca_and_the_key_of_the_vault_can_be_named(capsys, tmp_path):
    file = receipt_file(tmp_path)
    (tmp_path / "own.der").write_bytes(authority().certificate)
    (tmp_path / "other.der").write_bytes(DevelopmentAuthority.generate(now=NOW).certificate)
    assert said(capsys, file, "--development-ca", tmp_path / "own.der")[0] == 0
    code, found = said(capsys, file, "--development-ca", tmp_path / "other.der")
    assert (code, [each["code"] for each in found["failed"]]) == (1, ["SR-ATTEST-008"])
    assert said(capsys, file, "--vault-key", VAULT_KEY.public.hex())[0] == 0
    (tmp_path / "vault.pub").write_text(f"{STRANGER.public.hex()}\n")
    code, found = said(capsys, file, "--vault-key", tmp_path / "vault.pub")
    assert (code, [(each["id"], each["code"]) for each in found["failed"]]) == (
        1,
        [("vault public key", "SR-ATTEST-023")],
    )


def test_the_result_itself_is_compared_when_it_is_given(capsys, tmp_path):
    file = receipt_file(tmp_path)
    (tmp_path / "right").write_bytes(b"result")
    (tmp_path / "wrong").write_bytes(b"other")
    code, found = said(capsys, file, "--result", tmp_path / "right")
    assert (code, found["result_compared"], found["result_matches"]) == (0, True, True)
    code, found = said(capsys, file, "--result", tmp_path / "wrong")
    assert (code, [each["id"] for each in found["failed"]]) == (1, ["result_sha256"])
    assert (found["result_compared"], found["result_matches"]) == (True, False)


def test_people_read_whether_the_result_matches_and_what_to_do_when_it_does_not(capsys, tmp_path):
    file = receipt_file(tmp_path)
    (tmp_path / "right").write_bytes(b"result")
    (tmp_path / "wrong").write_bytes(b"other")
    assert run(["receipt", "verify", str(file), "--result", str(tmp_path / "right")]) == 0
    assert line_of(capsys, "result") == "matches"
    assert run(["receipt", "verify", str(file), "--result", str(tmp_path / "wrong")]) == 1
    shown = capsys.readouterr().out
    assert "DOES NOT MATCH: the file holds another one than the enclave signed" in shown
    assert "The file is not the result that the enclave signed." in shown
    assert "receipt export RUN --result-file" in shown
    assert "relayed" not in shown, "the evidence is about this execution; only the file is not"


def test_no_bytes_are_the_result_of_an_execution_that_had_none(capsys, tmp_path):
    nothing = {"status": "failed", "result_sha256": hashlib.sha256(b"").digest()}
    file = receipt_file(tmp_path, result_changes=nothing)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "some").write_bytes(b"result")
    code, found = said(capsys, file, "--result", tmp_path / "empty")
    assert (code, found["result"]["status"], found["result_matches"]) == (0, "failed", True)
    assert said(capsys, file, "--result", tmp_path / "some")[0] == 1


def test_a_result_is_not_called_compared_when_that_of_the_receipt_is_not_signed(capsys, tmp_path):
    (tmp_path / "right").write_bytes(b"result")
    code, found = said(capsys, receipt_file(tmp_path, key=STRANGER), "--result", tmp_path / "right")
    assert (code, found["result_compared"], found["result_matches"]) == (1, False, None)


def test_a_result_that_is_too_large_or_not_there_is_bad_data(capsys, tmp_path):
    file, huge = receipt_file(tmp_path), tmp_path / "huge"
    huge.write_bytes(bytes(16_000_001))
    for path, wanted in ((huge, "SR-CLI-009"), (tmp_path / "none", "SR-CLI-007"), (tmp_path, "SR-CLI-007")):
        code, error = said(capsys, file, "--result", path)
        assert (code, error["error"]["code"]) == (65, wanted)


def test_every_check_that_fails_is_printed(capsys, tmp_path):
    file = receipt_file(tmp_path, result_changes={"attempt": 2, "execution_id": "other"}, policy_sha256=bytes(32))
    code, found = said(capsys, file)
    assert (code, found["holds"], found["assurance"]) == (1, False, "none")
    assert [each["id"] for each in found["failed"]] == ["ear policy", "result execution_id", "result attempt"]
    assert run(["receipt", "verify", str(file)]) == 1
    text = capsys.readouterr().out
    for wanted in ("3 of 18 checks failed", "check:  result attempt", "got:    2", "wanted: 1"):
        assert wanted in text, wanted


def test_the_configuration_of_an_enclave_may_come_from_a_file(capsys, tmp_path):
    from strongroom.attest.enclave_config import EnclaveConfig

    rules = accepting()
    del rules["accept"]["insecure-software"][0]["enclave_configs"]
    file, policy = receipt_file(tmp_path), policy_file(tmp_path, rules)
    config = tmp_path / "enclave-config.cbor"
    config.write_bytes(EnclaveConfig(vault_public_key=VAULT_KEY.public, policy_epoch=1).encode())
    failed = [each["code"] for each in said(capsys, file, "--policy", policy)[1]["failed"]]
    assert "SR-ATTEST-022" in failed, "nobody says which configuration is good"
    _code, found = said(capsys, file, "--policy", policy, "--enclave-config", config)
    (check,) = [each for each in found["policy_checks"] if each["id"] == "enclave configuration"]
    assert check["wanted"] == EnclaveConfig(vault_public_key=VAULT_KEY.public, policy_epoch=1).sha256().hex()


@pytest.mark.parametrize(
    ("content", "code", "exit_code"),
    [
        (b"", "SR-CLI-105", 65),
        (b"\xff\x00", "SR-CLI-105", 65),
        (b"hello", "SR-CLI-105", 65),
        (b"\xa0", "SR-CLI-105", 65),
        (b"x" * (7 * 1024 * 1024), "SR-CLI-009", 65),
    ],
    ids=["empty", "no CBOR", "text", "another map", "huge"],
)
def test_what_is_no_receipt_is_bad_data(capsys, tmp_path, content, code, exit_code):
    (tmp_path / "it").write_bytes(content)
    found, error = said(capsys, tmp_path / "it")
    assert (found, error["error"]["code"]) == (exit_code, code)


def test_a_folder_and_a_file_that_is_not_there_are_said(capsys, tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        code, error = said(capsys, path)
        assert (code, error["error"]["code"]) == (65, "SR-CLI-007")


def test_every_cut_of_a_receipt_is_refused(capsys, tmp_path):
    file = receipt_file(tmp_path)
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        code, document = said(capsys, file)
        assert code in {1, 65}, length
        if code == 1:
            assert [each["code"] for each in document["failed"]] == ["SR-ATTEST-001"]
    file.write_bytes(whole + b"\0")
    assert said(capsys, file)[0] == 1


def test_a_policy_of_another_key_ends_before_anything_is_said(capsys, tmp_path):
    policy = policy_file(tmp_path, accepting())
    code, error = said(capsys, receipt_file(tmp_path), "--policy", policy, "--policy-key", STRANGER.public.hex())
    assert (code, error["error"]["code"]) == (78, "SR-ATTEST-027")


@pytest.mark.parametrize("noun", ["attest", "measure", "policy", "receipt"])
def test_a_command_is_read_without_verifiers_and_cryptography(noun):
    # What a person waits for before the first line of help.
    program = (
        f"import sys, strongroom.cli.{noun}, strongroom.cli.main;"
        "heavy = ('strongroom.attest.', 'strongroom.crypto.', 'cryptography', 'cbor2');"
        "print([m for m in sys.modules if m.startswith(heavy)])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
