"""examples/clients/list.py against a server of our own that has reflection, health and a pretended WorkflowService."""

import hashlib
import subprocess
import sys
from concurrent import futures

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2, workflow_pb2_grpc
from tools.build_guests import ROOT

CLIENT = ROOT / "examples" / "clients" / "list.py"


class Workflows(workflow_pb2_grpc.WorkflowServiceServicer):
    """Registers anything under the digest of its binary, and insists on a deadline."""

    def Register(self, request, context):
        if context.time_remaining() is None or context.time_remaining() > 3600:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a deadline is required")
        digest = hashlib.sha256(request.binary).hexdigest()
        record = workflow_pb2.Workflow(workflow_id=digest, name=request.name)
        return workflow_pb2.RegisterResponse(workflow=record, created=True)


@pytest.fixture
def server(tmp_path):
    checks = health.HealthServicer()
    running = grpc.server(futures.ThreadPoolExecutor(4))
    health_pb2_grpc.add_HealthServicer_to_server(checks, running)
    workflow_pb2_grpc.add_WorkflowServiceServicer_to_server(Workflows(), running)
    names = [
        service.full_name
        for module in (health_pb2, workflow_pb2, run_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
    ]
    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], running)
    running.add_insecure_port(f"unix:{tmp_path}/strongroom.sock")
    running.start()
    checks.set("", health_pb2.HealthCheckResponse.SERVING)
    yield f"unix:{tmp_path}/strongroom.sock", checks
    running.stop(None).wait()


def run(*arguments):
    return subprocess.run([sys.executable, "-I", str(CLIENT), *arguments], capture_output=True, text=True, check=False)


def test_it_lists_checks_and_registers_from_reflection_alone(server):
    done = run(server[0])
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    listed = "service strongroom.v1.WorkflowService: Register, Get, List, Pause, Activate, Delete"
    assert any(line.startswith(listed) for line in lines)
    assert any(line.startswith("service strongroom.v1.RunService: Start, Execute") for line in lines)
    assert "health SERVING" in lines
    digest = hashlib.sha256((ROOT / "examples" / "hello" / "hello.wasm").read_bytes()).hexdigest()
    assert lines[-1] == f"workflow listed-by-reflection {digest}"


def test_it_stops_at_a_server_that_does_not_serve(server):
    address, checks = server
    checks.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    done = run(address)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "health NOT_SERVING"


def test_it_says_which_server_is_not_there(tmp_path):
    done = run(f"unix:{tmp_path}/nobody.sock")
    assert done.returncode == 1
    assert "nobody.sock answered UNAVAILABLE" in done.stderr


def test_it_says_how_it_is_used():
    done = run()
    assert done.returncode == 1
    assert "usage:" in done.stderr


def test_it_knows_no_strongroom_code():
    assert "import strongroom" not in CLIENT.read_text()
    assert "from strongroom" not in CLIENT.read_text()
