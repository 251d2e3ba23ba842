"""A secret of a confidential run is in the enclave runner and in the vault, and nowhere else: neither while its guest
has it nor later, in no process, on no socket, in no file.

Covered are, as plain bytes, hex, base64, UTF-16 and UTF-32: memory, open files, arguments and environment of every
process of the host; each byte on the API's socket and on every socket between daemon and plugins; each file of the
host's and the vault's directories; logs, answers, exports, the receipt. Of the link between a plugin and its runner
both ends are searched, not the bytes on it. Left out is memory that was never touched, and what is in memory as it is
in a file with a name. Each search has a control: it finds what is known to be there.
"""

import base64
import shutil
import tempfile
from pathlib import Path

import pytest

from strongroom.attest.receipt import decode_receipt
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.canary import LENGTH, Canary
from tests.fakes.canary_host import DAEMON, RUNNER, VAULT, CanaryHost
from tests.fakes.canary_scene import play
from tools.build_guests import Guest, build

FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
HOLDERS = (RUNNER, VAULT)


@pytest.fixture(scope="module", params=[False, True], ids=["vault of the host", "vault apart"])
def scene(request, tmp_path_factory):
    binary = tmp_path_factory.mktemp("guest") / "canary.wasm"
    build(Guest(name="canary", source="tests/scenarios/canary.c"), binary)
    # Paths of sockets are short.
    places = [Path(tempfile.mkdtemp(prefix="sr-")) for _ in range(2)]
    host = CanaryHost(*places, separate=request.param)
    yield play(host, binary)
    for place in (*places, host.records):
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def seen(scene):
    """What was seen in processes while the guest had its secret, and after."""
    if scene.during is None:
        pytest.skip("control and search of process memory: only root may read that of processes that hide theirs")
    return scene.during, scene.after


def hits(found):
    return [hit for process in found if process.name not in HOLDERS for hit in process.secret]


def digest(data):
    value = FNV_OFFSET
    for byte in data:
        value = (value ^ byte) * FNV_PRIME % 2**64
    return value


def test_the_guest_had_the_secret(scene):
    canary = scene.host.canary
    assert scene.answer.run.status == run_pb2.RUN_STATUS_COMPLETED, scene.answer.error
    assert scene.answer.run.module == "confidential"
    assert scene.answer.result.string_value == f"{LENGTH} {digest(canary.plain)}"


def test_control_the_secret_is_found_where_it_has_to_be(seen):
    during, _ = seen
    runner = next(process for process in during if process.name == RUNNER and process.has_marker)
    assert runner.secret, "a search that does not find it in the runner finds it nowhere"


def test_control_what_is_no_secret_is_found_in_every_process_that_has_it(seen):
    for found in seen:
        assert [process.name for process in found if not process.is_sound] == []
        marked = {process.name for process in found if process.has_marker}
        assert {DAEMON, "plugin confidential-workflows", "plugin gate"} <= marked


def test_no_other_process_holds_it_while_the_guest_has_it(seen):
    during, _ = seen
    assert hits(during) == []
    assert {"local runner", "plugin http-actions", DAEMON} <= {process.name for process in during}


def test_no_other_process_holds_it_after_the_run(seen):
    during, after = seen
    assert hits(after) == []
    runner = next(process.pid for process in during if process.name == RUNNER and process.has_marker)
    assert runner not in {process.pid for process in after}, "its runner is gone"


def test_a_runner_that_waits_for_the_next_execution_knows_nothing_of_this_one(seen):
    for found in seen:
        waiting = [process for process in found if process.name == RUNNER and not process.has_marker]
        assert [hit for process in waiting for hit in process.secret] == []


def test_it_does_not_pass_over_any_socket_in_the_clear(scene):
    records = scene.host.records
    assert scene.host.canary.found_below(records) == []
    passed = [path.name for path in records.iterdir() if scene.host.marker.plain in path.read_bytes()]
    # Control: both directions of the API, what administrators are answered, the sockets where plugins serve, and those
    # where the host serves them.
    for beginning, endings in (
        ("strongroom.sock", (".to", ".from")),
        ("admin.sock", (".from",)),
        ("plugin", (".to", ".from")),
        ("host", (".to", ".from")),
    ):
        for ending in endings:
            assert [n for n in passed if n.startswith(beginning) and n.endswith(ending)], (beginning, ending, passed)


def test_it_is_in_no_file(scene):
    assert {where: found for where, found in scene.files.items() if found} == {}
    names = {path.name for path in scene.marked_files}
    assert "strongroom.db" in names or "strongroom.db-wal" in names, "control: names of workflows stand in the clear"
    assert [path for place in scene.host.places for path in place.rglob("vault.db")], "the vault's file is among them"


def test_it_is_in_no_log(scene):
    assert scene.host.canary.found_in(scene.host.logs.encode()) == []
    assert "released to a simulated enclave" in scene.host.logs, "control: the vault's log is among them"
    assert scene.answer.run.workflow_id in scene.host.logs, "control: and the daemon's"


def test_it_is_in_no_answer_no_export_and_no_receipt(scene):
    said = {**scene.said, "the answer": scene.answer.SerializeToString()}
    assert {where: found for where, data in said.items() if (found := scene.host.canary.found_in(data))} == {}
    assert decode_receipt(scene.said["receipt"]).assurance == "none"
    opened = [data for where, data in scene.said.items() if where.startswith("run export") and "--decrypt" in where]
    assert scene.answer.result.string_value.encode() in opened[0], "control: contents are opened"


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize(
    "encoded",
    [
        lambda text, before: bytes(before) + text.encode(),
        lambda text, before: (bytes(before) + text.encode()).hex().encode(),
        lambda text, before: (bytes(before) + text.encode()).hex().upper().encode(),
        lambda text, before: ("x" * before + text + "x").encode("utf-16-le"),
        lambda text, before: ("x" * before + text + "x").encode("utf-16-be"),
        lambda text, before: ("x" * before + text + "x").encode("utf-32-le"),
    ],
    ids=["plain", "hex", "upper hex", "utf-16-le", "utf-16-be", "utf-32"],
)
def test_control_each_encoding_is_found_wherever_it_begins(encoded, before, tmp_path):
    canary = Canary.new()
    (tmp_path / "leak").write_bytes(b"..." + encoded(canary.text, before) + b"...")
    assert canary.found_below(tmp_path), "in a file"
    (tmp_path / "leak").write_bytes(encoded(Canary.new().text, before))
    assert canary.found_below(tmp_path) == []


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_control_base64_is_found_wherever_it_begins(encode, before):
    canary = Canary.new()
    assert canary.found_in(encode(b"\xfb" * before + canary.plain + b"after"))
    assert canary.found_in(encode(b"\xfb" * before + Canary.new().plain + b"after")) == []
