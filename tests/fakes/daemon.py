"""A host that answers from memory over a Unix socket, speaking ``strongroom.v1`` as the real one does.

What it was asked stands in ``asked``; what it should answer wrongly is set by the test.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from strongroom.guest import ids
from strongroom.pb.strongroom.v1 import (
    capability_pb2_grpc,
    plugin_pb2,
    plugin_pb2_grpc,
    run_pb2,
    run_pb2_grpc,
    status_pb2_grpc,
    workflow_pb2,
    workflow_pb2_grpc,
)
from strongroom.pb.strongroom.v1 import status_pb2 as host_status_pb2
from strongroom.pb.values.v1 import values_pb2
from tests.fakes.daemon_runs import Streams, fill_opened, limits, listed, page
from tests.fakes.daemon_streams import add_streams
from tests.fakes.daemon_vault import OWNER, Capabilities, VaultState

INSECURE = host_status_pb2.HealthReason(check="enclave", effect="degraded", why="it has no hardware", fix="for dev")


class RefusedError(Exception):
    """What the fake host answers instead."""

    def __init__(self, code: grpc.StatusCode, reason: str, what: str, **metadata: str) -> None:
        super().__init__(what)
        info = error_details_pb2.ErrorInfo(reason=reason, domain="strongroom", metadata=metadata)
        detail = AnyMessage()
        detail.Pack(info)
        self.status = rpc_status.to_status(status_pb2.Status(code=code.value[0], message=what, details=[detail]))


class FakeDaemon(VaultState):
    """State of the fake host."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.deadlines_s: list[float | None] = []
        self.tokens: list[str] = []
        self.workflows: dict[str, workflow_pb2.Workflow] = {}
        self.runs: dict[str, run_pb2.Run] = {}
        self.events: list[run_pb2.Event] = []
        self.lines: list[run_pb2.LogsResponse] = []
        self.unreadable: list[run_pb2.UnreadableField] = []
        self.pieces: list[bytes] = []
        self.cuts: list[int] = []
        self.replayed = run_pb2.ReplayResponse(equal=True, steps=3, time_reads=2, log_lines=1)
        self.result: values_pb2.Value | None = values_pb2.Value(string_value="hello x")
        self.run_status = run_pb2.RUN_STATUS_COMPLETED
        self.error = ""
        self.receipt = b"\xa1 receipt"
        self.signed_result = b"\x0a\x02ok"
        self.stubborn = False
        self.fail: Callable[[], Exception] | None = None
        self.backend = "insecure-software"

    def hear(self, request: Any, context: grpc.ServicerContext) -> None:
        self.asked.append(request)
        self.deadlines_s.append(context.time_remaining())
        self.tokens.append(str(dict(context.invocation_metadata()).get("authorization", "")))
        if self.fail is None:
            return
        failure = self.fail()
        if isinstance(failure, RefusedError):
            context.abort_with_status(failure.status)
        raise failure

    def find(self, name: str) -> workflow_pb2.Workflow:
        for record in self.workflows.values():
            if name in {record.workflow_id, record.name}:
                return record
        raise KeyError(name)


class _Workflows(workflow_pb2_grpc.WorkflowServiceServicer):
    def __init__(self, daemon: FakeDaemon) -> None:
        self.daemon = daemon

    def Register(self, request, context):
        self.daemon.hear(request, context)
        attributes = request.attributes.decode()
        try:
            parsed = json.loads(attributes or "{}")
        except ValueError:
            refusal = RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "SR-ATTR-001",
                "attributes are not JSON: line 1 column 21 ends too early",
                why="line 1 column 21 ends too early",
                fix="close the document",
                field="attributes",
            )
            context.abort_with_status(refusal.status)
        digest = hashlib.sha256(request.binary).hexdigest()
        owner = request.owner or OWNER
        workflow_id = ids.workflow_id(owner=owner, name=request.name, binary=request.binary, config=request.config)
        record = workflow_pb2.Workflow(
            workflow_id=workflow_id,
            owner=owner,
            name=request.name,
            tag=request.tag,
            status=workflow_pb2.WORKFLOW_STATUS_ACTIVE,
            module="confidential" if parsed.get("confidential") else "local",
            binary_sha256=digest,
            config_sha256=hashlib.sha256(request.config).hexdigest(),
            binary_bytes=len(request.binary),
            encoding=workflow_pb2.ENCODING_RAW,
            attributes=attributes,
            binary_url=f"artifact:sha256/{digest}",
            subscriptions=[workflow_pb2.Subscription(index=0, capability_id="http-trigger@1.0.0-alpha")],
            warnings=["secret main/API_KEY is missing"],
        )
        record.create_time.FromJsonString("2026-01-02T03:04:05Z")
        created = workflow_id not in self.daemon.workflows
        if not request.validate_only:
            self.daemon.workflows[workflow_id] = record
        return workflow_pb2.RegisterResponse(workflow=record, created=created)

    def _known(self, request, context):
        self.daemon.hear(request, context)
        try:
            return self.daemon.find(request.workflow)
        except KeyError:
            refusal = RefusedError(grpc.StatusCode.NOT_FOUND, "SR-WF-001", f"there is no workflow {request.workflow}")
            return context.abort_with_status(refusal.status)

    def Get(self, request, context):
        return workflow_pb2.WorkflowServiceGetResponse(workflow=self._known(request, context))

    def List(self, request, context):
        self.daemon.hear(request, context)
        found, token = page(list(self.daemon.workflows.values()), request.page_token, request.page_size)
        return workflow_pb2.WorkflowServiceListResponse(workflows=found, next_page_token=token)

    def Pause(self, request, context):
        record = self._known(request, context)
        record.status = workflow_pb2.WORKFLOW_STATUS_PAUSED
        return workflow_pb2.PauseResponse(workflow=record)

    def Activate(self, request, context):
        record = self._known(request, context)
        record.status = workflow_pb2.WORKFLOW_STATUS_ACTIVE
        return workflow_pb2.ActivateResponse(workflow=record)

    def Delete(self, request, context):
        record = self._known(request, context)
        if self.daemon.cuts:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        if request.validate_only and request.drain:
            return workflow_pb2.WorkflowServiceDeleteResponse(workflow_id=record.workflow_id, runs_unfinished=2)
        if not request.validate_only:
            del self.daemon.workflows[record.workflow_id]
        return workflow_pb2.WorkflowServiceDeleteResponse(workflow_id=record.workflow_id)

    def GetLimits(self, request, context):
        self.daemon.hear(request, context)
        return limits()


