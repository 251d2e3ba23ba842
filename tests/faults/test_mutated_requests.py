"""Requests that nobody would send, to every method of the API: each is answered in time, and none is our fault."""

import random
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from tests.fakes.methods import DESCRIPTORS, METHODS
from tests.faults.figures import record
from tests.faults.mutator import Mutator
from tests.faults.scale import much
from tests.faults.small_runs import GREET
from tests.faults.workspace_storm import quiet_daemon

REQUESTS = much(3000, 10_000)
CLIENTS = 8
ANSWERED_S = 20
"""Nothing but what waits takes nearly as long, on a busy machine too."""
WAITED_S = 0.2
WAITING = {"RunService/Execute", "RunService/Replay", "RunService/Retry", "WorldService/WaitForRun"}
"""Methods that rightly take as long as a run does; so does every stream."""
ENDING = {"Stop", "Drain", "Shutdown"}
"""Methods that end what the other requests are for, if there are such."""
FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
MESSAGES_MAX = 100
"""How much of a stream is read."""


def waits(method):
    short = method.removeprefix("/strongroom.v1.")
    return DESCRIPTORS[method].server_streaming or short in WAITING


def send(channel, method, requests):
    """The status code and words of the answer to these bytes."""
    shape = DESCRIPTORS[method]
    kind = f"{'stream' if shape.client_streaming else 'unary'}_{'stream' if shape.server_streaming else 'unary'}"
    call = getattr(channel, kind)(method, request_serializer=bytes, response_deserializer=bytes)
    request = iter(requests) if shape.client_streaming else requests[0]
    try:
        answer = call(request, timeout=WAITED_S if waits(method) else ANSWERED_S)
        if shape.server_streaming:
            for number, _ in enumerate(answer):
                if number == MESSAGES_MAX:
                    answer.cancel()
                    break
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


@pytest.fixture
def host():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        daemon = quiet_daemon(Path(directory)).start()
        yield daemon
        daemon.stop()


@pytest.mark.timeout(0)
def test_no_request_is_our_fault_and_each_has_its_answer_in_time(host):
    project = host.state / "project"
    project.mkdir()
    with host.channel(admin=True) as api:
        workflow = api.register(GREET, "greet")
        runs = [api.execute("greet", b'{"who": "x"}').run.run_id for _ in range(3)]
        known = {
            "run_id": runs,
            "run_ids": runs,
            "workflow": ["greet", workflow.workflow_id],
            "workflow_id": [workflow.workflow_id],
            "owner": [workflow.owner],
            "reason": ["to see"],
            "json": [b'{"who": "x"}'],
            "binary": [GREET.read_bytes()],
            "project_dir": [str(project)],
            "name": ["greet", "notes", "notes:table"],
            "key": ["a", "b"],
            "event_type": [
                "run_created",
                "run_started",
                "step_created",
                "step_completed",
                "hook_created",
                "wait_created",
            ],
        }

        def one(number):
            dice = random.Random(number)  # noqa: S311 - the same number must give the same request
            mutator = Mutator(dice, known, host.state)
            method = offered[number % len(offered)]
            count = dice.choice([1, 1, 2, 3]) if DESCRIPTORS[method].client_streaming else 1
            return number, method, *send(api.channel, method, [mutator.untrusted_request(method) for _ in range(count)])

        offered = [method for method in METHODS if method.rpartition("/")[2] not in ENDING]
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(one, range(REQUESTS)))
        assert host.process.poll() is None, "".join(host.log)[-2000:]
        api.register(GREET, "afterwards")
        alive = api.execute("afterwards", b'{"who": "x"}').result.string_value == "hello, x"
    ours = [answer for answer in answers if answer[2] in FAULTS]
    late = [answer for answer in answers if answer[2] is grpc.StatusCode.DEADLINE_EXCEEDED and not waits(answer[1])]
    heard = Counter(code.name for _, _, code, _ in answers)
    record(
        "O9",
        f"{REQUESTS} mutated requests to {len(offered)} methods of the gRPC API",
        demanded="0 INTERNAL or UNKNOWN, 0 late",
        measured=f"{len(ours)} ours, {len(late)} late; " + ", ".join(f"{n} {code}" for code, n in heard.most_common(4)),
        met=not ours and not late and alive,
    )
    first = {method: (number, details) for number, method, _, details in reversed([*ours, *late])}
    assert first == {}, "".join(line for line in host.log if "Mount" in line)[-3000:]
    assert alive
    assert heard["OK"] > REQUESTS / 20, "most of them were refused before anything was done"
