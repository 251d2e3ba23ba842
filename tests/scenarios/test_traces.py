"""A confidential run on a whole host is one trace: call, acceptance, execution, capabilities, plugins, enclave."""

import shutil

import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.telemetry.span_names import ATTRIBUTES, SPANS
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.manifests import shipped_with
from tests.fakes.otlp_receiver import collecting
from tests.scenarios.conftest import short_directory
from tests.scenarios.test_confidential import LISTED, SAMPLES

CALLERS_TRACE, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "sesame-trace-secret"
PAYLOAD = b'{"who": "payload-in-no-trace"}'
PLUGIN = "strongroom-plugin-confidential-workflows"
HEADER = "token-of-the-collector"


@pytest.fixture(scope="module")
def traced():
    """What a collector got of a host that executed one confidential run, was stopped, and looked at it again."""
    state = short_directory()
    with collecting() as (collector, address):
        daemon = LiveDaemon(state, options=shipped_with(state, "confidential-workflows", "vault"))
        daemon.variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {HEADER}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        daemon.start()
        try:
            assert daemon("secret", "set", "API_KEY", stdin=SECRET.encode()).code == 0
            with daemon.channel() as api:
                api.register(SAMPLES / "hello.wasm", "hello", LISTED.encode())
                start = run_pb2.StartRequest(workflow="hello", json=PAYLOAD)
                run = api.runs.Execute(
                    run_pb2.ExecuteRequest(start=start),
                    timeout=60,
                    metadata=[("traceparent", f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01")],
                ).run
            assert run.status == run_pb2.RUN_STATUS_COMPLETED
            collector.wait_for(lambda spans: {"enclave.execute", "api.call"} <= {each.name for each in of_trace(spans)})
        finally:
            assert daemon.stop() == 0
        collector.run = run
        collector.log = "".join(daemon.log)
        yield collector
    shutil.rmtree(state, ignore_errors=True)


def of_trace(spans):
    return [each for each in spans if each.trace_id == CALLERS_TRACE]


def test_one_confidential_run_is_one_connected_trace(traced):
    spans = of_trace(traced.spans)
    assert {each.name for each in spans} == {
        "api.call",
        "run.accept",
        "run.execute",
        "capability.call",
        "plugin.execute",
        "enclave.execute",
    }
    known = {each.span_id: each for each in spans}
    roots = [each for each in spans if each.parent_id not in known]
    assert [(each.name, each.parent_id) for each in roots] == [("api.call", CALLERS_SPAN)]

    def way(span):
        return [span.name, *(way(known[span.parent_id]) if span.parent_id in known else [])]

    (enclave,) = [each for each in spans if each.name == "enclave.execute"]
    assert way(enclave) == [
        "enclave.execute",
        "plugin.execute",
        "capability.call",
        "run.execute",
        "run.accept",
        "api.call",
    ]
    assert (enclave.service, enclave.attributes["strongroom.evidence.kind"]) == (PLUGIN, "insecure-software")
    # What the enclave asks of the vault goes back through the plugin and the host, and stays in the trace.
    vault = [each for each in spans if each.attributes.get("strongroom.capability.id", "").startswith("vault@")]
    assert {each.service for each in vault} >= {"strongroom"}
    assert any("enclave.execute" in way(each) for each in vault)


def test_spans_have_the_names_and_attributes_of_the_list_and_nothing_else(traced):
    for each in traced.spans:
        assert each.name in SPANS
        assert set(each.attributes) <= set(ATTRIBUTES), each
    (call,) = [each for each in of_trace(traced.spans) if each.name == "api.call"]
    assert call.attributes["rpc.method"] == "strongroom.v1.RunService/Execute"
    assert call.attributes["rpc.response.status_code"] == "OK"
    (execution,) = [each for each in of_trace(traced.spans) if each.name == "run.execute"]
    assert execution.attributes["strongroom.run.id"] == traced.run.run_id
    assert execution.attributes["strongroom.outcome"] == "completed"


def test_neither_payload_nor_secret_nor_the_collectors_token_is_said(traced):
    everything = b"".join(traced.bodies)
    assert b"payload-in-no-trace" not in everything
    assert SECRET.encode() not in everything
    assert HEADER not in traced.log
    shown = {each.get("authorization", each.get("Authorization")) for each in traced.headers}
    assert f"Bearer {HEADER}" in shown, "control: the host shows it to the collector"
    assert None in shown, "a plugin does not have it"
