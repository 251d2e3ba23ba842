"""Traces are off and cost nothing until the standard variables ask for them; where they cannot be made that is said."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.errors import CapabilityError, NotFound
from strongroom.telemetry import tracing
from strongroom.telemetry.redaction import Redaction
from strongroom.telemetry.span_names import ATTRIBUTES, SPANS
from strongroom.telemetry.trace_context import current
from tests.fakes.otlp_receiver import collecting

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "observability.md").read_text()
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector(monkeypatch):
    redaction = Redaction()
    with collecting() as (made, address):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        made.redaction = redaction
        assert tracing.configure(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": address}, shown=redaction.text, hide=redaction.register
        )
        yield made
        tracing.shut_down()


def ended(collector):
    tracing.shut_down()
    return {each.name: each for each in collector.spans}


def test_a_process_that_is_not_asked_for_traces_loads_nothing_of_them():
    program = (
        "import os, sys\n"
        "from strongroom.app import daemon\n"
        "from strongroom.telemetry import tracing\n"
        "assert not tracing.configure(os.environ)\n"
        "with tracing.span('run.execute', {}) as span: span.set({}); span.failed('x')\n"
        "assert span.traceparent == ''\n"
        "tracing.shut_down()\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin"}
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_SERVICE_NAME": "host"},
    ],
    ids=["nothing", "none", "disabled", "a name alone"],
)
def test_traces_are_off_unless_the_variables_name_where_they_go(environ):
    assert not tracing.configure(environ)
    assert not tracing.is_on()


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, "SR-OBS-003"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "SR-OBS-003"),
    ],
    ids=["exporter", "protocol"],
)
def test_what_is_not_spoken_here_is_said_and_the_host_goes_on_without_traces(environ, code, caplog):
    assert not tracing.configure(environ)
    assert not tracing.is_on()
    assert [record.code for record in caplog.records] == [code]


def test_libraries_that_are_missing_are_said_with_what_to_install(monkeypatch, caplog):
    monkeypatch.setattr(tracing, "LIBRARIES", ("no_such_library.at_all",))
    assert not tracing.configure({"OTEL_TRACES_EXPORTER": "otlp"})
    (record,) = caplog.records
    assert (record.code, "strongroom[otel]" in record.why) == ("SR-OBS-002", True)


def test_a_value_that_the_library_refuses_stops_nothing_and_is_not_shown(monkeypatch, caplog):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "secret-word")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-7")
    assert not tracing.configure({"OTEL_TRACES_EXPORTER": "otlp"})
    assert "the library refuses the environment" in caplog.text


def test_spans_nest_and_say_their_error_by_its_code(collector):
    with tracing.span("api.call", {"rpc.method": "a/B"}, kind="server", parent=PARENT) as outer:
        assert current() == outer.traceparent
        with pytest.raises(NotFound), tracing.span("run.execute", {}, link=PARENT):
            raise NotFound("SR-RUN-001", "there is no run 'hunter2secret'")
    assert current() == ""
    spans = ended(collector)
    assert spans["api.call"].parent_id == PARENT.split("-")[2]
    assert spans["api.call"].trace_id == spans["run.execute"].trace_id == PARENT.split("-")[1]
    assert spans["run.execute"].parent_id == spans["api.call"].span_id
    assert spans["run.execute"].links == ((PARENT.split("-")[1], PARENT.split("-")[2]),)
    assert (spans["run.execute"].failed, spans["run.execute"].attributes) == (True, {"error.type": "SR-RUN-001"})
    assert not spans["api.call"].failed
    assert all(b"hunter2secret" not in body for body in collector.bodies), "no message of an error gets into a span"


def test_only_attributes_of_the_list_get_into_a_span_and_through_the_redaction(collector):
    collector.redaction.register("hunter2secret")
    attributes = {"strongroom.workflow.name": "hunter2secret\n", "payload": "p", "strongroom.run.id": "r" * 10_000}
    with tracing.span("run.execute", attributes):
        pass
    span = ended(collector)["run.execute"]
    assert set(span.attributes) == {"strongroom.workflow.name", "strongroom.run.id"}
    assert span.attributes["strongroom.workflow.name"] == "***\\n"
    assert len(span.attributes["strongroom.run.id"]) == tracing.VALUE_CHARACTERS_MAX


def test_a_sampler_of_the_caller_that_said_no_is_heard(collector):
    with tracing.span("api.call", {}, parent=PARENT[:-2] + "00") as span:
        assert span.traceparent.endswith("-00"), "what comes below is not kept either"
    with tracing.span("run.execute", {}):
        pass
    assert set(ended(collector)) == {"run.execute"}


def test_a_collector_that_is_away_keeps_no_process_from_ending(monkeypatch, caplog):
    monkeypatch.setattr(tracing, "SHUT_DOWN_S", 0.2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert tracing.configure({"OTEL_TRACES_EXPORTER": "otlp"})
    with tracing.span("run.execute", {}):
        pass
    tracing.shut_down()
    assert not tracing.is_on()


def test_headers_are_hidden_from_the_log_and_from_children(monkeypatch):
    redaction = Redaction()
    environ = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:word-of-pass@127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20token-of-mine,x=other-token",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "HOME": "/root",
    }
    assert tracing.for_children(environ) == {}, "while none are made"
    assert tracing.configure(environ, hide=redaction.register)
    try:
        assert tracing.for_children(environ) == {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    finally:
        tracing.shut_down()
    assert redaction.hidden("token-of-mine other-token word-of-pass") == "*** *** ***"


def test_the_page_lists_exactly_the_spans_and_attributes():
    rows = dict(re.findall(r"^\| `([a-z_0-9.]+)` \| (.+?) \|$", PAGE, re.MULTILINE))
    assert {name: says for name, says in rows.items() if "." in name} == {**SPANS, **ATTRIBUTES}


def test_an_error_of_a_capability_is_said_by_its_word(collector):
    with tracing.span("capability.call", {}) as span:
        span.failed(CapabilityError("Public", "User", "NotFound", "whose text is not said").name)
    assert ended(collector)["capability.call"].attributes == {"error.type": "NotFound"}
