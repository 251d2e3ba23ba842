"""``strongroom status`` and ``strongroom version``."""

import platform

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.verbs import verb

__all__ = ["add_to"]


def version(caller: Caller) -> None:
    """Show the version of this program."""
    from importlib import metadata

    document = {
        "version": metadata.version("strongroom"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    caller.emit("version", document, f"strongroom {document['version']}")


def status(caller: Caller) -> None:
    """Show the state of the host on one screen."""
    from strongroom.cli.channel import connect, find_socket
    from strongroom.cli.host_view import document_of, text_of
    from strongroom.pb.strongroom.v1.status_pb2 import StatusServiceGetRequest
    from strongroom.pb.strongroom.v1.status_pb2_grpc import StatusServiceStub

    with connect(caller) as host:
        answer = host.call(host.stub(StatusServiceStub).Get, StatusServiceGetRequest())
    document = document_of(answer, find_socket(caller))
    text = text_of(answer, document)
    caller.emit("status", document, f"{text}\n{_fence()}" if answer.insecure else text)


def _fence() -> str:
    # Imported here: what it imports in turn is slow.
    from strongroom.attest.evidence import INSECURE

    return INSECURE


def add_to(app: typer.Typer) -> None:
    """Add both commands to the root."""
    verb(app, "status", example="strongroom status")(status)
    verb(app, "version", example="strongroom version", online=False)(version)
