"""``strongroom run start``, ``execute`` and ``new-id``: one run, whatever becomes of the connection."""

import re
import socket
import threading

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.pb.values.v1 import values_pb2
from tests.fakes.daemon import RefusedError
from tests.fakes.scripted_guest import until
from tests.fakes.terminal import strongroom


def test_a_start_that_is_cut_names_the_run_that_may_be_there(host):
    host.cuts = [0]
    ended = strongroom("run", "start", "hello", "--json")
    (run_id,) = host.runs
    assert (ended.code, ended.out) == (69, "")
    assert ended.error["code"] == "SR-CLI-023"
    assert ended.error["details"] == {"run_id": run_id}
    assert ended.error["fix"] == f"the run may have been accepted: strongroom run get {run_id}"


def test_an_execution_that_is_cut_asks_for_the_same_run_again(host):
    host.cuts = [0, 0]
    ended = strongroom("run", "execute", "hello", "--json")
    assert ended.code == 0
    assert len({request.start.run_id for request in host.asked}) == len(host.runs) == 1
    assert len(host.asked) == 3
    assert ended.document["result"] == "hello x"
    assert ended.err.count("the host is away") == 1


def test_an_execution_whose_host_stays_away_ends_with_the_id(host):
    host.cuts = [0] * 1000
    ended = strongroom("run", "execute", "hello", "--timeout", "0.5", "--json")
    (run_id,) = host.runs
    assert ended.code in {69, 75}
    assert ended.error["details"]["run_id"] == run_id
    assert run_id in ended.error["fix"]


def test_an_execution_whose_host_goes_down_says_so_and_ends_with_75_when_it_stays_away(host):
    host.run_status = run_pb2.RUN_STATUS_WAITING
    ended = strongroom("run", "execute", "hello", "--timeout", "0.8", "--json")
    (run_id,) = host.runs
    assert (ended.code, ended.out) == (75, "")
    assert ended.error["code"] == "SR-CLI-200"
    assert "it was waiting and is on the disk" in ended.error["why"]
    assert ended.error["details"] == {"run_id": run_id}
    assert ended.error["fix"] == f"it goes on: strongroom run get {run_id}"
    assert ended.err.count(f"the host is going down; run {run_id} goes on when it is back") == 1
    assert len(host.asked) > 1, "it is waited for"


def test_an_execution_whose_host_goes_down_and_comes_back_ends_as_the_run_does(host):
    host.run_status = run_pb2.RUN_STATUS_RUNNING

    def come_back():
        until(lambda: len(host.asked) > 1)
        (run,) = host.runs.values()
        run.status = run_pb2.RUN_STATUS_COMPLETED

    thread = threading.Thread(target=come_back)
    thread.start()
    ended = strongroom("run", "execute", "hello", "--json")
    thread.join(10)
    assert (ended.code, ended.document["result"]) == (0, "hello x")
    assert len({request.start.run_id for request in host.asked}) == 1


def test_a_run_that_was_refused_was_not_accepted_and_is_not_asked_for_again(host):
    host.fail = lambda: RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "SR-RUN-006", "full", limit="5", fix="wait")
    ended = strongroom("run", "execute", "hello", "--run-id", "wrun_1", "--json")
    assert (ended.error["fix"], ended.error["details"]) == ("wait", {"limit": "5", "run_id": "wrun_1"})
    assert len(host.asked) == 1


def test_a_start_that_was_never_sent_promises_no_run(tmp_path):
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(path))
        ended = strongroom("run", "execute", "hello", "--socket", str(path))
    assert ended.code == 69
    assert "SR-CLI-020" in ended.err
    assert "may have been accepted" not in ended.err


def test_a_host_that_dies_with_the_request_in_hand_is_known_to_have_had_it(tmp_path):
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def die():
            connection, _ = listener.accept()
            # An empty frame of settings makes it a connection to gRPC, which then sends the request.
            connection.sendall(b"\0\0\0\4\0\0\0\0\0")
            connection.recv(65_536)
            connection.close()
            listener.close()

        thread = threading.Thread(target=die)
        thread.start()
        ended = strongroom("run", "start", "hello", "--socket", str(path), "--timeout", "5", "--json")
        thread.join(10)
    assert re.fullmatch(r"wrun_[0-9A-HJKMNP-TV-Z]{26}", ended.error["details"]["run_id"])


def test_ids_are_made_for_those_who_want_to_ask_again(host):
    made = strongroom("run", "new-id").out.strip()
    assert re.fullmatch(r"wrun_[0-9A-HJKMNP-TV-Z]{26}", made)
    assert strongroom("run", "new-id", "--json").document["run_id"] != made
    assert strongroom("run", "start", "hello", "--run-id", made).out.strip() == made
    assert "new-id" in strongroom("run", "start", "--help").out


def test_bytes_are_told_from_text(host):
    host.result = values_pb2.Value(bytes_value=b"\0\xff")
    ended = strongroom("run", "execute", "hello")
    assert re.search(r"^result: +base64: AP8=$", ended.out, re.MULTILINE)
    document = strongroom("run", "execute", "hello", "--json").document
    assert (document["result"], document["result_kind"]) == ("AP8=", "bytes")


@pytest.mark.parametrize("arguments", [("start", "hello"), ("execute", "hello"), ("retry", "wrun_0")], ids=" ".join)
def test_whatever_begins_a_run_names_it_when_the_host_is_not_ready(host, arguments):
    host.fail = lambda: RefusedError(grpc.StatusCode.UNAVAILABLE, "SR-API-009", "starting")
    ended = strongroom("run", *arguments, "--run-id", "wrun_1")
    assert "strongroom run get wrun_1" in ended.err


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("start", ["the run may have been accepted: strongroom run get wrun_1"]),
        ("retry", ["the run may have been accepted: strongroom run get wrun_1"]),
        ("execute", ["the run goes on: strongroom run get wrun_1", "strongroom run cancel wrun_1"]),
    ],
)
def test_who_interrupts_the_start_of_a_run_is_told_how_to_look_for_it(host, monkeypatch, verb, words):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("strongroom.cli.channel.Host.call", interrupted)
    ended = strongroom("run", verb, "hello", "--run-id", "wrun_1")
    assert ended.code == 130
    for each in words:
        assert each in ended.err
