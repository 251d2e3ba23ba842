"""``strongroom receipt export``, and what is said of runs that no hardware protected."""

import base64
import stat

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.daemon import RefusedError
from tests.fakes.terminal import strongroom

FENCE = "INSECURE SIMULATION: no protection from the host operator"


@pytest.fixture
def run(host):
    host.runs["wrun_1"] = run_pb2.Run(
        run_id="wrun_1",
        status=run_pb2.RUN_STATUS_COMPLETED,
        module="confidential",
        backend="insecure-software",
        insecure=True,
        assurance="none",
    )
    host.runs["wrun_2"] = run_pb2.Run(
        run_id="wrun_2",
        status=run_pb2.RUN_STATUS_COMPLETED,
        module="confidential",
        backend="nitro",
        assurance="hardware",
    )
    return host


def test_a_receipt_goes_to_stdout_as_it_is(run):
    ended = strongroom("receipt", "export", "wrun_2")
    assert (ended.code, ended.data, ended.err) == (0, run.receipt, "")


def test_a_receipt_goes_into_a_new_file_that_only_its_owner_may_read(run, tmp_path):
    target = tmp_path / "run.receipt"
    ended = strongroom("receipt", "export", "wrun_2", "-o", str(target), "--json")
    assert ended.document == {
        "schema": "strongroom.receipt-exported/v1",
        "run_id": "wrun_2",
        "file": str(target),
        "bytes": len(run.receipt),
        "assurance": "hardware",
        "insecure": False,
        "result_file": None,
        "result_bytes": None,
    }
    assert target.read_bytes() == run.receipt
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    again = strongroom("receipt", "export", "wrun_2", "-o", str(target))
    assert (again.code, target.read_bytes()) == (73, run.receipt)


def test_a_receipt_can_be_part_of_a_json_document(run):
    document = strongroom("receipt", "export", "wrun_2", "--json", shown=True).document
    assert base64.b64decode(document["receipt"]) == run.receipt
    assert document["file"] is None


OPENED = ("--decrypt", "--reason", "for the auditor")


def test_the_result_goes_into_a_file_of_its_own_byte_for_byte_and_the_host_hears_why(run, tmp_path):
    receipt, result = tmp_path / "run.receipt", tmp_path / "run.result"
    to = ("-o", str(receipt), "--result-file", str(result))
    document = strongroom("receipt", "export", "wrun_2", *to, *OPENED, "--json").document
    assert (document["result_file"], document["result_bytes"]) == (str(result), len(run.signed_result))
    assert (receipt.read_bytes(), result.read_bytes()) == (run.receipt, run.signed_result)
    assert stat.S_IMODE(result.stat().st_mode) == 0o600
    assert run.asked[-1].reason == "for the auditor"


def test_the_result_of_an_execution_without_one_is_a_file_of_no_bytes(run, tmp_path):
    run.signed_result = b""
    result = tmp_path / "run.result"
    ended = strongroom("receipt", "export", "wrun_2", "--result-file", str(result), *OPENED)
    assert (ended.code, ended.data) == (0, run.receipt)
    assert result.read_bytes() == b""


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--result-file", "it"), "SR-CLI-140"),
        (("--result-file", "it", "--decrypt"), "SR-CLI-011"),
        (("--result-file", "it", "--reason", "why"), "SR-CLI-012"),
        (OPENED, "SR-CLI-140"),
    ],
    ids=["sealed", "no reason", "a reason alone", "no file"],
)
def test_a_result_is_opened_for_a_reason_only_and_into_a_file_only(run, tmp_path, monkeypatch, options, code):
    monkeypatch.chdir(tmp_path)
    ended = strongroom("receipt", "export", "wrun_2", "-o", "run.receipt", *options, "--json")
    assert (ended.code, ended.error["code"]) == (2, code)
    assert run.asked == [], "it is refused before the host is asked"
    assert {each.name for each in tmp_path.iterdir()} & {"it", "run.receipt"} == set()


def test_either_both_files_are_made_or_none(run, tmp_path):
    receipt, result = tmp_path / "run.receipt", tmp_path / "run.result"
    result.write_bytes(b"of another run")
    to = ("-o", str(receipt), "--result-file", str(result))
    ended = strongroom("receipt", "export", "wrun_2", *to, *OPENED, "--json")
    assert (ended.code, ended.error["code"]) == (73, "SR-CLI-014")
    assert ended.error["fix"] == "give --result-file a new name"
    assert (receipt.exists(), result.read_bytes()) == (False, b"of another run")


def test_a_terminal_is_not_given_binary(run):
    ended = strongroom("receipt", "export", "wrun_2", shown=True)
    assert (ended.code, ended.data) == (2, b"")
    assert "SR-CLI-080" in ended.err
    assert "--output" in ended.err


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        ("SR-RUN-001", grpc.StatusCode.NOT_FOUND, 65),
        ("SR-RUN-070", grpc.StatusCode.FAILED_PRECONDITION, 65),
        ("SR-RUN-071", grpc.StatusCode.NOT_FOUND, 65),
        ("SR-RUN-072", grpc.StatusCode.NOT_FOUND, 65),
        ("SR-RUN-073", grpc.StatusCode.NOT_FOUND, 65),
    ],
    ids=["no such run, or purged", "not ended", "local", "none left", "its result was not kept"],
)
def test_why_there_is_no_receipt_is_the_hosts_word_and_makes_no_file(run, tmp_path, code, status, exit_code):
    run.fail = lambda: RefusedError(status, code, "there is none", fix="look elsewhere")
    target = tmp_path / "run.receipt"
    ended = strongroom("receipt", "export", "wrun_1", "-o", str(target), "--json")
    assert (ended.code, ended.error["code"], ended.error["fix"]) == (exit_code, code, "look elsewhere")
    assert not target.exists()


@pytest.mark.parametrize("quiet", [(), ("--quiet",)], ids=["usual", "quiet"])
@pytest.mark.parametrize("verb", [("run", "get"), ("receipt", "export")], ids=["get", "export"])
def test_the_last_line_about_a_simulated_run_says_what_it_is(run, verb, quiet):
    assert strongroom(*verb, "wrun_1", *quiet).err.splitlines()[-1] == FENCE
    assert FENCE not in strongroom(*verb, "wrun_2", *quiet).err


def test_the_assurance_of_a_run_is_shown(run):
    assert strongroom("run", "get", "wrun_1", "--json").document["assurance"] == "none"
    assert strongroom("run", "list", "--json").document["runs"][0]["assurance"] in {"none", "hardware"}
    assert "assurance:" in strongroom("run", "get", "wrun_2").out