class _Runs(Streams):
    def __init__(self, daemon: FakeDaemon) -> None:
        self.daemon = daemon

    def _start(self, request: run_pb2.StartRequest, status: run_pb2.RunStatus) -> tuple[run_pb2.Run, bool]:
        if request.run_id in self.daemon.runs:
            return self.daemon.runs[request.run_id], False
        run = run_pb2.Run(
            run_id=request.run_id,
            execution_id="e" * 64,
            workflow_id="a" * 64,
            workflow_name=request.workflow,
            owner=OWNER,
            trigger_index=request.trigger_index,
            event_id=request.event_id or request.run_id,
            status=status,
            module="confidential",
            backend="insecure-software",
            insecure=True,
            binary_sha256="b" * 64,
            input=run_pb2.Sealed(sealed_bytes=1234, key_version=3),
        )
        run.create_time.FromJsonString("2026-01-02T03:04:05.5Z")
        self.daemon.runs[request.run_id] = run
        return run, True

    def Start(self, request, context):
        self.daemon.hear(request, context)
        run, created = self._start(request, run_pb2.RUN_STATUS_PENDING)
        if self.daemon.cuts:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return run_pb2.StartResponse(run=run, created=created)

    def Execute(self, request, context):
        self.daemon.hear(request, context)
        run, _ = self._start(request.start, self.daemon.run_status)
        if self.daemon.cuts:
            self.daemon.cuts.pop()
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return run_pb2.ExecuteResponse(run=run, result=self.daemon.result, error=self.daemon.error)

    def Get(self, request, context):
        self.daemon.hear(request, context)
        answer = run_pb2.RunServiceGetResponse(run=self.daemon.runs[request.run_id])
        if request.reason:
            fill_opened(answer, self.daemon)
        return answer

    def List(self, request, context):
        self.daemon.hear(request, context)
        matching = listed(self.daemon.runs.values(), request)
        found, token = page(matching, request.page_token, request.page_size)
        return run_pb2.RunServiceListResponse(runs=found, next_page_token=token)

    def ListEvents(self, request, context):
        self.daemon.hear(request, context)
        events = [event for event in self.daemon.events if event.index >= request.from_index]
        found, token = page(events, request.page_token, request.page_size)
        return run_pb2.ListEventsResponse(events=found, next_page_token=token)

    def Cancel(self, request, context):
        self.daemon.hear(request, context)
        run = self.daemon.runs[request.run_id]
        if not self.daemon.stubborn:
            run.status = run_pb2.RUN_STATUS_CANCELLED
        return run_pb2.CancelResponse(run=run)


class _Plugins(plugin_pb2_grpc.PluginServiceServicer):
    def __init__(self, daemon: FakeDaemon) -> None:
        self.daemon = daemon

    def List(self, request, context):
        self.daemon.hear(request, context)
        item = plugin_pb2.Plugin(name="vault", kind="process", state="ready", capabilities=["vault@1.0.0"], pid=7)
        return plugin_pb2.PluginServiceListResponse(plugins=[item])


class _Status(status_pb2_grpc.StatusServiceServicer):
    def __init__(self, daemon: FakeDaemon) -> None:
        self.daemon = daemon

    def Get(self, request, context):
        self.daemon.hear(request, context)
        return host_status_pb2.StatusServiceGetResponse(
            version="0.1.0",
            state="ready",
            mode="dev",
            pid=42,
            storage="sqlite",
            writing_key_id="k1-0a1b2c3d",
            runs={"completed": 2, "failed": 0},
            workflows=1,
            confidential_backend=self.daemon.backend,
            insecure=bool(self.daemon.backend),
            confidential_protections=["launcher-bubblewrap"] if self.daemon.backend else [],
            runner_protections=["seccomp"],
            runner_missing=["landlock: kernel too old"],
            wasmtime_version="50.0.1",
            runners=2,
            owner=OWNER,
            health_reasons=[INSECURE] if self.daemon.backend else [],
        )


@contextmanager
def running(socket: Path) -> Iterator[FakeDaemon]:
    """A fake host on ``socket`` until the block ends."""
    daemon = FakeDaemon()
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 128_000_000)])
    workflow_pb2_grpc.add_WorkflowServiceServicer_to_server(_Workflows(daemon), server)
    run_pb2_grpc.add_RunServiceServicer_to_server(_Runs(daemon), server)
    capability_pb2_grpc.add_CapabilityServiceServicer_to_server(Capabilities(daemon), server)
    plugin_pb2_grpc.add_PluginServiceServicer_to_server(_Plugins(daemon), server)
    status_pb2_grpc.add_StatusServiceServicer_to_server(_Status(daemon), server)
    daemon.streams = add_streams(daemon, server)
    server.add_insecure_port(f"unix:{quote(str(socket))}")
    server.start()
    try:
        yield daemon
    finally:
        server.stop(None).wait()
