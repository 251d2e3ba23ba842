"""``strongroom audit``: records as lines, a verdict in one, and an exit code that scripts can branch on."""

import json

import pytest

from strongroom.audit.verify import verify
from strongroom.cli.main import run
from strongroom.pb.strongroom.v1 import audit_pb2_grpc
from strongroom.services.audit import AuditService
from strongroom.services.server import ApiServer
from tests.fakes.audit_rig import Rig, Ring
from tests.fakes.callers import administrators


@pytest.fixture
def rig(tmp_path):
    (tmp_path / "log").mkdir()
    made = Rig(tmp_path / "log", keys=Ring((1,))).open()
    yield made
    made.log.close()


@pytest.fixture
def said(rig, tmp_path, monkeypatch, capsys):
    """Run a command against a host with that log; its exit code, its output or document, and what it said."""
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))

    def read(on_progress):
        return verify(rig.log.snapshot(), rig.name, rig.keys, rig.heads.read, on_progress)

    service = AuditService(rig.log, read, "host-1", is_ending=lambda: False)
    add = [lambda server: audit_pb2_grpc.add_AuditServiceServicer_to_server(service, server)]
    servers = [
        ApiServer(tmp_path / name, add, message_bytes_max=1_000_000, reflection=False, access=administrators())
        for name in ("strongroom.sock", "admin.sock")
    ]
    for server in servers:
        server.start()

    def call(*arguments):
        code = run(["audit", *arguments])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, err

    yield call
    for server in servers:
        server.stop(0)


def test_records_are_lines_and_nothing_of_them_is_obeyed_by_a_terminal(rig, said):
    rig.write(1, caller="anna", outcome="SR-RUN-001", reason="ticket\x1b[2J 4", facts={"step": 3})
    code, out, _ = said("tail", "-n", "1")
    assert code == 0
    assert out == (
        "     2  2023-11-14T22:13:20Z  anna          run.start           wrun_0  SR-RUN-001"
        '  "ticket\\x1b[2J 4"  step=3\n'
    )


def test_programs_get_one_document(rig, said):
    rig.write(3)
    code, document, _ = said("tail", "-n", "2", "--json")
    assert (code, document["schema"]) == (0, "strongroom.audit/v1")
    assert [(each["number"], each["action"]) for each in document["records"]] == [(3, "run.start"), (4, "run.start")]


def test_a_line_that_is_none_is_said(rig, said):
    rig.write(2)
    rig.put([*rig.lines()[:-1], b"x" * (len(rig.lines()[-1]) - 1) + b"\n"])
    code, out, err = said("tail", "-n", "2")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "strongroom audit verify" in err


def test_a_log_that_holds_is_one_line_and_ends_well(rig, said):
    rig.write(3)
    assert said("verify")[:2] == (0, "holds: 4 records in 1 file, the last is number 4\n")
    code, document, _ = said("verify", "--json")
    assert (code, document["holds"], document["host"], document["last_number"]) == (0, True, "host-1", 4)


def test_a_log_that_does_not_names_the_first_break_and_ends_with_65(rig, said):
    rig.write(9)
    lines = rig.lines()
    del lines[4]
    rig.put(lines)
    code, out, _ = said("verify")
    assert code == 65
    assert out.splitlines()[:2] == [
        "DOES NOT HOLD: 9 records in 1 file",
        "  record 5: removed: 1 line is missing",
    ]
    code, document, _ = said("verify", "--json")
    assert (code, document["holds"]) == (65, False)
    assert (document["breaks"][0]["number"], document["breaks"][0]["kind"]) == (5, "removed")


def test_records_under_a_retired_key_are_counted(rig, said):
    rig.write(3)
    rig.keys.keys[2] = Ring((2,)).keys[2]
    rig.write(1)
    del rig.keys.keys[1]
    code, out, err = said("verify")
    assert (code, out) == (0, "holds: 6 records in 2 files, the last is number 6\n")
    assert "4 records are under a key that was retired" in err


@pytest.mark.parametrize("number", ["-1", "10001", "x"])
def test_a_number_of_records_that_is_none_is_refused(said, number):
    assert said("tail", "-n", number)[0] == 2
