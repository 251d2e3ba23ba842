"""A run is followed through the socket: its events, its log, across cuts and restarts, by readers that are slow."""

import json
import threading
import time

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.guests.build import guest
from tests.scenarios.test_api import details, failing


def start(api, workflow, **fields):
    return api.runs.Start(run_pb2.StartRequest(workflow=workflow, **fields), timeout=20).run.run_id


def watched(api, run_id, start=0, timeout=30):
    answers = list(api.runs.Watch(run_pb2.WatchRequest(run_id=run_id, from_index=start), timeout=timeout))
    return [a.event for a in answers[:-1]], answers[-1].run


def ended(api, run_id):
    return watched(api, run_id)[1]


def test_a_run_is_watched_while_it_happens_and_ends_with_its_header(shared):
    with shared.channel() as api:
        api.register(guest("sleep-long"), "watched", config=b"400000000")
        run_id = start(api, "watched")
        events, run = watched(api, run_id)
        listed = api.runs.ListEvents(run_pb2.ListEventsRequest(run_id=run_id), timeout=10).events
    assert [e.index for e in events] == list(range(len(listed)))
    assert list(listed) == events
    assert run.status == run_pb2.RUN_STATUS_COMPLETED


def test_a_watch_that_is_cut_anywhere_goes_on_without_a_gap(shared, everything):
    with shared.channel() as api:
        whole, _ = watched(api, everything)
        for cut in range(len(whole) + 1):
            stream = api.runs.Watch(run_pb2.WatchRequest(run_id=everything), timeout=20)
            first = [next(stream).event for _ in range(cut)]
            stream.cancel()
            rest, _ = watched(api, everything, start=cut)
            assert first + rest == whole


def test_watchers_that_go_away_leave_their_places_to_others(small):
    small.start()
    with small.channel() as api:
        api.register(guest("sleep-forever"), "slow")
        run_id = start(api, "slow")
        request = run_pb2.WatchRequest(run_id=run_id)
        for _ in range(3):
            streams = [api.runs.Watch(request, timeout=20) for _ in range(32)]
            for stream in streams:
                next(stream)
            error = failing(lambda r, **o: list(api.runs.Watch(r, **o)), request)
            assert details(error)["ErrorInfo"].reason == "SR-LIMIT-004"
            for stream in streams:
                stream.cancel()
            freed = time.monotonic() + 10
            while time.monotonic() < freed:
                stream = api.runs.Watch(request, timeout=20)
                try:
                    next(stream)
                    break
                except grpc.RpcError:
                    threading.Event().wait(0.02)
            else:
                raise AssertionError("the places were not given back")
            stream.cancel()


def test_a_follower_survives_a_restart_of_the_host(small):
    small.start()
    with small.channel() as api:
        api.register(guest("sleep-long"), "long", config=b"4000000000")
        run_id = start(api, "long")
    shown = []
    follower = threading.Thread(
        target=lambda: shown.append(small("run", "events", run_id, "--follow", "--json", "--timeout", "30"))
    )
    follower.start()
    with small.channel() as api:
        stream = api.runs.Watch(run_pb2.WatchRequest(run_id=run_id), timeout=20)
        assert next(stream).event.index == 0
    small.kill()
    small.start()
    follower.join(40)
    documents = [json.loads(line) for line in shown[0].out.splitlines()]
    assert shown[0].code == 0, shown[0].err
    assert [d["index"] for d in documents[:-1]] == list(range(len(documents) - 1))
    assert documents[-1]["status"] == "completed"


def test_logs_are_sealed_and_opened_for_a_reason_that_the_daemon_writes_down(shared, everything):
    sealed = shared("run", "logs", everything)
    assert "random=" not in sealed.out
    assert "[encrypted" in sealed.out
    opened = shared("run", "logs", everything, "--decrypt", "--reason", "ticket 4711", "--json")
    lines = opened.json["lines"]
    assert lines[0]["line"].startswith("agreed=")
    assert {line["mode"] for line in lines} == {"don", "node"}
    newest = shared("audit", "tail", "-n", "200", "--json").json["records"]
    first, last = [each for each in newest if (each["reason"], each["subject"]) == ("ticket 4711", everything)]
    assert (first["action"], first["subject"], first["outcome"]) == ("run.decrypt", everything, "begun")
    assert (last["outcome"], last["facts"]) == ("done", {"fields": "log lines", "shown": str(len(lines))})
    assert "random=" not in (shared.state / "audit.jsonl").read_text()
    assert not any("random=" in line for line in shared.log)


def test_following_a_log_ends_with_the_run(shared):
    with shared.channel() as api:
        api.register(guest("everything"), "logged", config=b"700")
        run_id = start(api, "logged")
    shown = shared("run", "logs", run_id, "--follow", "--decrypt", "--reason", "x", "--json")
    *told, last = [json.loads(line) for line in shown.out.splitlines()]
    lines = [line["line"] for line in told]
    assert (shown.code, last["status"]) == (0, "completed")
    assert sum(line.startswith("agreed=") for line in lines) == 3


def test_a_wall_of_log_lines_arrives_whole_at_a_reader_that_is_slow(shared):
    with shared.channel(admin=True) as api:
        api.register(guest("log-flood"), "floods")
        run_id = start(api, "floods")
        request = run_pb2.LogsRequest(run_id=run_id, follow=True, reason="x")
        answers = []
        for answer in api.runs.Logs(request, timeout=60):
            if len(answers) % 200 == 0:
                time.sleep(0.05)
            answers.append((answer.index, answer.position))
        assert answers == sorted(set(answers))
        again = api.runs.Logs(run_pb2.LogsRequest(run_id=run_id, reason="x"), timeout=60)
        assert [(answer.index, answer.position) for answer in again] == answers


def assert_suspended(api, run_id):
    for answer in api.runs.Watch(run_pb2.WatchRequest(run_id=run_id), timeout=20):
        if answer.event.event_type == "run_suspended":
            return
    raise AssertionError("the run ended before it waited")


def test_open_streams_keep_no_host_from_stopping(small):
    small.options += ("--set", "limits.drain_timeout_ms=200")
    small.start()
    with small.channel() as api:
        api.register(guest("sleep-forever"), "slow")
        run_id = start(api, "slow")
        streams = [api.runs.Watch(run_pb2.WatchRequest(run_id=run_id), timeout=60) for _ in range(8)]
        for stream in streams:
            next(stream)
        assert small.stop() == 0
        for stream in streams:
            with pytest.raises(grpc.RpcError):
                list(stream)
