"""A client that knows nothing of strongroom: every stub comes from the server's own reflection.

    python examples/clients/list.py unix:STATE_DIR/strongroom.sock

It lists the services, asks for the server's health, and registers a workflow. Needs grpcio and grpcio-reflection only.
"""

import sys
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

# The server refuses calls without a deadline, except reflection and health.
DEADLINE_S = 30.0
GUEST = Path(__file__).resolve().parent.parent / "hello" / "hello.wasm"
NAME = "listed-by-reflection"


class Service:
    """One service, called by method name with keyword arguments."""

    def __init__(self, channel: grpc.Channel, pool: descriptor_pool.DescriptorPool, name: str) -> None:
        self.channel = channel
        self.methods = pool.FindServiceByName(name).methods_by_name
        self.name = name

    # Messages made at run time have no type that a checker could know.
    def call(self, method: str, **fields: Any) -> Any:
        """The answer to one unary call. Raises ``grpc.RpcError`` if it fails."""
        found = self.methods[method]
        request = message_factory.GetMessageClass(found.input_type)
        answer = message_factory.GetMessageClass(found.output_type)
        unary = self.channel.unary_unary(
            f"/{self.name}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )
        return unary(request(**fields), timeout=DEADLINE_S)


def main(address: str) -> int:
    """Print services, health and the id of the registered workflow; the exit code."""
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(database)

        for name in sorted(database.get_services()):
            print(f"service {name}: {', '.join(Service(channel, pool, name).methods)}")

        health = Service(channel, pool, "grpc.health.v1.Health").call("Check")
        status = health.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[health.status].name
        print(f"health {status}")
        if status != "SERVING":
            return 1

        workflows = Service(channel, pool, "strongroom.v1.WorkflowService")
        workflow = workflows.call("Register", name=NAME, binary=GUEST.read_bytes()).workflow
        print(f"workflow {workflow.name} {workflow.workflow_id}")
        return 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(f"usage: {sys.argv[0]} ADDRESS, such as unix:STATE_DIR/strongroom.sock")
    try:
        sys.exit(main(sys.argv[1]))
    except grpc.RpcError as error:
        sys.exit(f"{sys.argv[1]} answered {error.code().name}: {error.details()}")
