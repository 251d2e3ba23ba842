"""``strongroom policy``: keys, signatures, what a policy accepts, and what another accepts that it does not."""

import json
import stat

import pytest

from strongroom.attest.policy import POLICY_BYTES_MAX
from strongroom.cli.main import run
from tests.cli.test_receipt_verify import accepting, receipt_file
from tests.fakes.policies import changed, toml, values


def said(capsys, *arguments):
    """The exit code and the document."""
    code = run(["policy", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out or captured.err)


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_bytes(toml(values()))
    return path


@pytest.fixture
def key(tmp_path, capsys):
    said(capsys, "new-key", tmp_path / "policy.key")
    return tmp_path / "policy.key"


def test_a_new_key_is_for_its_owner_alone_and_never_written_over(capsys, tmp_path):
    code, made = said(capsys, "new-key", tmp_path / "a.key")
    assert code == 0
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    assert (tmp_path / "a.key.pub").read_text() == f"{made['public_key']}\n"
    assert made["public_key"] not in (tmp_path / "a.key").read_text()
    before = (tmp_path / "a.key").read_bytes()
    code, error = said(capsys, "new-key", tmp_path / "a.key")
    assert (code, error["error"]["code"]) == (73, "SR-CLI-100")
    assert (tmp_path / "a.key").read_bytes() == before


def test_a_policy_that_was_signed_holds_under_that_key_and_no_other(capsys, tmp_path, policy, key):
    code, made = said(capsys, "sign", policy, "--key", key)
    assert (code, made["replaced"]) == (0, False)
    assert len((tmp_path / "policy.toml.sig").read_bytes()) == 64
    code, found = said(capsys, "test", policy, "--key", f"{key}.pub")
    assert (code, found["policy"]["signature_checked"]) == (0, True)
    assert said(capsys, "test", policy, "--key", made["public_key"])[0] == 0
    code, error = said(capsys, "test", policy, "--key", "00" * 32)
    assert (code, error["error"]["code"]) == (78, "SR-ATTEST-027")
    policy.write_bytes(policy.read_bytes() + b"\n")
    assert said(capsys, "test", policy, "--key", f"{key}.pub")[1]["error"]["code"] == "SR-ATTEST-027"
    assert said(capsys, "sign", policy, "--key", key)[1]["replaced"]
    assert said(capsys, "test", policy, "--key", f"{key}.pub")[0] == 0
    (tmp_path / "policy.toml.sig").unlink()
    assert said(capsys, "test", policy, "--key", f"{key}.pub")[1]["error"]["code"] == "SR-ATTEST-027"


def test_a_key_that_is_not_the_one_beside_the_policy_signs_nothing(capsys, tmp_path, policy, key):
    said(capsys, "sign", policy, "--key", key)
    good = (tmp_path / "policy.toml.sig").read_bytes()
    (tmp_path / "policy.pub").write_text(key.with_name(f"{key.name}.pub").read_text())
    assert run(["policy", "new-key", str(tmp_path / "other.key")]) == 0
    capsys.readouterr()
    code, error = said(capsys, "sign", policy, "--key", tmp_path / "other.key")
    assert (code, error["error"]["code"]) == (73, "SR-CLI-135")
    assert (tmp_path / "policy.toml.sig").read_bytes() == good
    assert said(capsys, "sign", policy, "--key", key)[0] == 0


def test_whoever_signs_another_content_is_told_that_its_epoch_must_be_higher(capsys, policy, key):
    for _time in range(2):
        assert run(["policy", "sign", str(policy), "--key", str(key)]) == 0
        assert "SR-ATTEST-028" not in capsys.readouterr().err
    policy.write_bytes(policy.read_bytes() + b"# more\n")
    assert run(["policy", "sign", str(policy), "--key", str(key)]) == 0
    assert "a vault that had that in force with epoch 7 refuses this one (SR-ATTEST-028)" in capsys.readouterr().err


def test_what_is_no_policy_is_not_signed(capsys, tmp_path, key):
    other = tmp_path / "other.toml"
    other.write_text("profile = 'production'\nallow_debug = true\n")
    code, error = said(capsys, "sign", other, "--key", key)
    assert (code, error["error"]["code"]) == (78, "SR-ATTEST-027")
    assert not (tmp_path / "other.toml.sig").exists()


@pytest.mark.parametrize("content", [b"", b"ab" * 31, b"zz" * 32, b"\xff" * 64, b"0" * 10_000])
def test_a_file_that_is_no_key_signs_nothing_and_is_not_shown(capsys, tmp_path, policy, content):
    bad = tmp_path / "bad.key"
    bad.write_bytes(content)
    bad.chmod(0o600)
    code, error = said(capsys, "sign", policy, "--key", bad)
    assert (code, error["error"]["code"]) == (65, "SR-CLI-099")
    assert "abab" not in json.dumps(error)
    code, error = said(capsys, "test", policy, "--key", bad)
    assert code == 65
    assert error["error"]["code"] in {"SR-CLI-096", "SR-CLI-009"}


def test_a_key_that_others_can_read_or_that_is_not_there_signs_nothing(capsys, tmp_path, policy, key):
    key.chmod(0o644)
    assert said(capsys, "sign", policy, "--key", key)[1]["error"]["code"] == "SR-CLI-097"
    assert said(capsys, "sign", policy, "--key", tmp_path)[1]["error"]["code"] == "SR-CLI-097"
    code, error = said(capsys, "sign", policy, "--key", tmp_path / "none")
    assert (code, error["error"]["code"]) == (65, "SR-CLI-098")


def test_what_a_policy_accepts_is_listed_and_what_seems_forgotten_is_said(capsys, tmp_path, policy):
    code, found = said(capsys, "test", policy)
    assert (code, found["policy"]["signature_checked"]) == (0, False)
    assert {each["kind"] for each in found["accepts"]} == set(values()["accept"])
    assert any("does not name this installation" in each for each in found["remarks"])
    forgotten = changed(changed(values(), "verifiers"), "tdx")
    forgotten = changed(changed(forgotten, "tpm2/aks", []), "tpm2/ek_anchors", [])
    policy.write_bytes(toml(forgotten))
    remarks = said(capsys, "test", policy)[1]["remarks"]
    for wanted in ("verifiers.load is empty", "tdx is missing", "tpm2.aks is empty", "tpm2.ek_anchors is empty"):
        assert any(wanted in each for each in remarks), wanted
    twice = [{**each, "name": name} for each in values()["accept"]["nitro"] for name in ("a", "b")]
    policy.write_bytes(toml(changed(values(), "accept/nitro", twice)))
    assert any("same reference values as a" in each for each in said(capsys, "test", policy)[1]["remarks"])


def test_what_is_no_policy_names_the_place(capsys, tmp_path, policy):
    for content, where in (
        (b"epoch = = 1", "policy.toml"),
        (toml(changed(values(), "ignore_expiry", True)), "policy.toml:ignore_expiry"),
        (b"\xff\xfe", "policy.toml"),
    ):
        policy.write_bytes(content)
        code, error = said(capsys, "test", policy)
        assert (code, error["error"]["code"], error["error"]["details"]["where"]) == (78, "SR-ATTEST-027", where)
    policy.write_bytes(b"#" * (POLICY_BYTES_MAX + 1))
    assert said(capsys, "test", policy)[0] == 65
    assert said(capsys, "test", tmp_path)[0] == 65


def test_evidence_is_run_over_and_the_table_says_what_becomes_of_each(capsys, tmp_path, policy):
    folder = tmp_path / "evidence"
    folder.mkdir()
    receipt_file(folder)
    policy.write_bytes(toml(accepting()))
    code, found = said(capsys, "test", policy, "--evidence", folder, "--at", "2027-01-15T08:00:10Z")
    (one,) = found["evidence"]
    assert (code, one["answer"], one["binding"]) == (0, "test secrets only", "holds"), "a simulation affirms nothing"
    assert (one["status"], one["authentic"]) == ("contraindicated", True)
    for path in ("accept/insecure-software/0/enclave_configs", "accept/insecure-software/0/measurement"):
        wrong = "00" * 31 + "01"
        policy.write_bytes(toml(changed(accepting(), path, [wrong] if path.endswith("configs") else wrong)))
        code, found = said(capsys, "test", policy, "--evidence", folder, "--at", "2027-01-15T08:00:10Z")
        assert (code, found["evidence"][0]["answer"]) == (1, "refused")
    policy.write_bytes(toml(values()))
    code, found = said(capsys, "test", policy, "--evidence", folder, "--at", "2027-01-15T08:00:10Z")
    assert (code, found["evidence"][0]["refusal"]["code"]) == (1, "SR-ATTEST-026")
    assert run(["policy", "test", str(policy), "--evidence", str(folder), "--at", "1800000010"]) == 1
    assert "SR-ATTEST-026" in capsys.readouterr().out
    (tmp_path / "nothing").mkdir()
    code, error = said(capsys, "test", policy, "--evidence", tmp_path / "nothing")
    assert (code, error["error"]["code"]) == (65, "SR-CLI-094")


def test_real_evidence_that_is_bound_to_nothing_is_accepted_if_bound_or_with_a_warning(capsys, tmp_path, policy):
    from tests.attest.test_appraise_samples import claims, rules
    from tests.fakes.attestation_samples import SAMPLES, sample_cases

    (sgx,) = [each for each in sample_cases("sgx", 2) if each["outcome"] == "accept"]
    found = claims(sgx)
    listed = changed(rules(found), "sgx/tcb_status", ["UpToDate", found.facts["tcb_status"]])
    file = SAMPLES / sgx["body"]["file"]

    def answer(of):
        policy.write_bytes(toml(of))
        code, document = said(capsys, "test", policy, "--evidence", file, "--at", sgx["at"])
        return code, document["evidence"][0]["answer"]

    assert answer(rules(found)) == (1, "refused")
    assert answer(listed) == (1, "refused"), "a warning is not enough"
    assert answer(changed(listed, "release/require", "warning")) == (0, "accepted with a warning if bound")
    nitro = sample_cases("nitro", 7)[0]
    policy.write_bytes(toml(rules(claims(nitro))))
    options = ("--evidence", SAMPLES / nitro["body"]["file"], "--at", nitro["at"])
    code, document = said(capsys, "test", policy, *options)
    assert (code, document["evidence"][0]["answer"]) == (0, "accepted if bound")


def test_a_wider_policy_ends_with_1_and_a_stricter_one_with_0(capsys, tmp_path, policy):
    wider = tmp_path / "wider.toml"
    wider.write_bytes(toml(changed(changed(values(), "min_runner_svn", 0), "epoch", 8)))
    code, found = said(capsys, "diff", policy, wider)
    assert (code, [each["where"] for each in found["newly_accepted"]]) == (1, ["wider.toml:min_runner_svn"])
    assert found["newly_refused"] == []
    code, found = said(capsys, "diff", wider, policy)
    assert (code, found["newly_accepted"]) == (0, [])
    assert len(found["newly_refused"]) == 1
    code, found = said(capsys, "diff", policy, policy)
    assert (code, found["newly_accepted"], found["newly_refused"]) == (0, [], [])
    assert run(["policy", "diff", str(wider), str(policy)]) == 0
    assert "the epoch does not rise" in capsys.readouterr().err
