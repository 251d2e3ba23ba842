"""A signed request comes in, a workflow starts and sends one out; whatever is killed, each happens once."""

import json
import os
import queue
import signal
import socket
import sys
import threading
import time

import pytest

from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.http_caller import Caller, body_for, post
from tests.fakes.live_daemon import DEADLINE_S, LiveDaemon
from tests.fakes.web_site import Authority, Site, says
from tools.build_guests import Guest, build

CALLER = Caller(b"scenario")
PLUGINS = ("http-trigger", "http-actions")


@pytest.fixture(scope="module")
def webhook(tmp_path_factory):
    path = tmp_path_factory.mktemp("guest") / "webhook.wasm"
    build(Guest(name="webhook", source="tests/scenarios/webhook.c"), path)
    return path


@pytest.fixture
def site(tmp_path):
    """Answers with what it got while its ``door`` is open; ``arrived`` has the input of each request before that."""
    authority = Authority(tmp_path)
    door, arrived = threading.Event(), queue.SimpleQueue()
    door.set()

    def answer(seen):
        arrived.put(json.loads(seen.body))
        door.wait(DEADLINE_S)
        yield says(200, b"got " + seen.body)

    made = Site(answer, certificate=authority.file("localhost"))
    made.authority, made.door, made.arrived = authority.path, door, arrived
    yield made
    door.set()
    made.close()


@pytest.fixture
def host(state, site):
    """A daemon with both plugins; ``address`` is where its trigger listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    actions = {"allow_hosts": [f"localhost:{site.port}"], "ca_file": str(site.authority)}
    plugins = [
        entry("http-trigger", {"listen": address, "rate_burst": 1000, "accept_wait_ms": 3000}),
        entry("http-actions", actions),
    ]
    path = state / "plugins.yaml"
    path.write_text(json.dumps({"version": 1, "plugins": plugins}))
    daemon = LiveDaemon(state, ("--plugins-file", str(path)))
    daemon.address = address
    daemon.start()
    yield daemon
    if daemon.process.poll() is None:
        daemon.kill()


def entry(name, config):
    module = f"strongroom_{name.replace('-', '_')}"
    return {"name": name, "command": [sys.executable, "-m", module], "config": config, "required": True}


def ask(host, workflow, request_id):
    """The execution id, once it is accepted; repeated as a client would, with the same id."""
    body = body_for(workflow, request_id, params={"workflow": {"workflowID": workflow}, "input": request_id})
    end = time.monotonic() + 60
    while True:
        try:
            status, _, said = post(host.address, body, CALLER.bearer(body))
        except OSError:
            status, said = 0, "the trigger is not there"
        if status == 200:
            return said["result"]["workflowExecutionID"]
        assert time.monotonic() < end, said
        time.sleep(0.1)


def register(host, webhook, site):
    with host.channel() as api:
        config = f"{CALLER.address} https://localhost:{site.port}/in".encode()
        done = api.register(webhook, "webhook", config=config)
        assert done.subscriptions[0].state == "registered", done.subscriptions
        return done.workflow_id


def ended(host, event_id):
    """The run of an event that was accepted, at its end: asking for it starts nothing."""
    key = http_pb2.AuthorizedKey(type=http_pb2.KEY_TYPE_ECDSA_EVM, public_key=CALLER.address)
    start = run_pb2.StartRequest(workflow="webhook", event_id=event_id)
    start.message.Pack(http_pb2.Payload(input=json.dumps(event_id).encode(), key=key))
    with host.channel() as api:
        return api.runs.Execute(run_pb2.ExecuteRequest(start=start), timeout=DEADLINE_S)


def test_a_signed_request_starts_a_run_that_sends_one(host, webhook, site):
    workflow = register(host, webhook, site)
    run_id = ask(host, workflow, "order-1")
    run = ended(host, "order-1")
    assert (run.run.status, run.result.string_value) == (run_pb2.RUN_STATUS_COMPLETED, 'got "order-1"')
    assert (run.run.execution_id, [seen.body for seen in site.seen]) == (run_id, [b'"order-1"'])
    assert ask(host, workflow, "order-1") == run_id
    assert len(site.seen) == 1


def kill(host, cycle):
    """Kill the host, or its plugins, and return when all of them are there again."""
    if cycle % 2 == 0:
        host.kill()
        host.start()
        return
    with host.channel() as api:
        before = {name: api.plugin(name) for name in PLUGINS}
        for plugin in before.values():
            os.kill(plugin.pid, signal.SIGKILL)
        end = time.monotonic() + DEADLINE_S
        while not all(is_back(api.plugin(name), plugin) for name, plugin in before.items()):
            assert time.monotonic() < end, [api.plugin(name) for name in PLUGINS]
            time.sleep(0.05)


def is_back(plugin, before):
    return plugin.restarts > before.restarts and plugin.state == "ready"


def test_whatever_is_killed_each_request_is_one_run_and_goes_out_at_most_once(host, webhook, site):
    workflow, ids = register(host, webhook, site), {}
    answered, held = set(), set()  # the answer was there before the kill; the request was, and could not be answered

    def ask_for(kind, cycle):
        names = {f"{kind}-{cycle}-{number}" for number in range(3)}
        ids.update({name: ask(host, workflow, name) for name in names})
        return names

    for cycle in range(4):
        asked = ask_for("answered", cycle)
        assert {ended(host, name).run.status for name in asked} == {run_pb2.RUN_STATUS_COMPLETED}
        answered |= asked
        site.door.clear()
        asked = ask_for("held", cycle)
        arrived = set()
        while not asked <= arrived:
            arrived.add(site.arrived.get(timeout=DEADLINE_S))
        held |= asked
        ask_for("hurried", cycle)  # the kill may find these anywhere
        kill(host, cycle)
        site.door.set()
    assert {name: ask(host, workflow, name) for name in ids} == ids
    runs = {name: ended(host, name) for name in ids}
    assert {name: run.run.execution_id for name, run in runs.items()} == ids
    sent = sorted(json.loads(seen.body) for seen in site.seen)
    assert sent == sorted(set(sent)), "nothing went out twice"
    said = {name: run.error for name, run in runs.items() if run.run.status != run_pb2.RUN_STATUS_COMPLETED}
    assert answered | said.keys() | set(sent) == ids.keys()
    assert not answered & said.keys(), "an answer that was there is not lost"
    assert held <= set(sent)
    assert {name for name in held if "OUTCOME_UNKNOWN" in said.get(name, "")} == held, said
    assert all("OUTCOME_UNKNOWN" in error or "Unavailable" in error for error in said.values()), said
