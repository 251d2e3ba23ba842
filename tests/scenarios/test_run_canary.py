"""Whatever comes into a run is in no file that its host writes: markers in every input of 200 runs, and a search.

The search is for text, UTF-16, UTF-32, hex and base64 at any place: in the state directory with database, WAL, cache
and audit log, in exports, in stderr, in what commands that open nothing, probes, metrics and traces say; with
PostgreSQL in the files of the database and in the WAL. Its controls: it finds a marker that was planted, and who gives
a reason is shown each one.
"""

import json
import shutil

import pytest

from strongroom.pb.strongroom.v1 import audit_pb2, audit_pb2_grpc
from tests.fakes.canary import files_below
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.marked_runs import FAILED, MARKER_BYTES, MarkedHost
from tests.fakes.otlp_receiver import collecting
from tests.faults.figures import record
from tests.faults.scale import much
from tests.scenarios.conftest import short_directory
from tools.build_guests import Guest, build

RUNS = {"sqlite": much(200, 1000), "postgresql": 40}
WHY = ("--decrypt", "--reason", "the search has to find it")
ALTERED = 6
RUN_ID = "strongroom.run.id"
REASON = "told to stop"
"""The reason of a cancellation is on record, so it is no marker."""


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    path = tmp_path_factory.mktemp("guest") / "marked.wasm"
    build(Guest(name="marked", source="tests/scenarios/marked.c"), path)
    return path


def places_of(server, name):
    """Where PostgreSQL keeps a database, and what is not in its files yet."""
    with server.connect() as connection:
        ((oid,),) = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", (name,)).fetchall()
    return [server.directory / "data" / "base" / str(oid), server.directory / "data" / "pg_wal"]


@pytest.fixture(scope="module")
def traces():
    """A collector and its address."""
    with collecting() as made:
        yield made


@pytest.fixture(scope="module", params=list(RUNS))
def host(request, binary):
    state = short_directory()
    made = MarkedHost(LiveDaemon(state))
    made.traces, address = request.getfixturevalue("traces")
    variables, made.places = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "100"}, []
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        name = server.create_database_named(template="strongroom")
        variables["STRONGROOM_DATABASE_URL"] = server.url(name)
        made.places = places_of(server, name)
    made.start(binary, **variables).play(RUNS[request.param])
    made.count = RUNS[request.param]
    if made.places:
        server.execute("CHECKPOINT")
    yield made
    made.daemon.stop()
    shutil.rmtree(state, ignore_errors=True)


def opened(host, *words):
    shown = host.daemon(*words, *WHY, "--json")
    assert shown.code == 0, shown.err
    return shown.json


def test_every_run_took_its_markers_and_ended_as_it_should(host):
    assert host.statuses() == {"completed": host.count - FAILED - 1, "failed": FAILED, "cancelled": 1}
    assert len(host.marker("done0")) == MARKER_BYTES


def test_no_file_and_no_command_that_opens_nothing_holds_a_marker(host):
    said = host.said()
    assert {words: found for words, data in said.items() if (found := host.canary.found_in(data))} == {}
    assert f'runs_finished_total{{outcome="failed"}} {FAILED}.0'.encode() in said["/metrics"], "control: it counts them"
    host.traces.wait_for(lambda spans: host.runs["done0"] in {each.attributes.get(RUN_ID) for each in spans})
    hits = host.hits(*host.places) + ["a trace" for body in host.traces.bodies if host.canary.found_in(body)]
    what = f"a marker of 64 bytes in every part of {host.count} runs, searched in files, answers, logs, traces"
    record("K4", what, demanded="0 hits", measured=f"{len(hits)} hits", met=not hits)
    assert hits == []
    names = {path.name for path in host.daemon.state.rglob("*") if path.is_file()}
    assert {"audit.jsonl", "backup.jsonl", "backup.tar"} <= names
    for place in host.places:
        run_id = host.runs["done0"].encode()
        assert [path for path in files_below(place) if run_id in path.read_bytes()], "control: ids stand in the clear"
    assert host.places or {"strongroom.db", "strongroom.db-wal"} <= names, (
        "control: the journal of the database is searched"
    )
    planted = host.plant()
    assert [hit.split(": ")[0] for hit in host.hits()] == [str(planted)], "control: a marker would be found"
    planted.unlink()


def test_whoever_gives_a_reason_is_shown_every_marker_but_the_secret(host):
    done = host.runs["done0"]
    shown = opened(host, "run", "get", done)
    assert shown["result"] == host.marker("done0")
    assert host.marker("done0") in json.dumps(shown["opened_input"])
    events = {each["event_type"]: json.dumps(each["opened"]) for each in opened(host, "run", "events", done)["events"]}
    for kind in ("run_created", "step_created", "step_completed", "log_written", "run_completed"):
        assert events[kind], kind
    everything = json.dumps(opened(host, "run", "events", done))
    assert '"secrets_response": "***"' in everything
    assert host.marker("secret") not in everything
    lines = opened(host, "run", "logs", done)["lines"]
    assert [line["line"] for line in lines] == [host.marker("done0")]
    chunks = host.daemon("run", "stream", done, "out", *WHY)
    assert chunks.out.strip() == host.marker("done0")
    failed = opened(host, "run", "get", host.runs["failed0"])
    assert host.marker("failed0") in failed["error"]


def test_payloads_and_metadata_of_hooks_are_shown_for_a_reason_too(host):
    wanted = ("--field", "hook,payload")
    events = opened(host, "run", "events", host.runs["waits0"], *wanted)["events"]
    found = {each["event_type"]: each["opened"] for each in events if each["opened"] is not None}
    assert set(found) <= {"hook_created", "hook_received", "hook_disposed"}, "and nothing else is opened"
    assert found["hook_created"]["metadata"] == {"bytes": MARKER_BYTES, "text": host.marker("waits0")}
    assert found["hook_created"]["token"] == host.marker("waits0")
    assert found["hook_received"]["payload"]["json"] == host.marker("answerwaits0")
    assert opened(host, "run", "get", host.runs["stopped"])["cancel_reason"] == REASON
    records = host.daemon("audit", "tail", "-n", "50", "--json").json["records"]
    asked = [each["facts"]["fields"] for each in records if each["action"] == "run.decrypt"]
    assert "hook, payload" in asked, "the record names what was opened, and nothing of it"
    assert "input, output, error, reason" in asked


def test_the_audit_log_holds_and_any_record_that_is_changed_is_found(host):
    path = host.daemon.state / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    with host.daemon.channel(admin=True) as api:
        audit = audit_pb2_grpc.AuditServiceStub(api.channel)

        def breaks():
            *_, last = audit.Verify(audit_pb2.AuditServiceVerifyRequest(), timeout=60)
            return [(each.kind, each.number) for each in last.breaks]

        assert breaks() == []
        places = [len(lines) * step // (ALTERED - 1) for step in range(ALTERED - 1)] + [len(lines) - 1]
        for place in places:
            changed = [*lines]
            middle = len(changed[place]) // 2
            digit = changed[place][middle : middle + 1]
            changed[place] = changed[place][:middle] + (b"0" if digit != b"0" else b"1") + changed[place][middle + 1 :]
            path.write_bytes(b"".join(changed))
            assert breaks(), f"record {place + 1}"
        path.write_bytes(b"".join(lines))
        assert breaks() == []
