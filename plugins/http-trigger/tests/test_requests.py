"""What a request must be, and what of it reaches the workflow."""

import json

import pytest

from strongroom_http_trigger.service import execution_id
from tests.fakes.http_caller import body_for
from tests.fakes.trigger_rig import OWNER, WORKFLOW

NAMED = {"workflowOwner": "0x" + OWNER.upper(), "workflowName": "greet", "workflowTag": "v1"}


@pytest.mark.parametrize(
    ("event_id", "index", "expected"),
    [
        ("2026-01-02T03:04:05Z", 0, "b028eb767ee9460f7ceca41c8c612ec9d47b7812be0baf001c77c78be2c713d4"),
        ("2026-01-02T03:04:05Z", 1, "38af560b29363ebbad8bb044935ec0a45e8678558b52c5b0d0ffcb5f0c44370d"),
        ("ev1", 0, "22abcddbbdff343b0b140f8eae734007e8357c060d179ff831fef2fdd734ad92"),
    ],
)
def test_the_execution_id_is_that_of_the_contract(event_id, index, expected):
    assert execution_id(WORKFLOW, event_id, index) == expected


@pytest.mark.parametrize("workflow", [WORKFLOW, "0x" + WORKFLOW.upper(), NAMED], ids=["id", "0x id", "name"])
def test_a_request_starts_a_run(rig, caller, workflow):
    status, said, retry = rig.call(caller, body_for(workflow, "ev1"))
    expected = {"workflowExecutionID": execution_id(WORKFLOW, "ev1", 0), "status": "ACCEPTED"}
    assert (status, said, retry) == (200, {"jsonrpc": "2.0", "id": "ev1", "result": expected}, 0)
    ((trigger_id, event_id, payload),) = rig.events
    assert (trigger_id, event_id) == (f"trigger_reg_{WORKFLOW}_0", "ev1")
    assert (payload.input, payload.key.public_key) == (b'{"n": 1}', caller.address)


@pytest.mark.parametrize(
    "written", ["null", "1.10", "1e400", '"\\u00fc"', "[1,  2]", "12345678901234567890123", '{"b":1, "a":2}']
)
def test_the_input_reaches_the_workflow_as_it_was_written(rig, caller, written):
    body = body_for(WORKFLOW).replace(b'{"n": 1}', written.encode())
    assert rig.call(caller, body)[0] == 200
    assert rig.events[0][2].input == written.encode()


def test_a_request_without_input_has_the_input_null(rig, caller):
    assert rig.call(caller, body_for(WORKFLOW, params={"workflow": {"workflowID": WORKFLOW}}))[0] == 200
    assert rig.events[0][2].input == b"null"


def params(**workflow):
    return {"params": {"workflow": workflow, "input": 1}}


PARSE, INVALID, METHOD, PARAMS = (400, -32700), (400, -32600), (404, -32601), (400, -32602)
WRONG = {
    "empty": (b"", PARSE),
    "no JSON": (b"{", PARSE),
    "more than one": (b"{}{}", PARSE),
    "trailing comma": (b'{"id":"1",}', PARSE),
    "no UTF-8": (b'{"id":"\xff"}', PARSE),
    "half a surrogate": (b'{"id":"\\ud800"}', PARSE),
    "NaN": (b'{"id":NaN}', PARSE),
    "name twice": (b'{"id":"1","id":"2"}', PARSE),
    "name twice inside": (body_for(WORKFLOW).replace(b'"n": 1', b'"n": 1, "n": 2'), PARSE),
    "too deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", PARSE),
    "number with 5000 digits": (b'{"id":' + b"1" * 5_000 + b"}", PARSE),
    "batch": (b"[" + body_for(WORKFLOW) + b"]", INVALID),
    "text": (b'"workflows.execute"', INVALID),
    "no version": (body_for(WORKFLOW, jsonrpc=None), INVALID),
    "version 1": (body_for(WORKFLOW, jsonrpc="1.0"), INVALID),
    "version as number": (body_for(WORKFLOW, jsonrpc=2.0), INVALID),
    "id as number": (body_for(WORKFLOW, 5), INVALID),
    "id null": (body_for(WORKFLOW, None), INVALID),
    "id empty": (body_for(WORKFLOW, ""), INVALID),
    "id too long": (body_for(WORKFLOW, "x" * 129), INVALID),
    "id with space": (body_for(WORKFLOW, "a b"), INVALID),
    "id with line break": (body_for(WORKFLOW, "a\nb"), INVALID),
    "id beyond ASCII": (body_for(WORKFLOW, "ü"), INVALID),
    "method as number": (body_for(WORKFLOW, method=1), INVALID),
    "unknown member": (body_for(WORKFLOW, auth="x"), INVALID),
    "other method": (body_for(WORKFLOW, method="workflows.list"), METHOD),
    "params as list": (body_for(WORKFLOW, params=[]), PARAMS),
    "params missing": (json.dumps({"jsonrpc": "2.0", "id": "1", "method": "workflows.execute"}).encode(), PARAMS),
    "unknown param": (body_for(WORKFLOW, params={"workflow": {"workflowID": WORKFLOW}, "inputs": 1}), PARAMS),
    "no workflow": (body_for(WORKFLOW, params={"input": 1}), PARAMS),
    "workflow as text": (body_for(WORKFLOW, params={"workflow": WORKFLOW}), PARAMS),
    "empty workflow": (body_for(WORKFLOW, **params()), PARAMS),
    "short id": (body_for("ab"), PARAMS),
    "id no hex": (body_for("zz" * 32), PARAMS),
    "id as number of workflow": (body_for(WORKFLOW, **params(workflowID=5)), PARAMS),
    "id and name": (body_for(WORKFLOW, **params(workflowID=WORKFLOW, workflowName="greet")), PARAMS),
    "name only": (body_for(WORKFLOW, **params(workflowName="greet")), PARAMS),
    "bad owner": (body_for(WORKFLOW, **params(workflowOwner="0x12", workflowName="greet")), PARAMS),
    "empty name": (body_for(WORKFLOW, **params(workflowOwner=OWNER, workflowName="")), PARAMS),
    "long name": (body_for(WORKFLOW, **params(workflowOwner=OWNER, workflowName="n" * 257)), PARAMS),
    "long tag": (body_for(WORKFLOW, **params(workflowOwner=OWNER, workflowName="n", workflowTag="t" * 257)), PARAMS),
    "unknown in workflow": (body_for(WORKFLOW, **params(workflowId=WORKFLOW)), PARAMS),
}


@pytest.mark.parametrize(("body", "expected"), WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_refused_with_its_code(rig, caller, body, expected):
    status, code, reason, message = rig.error(caller, body)
    assert (status, code) == expected, message
    assert reason in {"parse", "invalid_request", "method_not_found", "invalid_params"}
    assert rig.events == []


def test_an_error_carries_the_id_of_its_request(rig, caller):
    assert rig.call(caller, body_for("ab", "mine"))[1]["id"] == "mine"
    assert rig.call(caller, b"{")[1]["id"] is None
