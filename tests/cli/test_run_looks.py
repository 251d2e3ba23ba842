"""``strongroom run get``, ``list``, ``cancel`` and ``kill`` of runs that have ended, or whose workflow is gone."""

import pytest

from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from tests.fakes.terminal import strongroom


@pytest.fixture
def ended_run(host):
    sealed = run_pb2.Sealed(sealed_bytes=12, key_version=1)
    host.runs["wrun_1"] = run_pb2.Run(run_id="wrun_1", status=run_pb2.RUN_STATUS_COMPLETED, output=sealed)
    return host


def test_how_a_run_ended_is_opened_for_a_reason(ended_run):
    shown = strongroom("run", "get", "wrun_1", "--decrypt", "--reason", "wrong total")
    assert "hello x" in shown.out
    assert "wrong input" in shown.out
    assert ended_run.asked[0].reason == "wrong total"
    document = strongroom("run", "get", "wrun_1", "--decrypt", "--reason", "x", "--json").document
    assert (document["result"], document["cancel_reason"]) == ("hello x", "wrong input")


def test_the_error_of_a_run_is_opened_for_a_reason(ended_run):
    ended_run.result, ended_run.error = None, "the guest trapped"
    assert "the guest trapped" in strongroom("run", "get", "wrun_1", "--decrypt", "--reason", "x").out


def test_a_run_that_is_not_opened_says_how_to(ended_run):
    shown = strongroom("run", "get", "wrun_1")
    assert "hello x" not in shown.out
    assert "--decrypt --reason" in shown.err
    assert ended_run.asked[0].reason == ""
    assert strongroom("run", "get", "wrun_1", "--decrypt").code == 2


@pytest.mark.parametrize("arguments", [("cancel",), ("kill", "--yes"), ("kill", "--dry-run")], ids=" ".join)
def test_stopping_a_run_that_has_ended_says_so_and_asks_for_nothing(ended_run, arguments):
    verb, *options = arguments
    stopped = strongroom("run", verb, "wrun_1", *options, "--json")
    assert (stopped.code, stopped.document["already_ended"]) == (0, True)
    assert stopped.document["status"] == "completed"
    assert "it had already ended: completed" in stopped.err
    kinds = {type(request).__name__ for request in ended_run.asked}
    assert not kinds & {"CancelRequest", "KillRequest"}


def test_runs_of_a_workflow_that_is_gone_are_found_by_its_name(host):
    for number in range(3):
        strongroom("run", "start", "gone" if number else "other", "--run-id", f"wrun_{number}")
    listed = strongroom("run", "list", "--workflow", "gone", "--limit", "1", "--json")
    assert [run["run_id"] for run in listed.document["runs"]] == ["wrun_1"]
    assert listed.document["more"] is True
    assert (host.asked[-1].workflow_name, host.asked[-1].page_size) == ("gone", 2), "the host looks, not the client"
    assert f"no workflow is called gone now; these are runs of {'a' * 64}" in listed.err
    nobody = strongroom("run", "list", "--workflow", "nobody")
    assert (nobody.code, nobody.out) == (65, "")
    assert "SR-CLI-017" in nobody.err


def test_an_empty_list_names_the_workflow_that_its_name_stands_for(host):
    host.workflows["x"] = workflow_pb2.Workflow(workflow_id="a" * 64, name="hello")
    shown = strongroom("run", "list", "--workflow", "hello", "--status", "failed")
    assert (shown.code, shown.out) == (0, "")
    assert shown.err == f"no runs of workflow {'a' * 64}, the newest that is called hello with status failed\n"
    assert strongroom("run", "list", "--workflow", "b" * 64).err == f"no runs of workflow {'b' * 64}\n"
