"""``strongroom capability``: what the plugins of a host offer, and one call of it."""

import json
from typing import Annotated, Any

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.channel import connect
from strongroom.cli.verbs import group, verb
from strongroom.cli.workflow import Owner
from strongroom.pb.strongroom.v1 import capability_pb2
from strongroom.pb.strongroom.v1.capability_pb2_grpc import CapabilityServiceStub

__all__ = ["app"]

app = group("List capabilities and call them.")


@verb(app, "list", example="strongroom capability list")
def list_capabilities(caller: Caller) -> None:
    """List every capability of the host with the plugin that offers it."""
    with connect(caller) as host:
        stub = host.stub(CapabilityServiceStub)
        found = host.call(stub.List, capability_pb2.CapabilityServiceListRequest()).capabilities
    documents = [
        {
            "id": item.id,
            "kind": item.kind,
            "description": item.description,
            "plugin": item.plugin,
            "available": item.available,
            "system_only": item.system_only,
        }
        for item in found
    ]
    rows = [[d["id"], d["kind"], d["plugin"], "yes" if d["available"] else "NO", d["description"]] for d in documents]
    caller.emit_table(
        "capabilities",
        {"capabilities": documents},
        ["CAPABILITY", "KIND", "PLUGIN", "AVAILABLE", ""],
        rows,
        nothing="no capabilities: no plugin of this host offers any",
    )


@verb(
    app,
    "call",
    example="""strongroom capability call basic-test-action@1.0.0 PerformAction --payload '{"inputThing": true}'""",
)
def call(
    caller: Caller,
    capability: Annotated[str, typer.Argument(help="Capability id, such as name@1.2.3.", metavar="ID")],
    method: Annotated[str, typer.Argument(help="Method of the capability.", metavar="METHOD")],
    payload: Annotated[str, typer.Option("--payload", help="Request message: JSON, @file or - for stdin.")] = "{}",
    owner: Owner = "",
) -> None:
    """Call a capability once and print its answer.

    The payload is the request message as JSON (bytes as base64). For a capability of your own plugin it names the
    message: '{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "Ada"}'.
    """
    request = capability_pb2.CapabilityServiceExecuteRequest(
        capability_id=capability, method=method, json=caller.read_json("--payload", payload), owner=owner
    )
    with connect(caller) as host:
        answer = host.call(host.stub(CapabilityServiceStub).Execute, request)
    response: Any = json.loads(answer.json) if answer.json else None  # Any: JSON
    document = {
        "capability_id": capability,
        "method": method,
        "plugin": answer.plugin,
        "type_url": answer.message.type_url,
        "response": response,
    }
    shown = (
        json.dumps(response, indent=2) if answer.json else f"{answer.message.type_url}: {len(answer.message.value)} B"
    )
    caller.emit("capability-answer", document, shown)
