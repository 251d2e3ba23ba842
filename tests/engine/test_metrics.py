"""Metrics of a guest: lines of its run's log, with what the guest may say and nothing else.

Source: contracts/cre-guest.md sections 2.8 and 9.
"""

import json

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.event_types import LOG_WRITTEN
from strongroom.engine.history import History
from strongroom.engine.metric_lines import line_of
from strongroom.engine.replay import Replays
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.workflows.v2 import workflow_user_metric_pb2
from tests.fakes.workflow_host import OWNER
from tests.guest.program import Program
from tests.guests.conftest import CacheKey

WAIT_S = 60
ORDERS = workflow_user_metric_pb2.WorkflowUserMetric(
    name="orders",
    value=2.5,
    type=workflow_user_metric_pb2.USER_METRIC_TYPE_COUNTER,
    labels={"zone": "b", "area": "ä"},
)
CLAIMS = b"\x1a\x0fsomebody else's\x22\x041999"
"""The numbers 3 and 4, which are the host's: an execution id and a time."""
LINE = '{"metric": "orders", "type": "counter", "value": 2.5, "labels": {"area": "ä", "zone": "b"}}'


def test_a_metric_is_a_line_of_name_type_value_and_labels_and_what_is_the_hosts_is_not_taken_over():
    assert line_of(CLAIMS + ORDERS.SerializeToString()) == LINE


@pytest.mark.parametrize(
    ("metric", "member", "told"),
    [
        ({"type": workflow_user_metric_pb2.USER_METRIC_TYPE_GAUGE}, "type", "gauge"),
        ({}, "type", "unspecified"),
        ({"value": float("nan")}, "value", "nan"),
        ({"value": float("-inf")}, "value", "-inf"),
        ({"name": "two\nlines"}, "metric", "two\nlines"),
    ],
)
def test_whatever_a_metric_says_its_line_is_one_line_of_json(metric, member, told):
    line = line_of(workflow_user_metric_pb2.WorkflowUserMetric(**metric).SerializeToString())
    assert json.loads(line)[member] == told
    assert "\n" not in line


def test_bytes_that_are_no_metric_are_no_line():
    assert line_of(b"\xff") == ""


@pytest.fixture
def pool(tmp_path):
    cache = CompiledCache(tmp_path / "compiled", CacheKey())
    made = RunnerPool(runners_max=1, cache=cache, limits=GuestLimits(metric_bytes_max=4_000))
    yield made
    made.close()


def test_metrics_stand_in_the_log_of_their_run_in_their_place_and_a_replay_makes_them_again(host, pool):
    program = Program()
    program.env("switch_modes", 1)
    program.env("log", *program.put(b"before"))
    program.env("emit_metric", *program.put(CLAIMS + ORDERS.SerializeToString()))
    program.env("log", *program.put(b"after"))
    raw = program.wasm()

    def in_a_runner(request, helper):
        answer = pool.execute(
            owner="a",
            module_key=pool.key_of(raw),
            wasm=lambda: raw,
            request=request.SerializeToString(),
            helper=helper,
        )
        return sdk_pb2.ExecutionResult.FromString(answer)

    host.module.on_trigger = in_a_runner
    host.register(binary=raw)
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    header, _ = host.engine.wait(header.run_id, WAIT_S)
    assert header.status == "completed"
    events = [event for event in host.host.journals.read(header) if event.row.event_type == LOG_WRITTEN]
    lines = [line for event in events for line in journal_pb2.LogWritten.FromString(event.content or b"").lines]
    assert [(line.mode, line.line) for line in lines] == [(1, "before"), (1, LINE), (1, "after")]
    replayed = Replays(host.host, History(host.host.journals), pool).replay(header.run_id, WAIT_S)
    assert replayed.difference is None
