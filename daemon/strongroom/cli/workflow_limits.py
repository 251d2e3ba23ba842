"""``strongroom workflow limits export``: the limits of guests, for a simulation under the same ones."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.channel import connect
from strongroom.cli.new_file import new_file
from strongroom.cli.verbs import a_path, group, verb
from strongroom.pb.strongroom.v1 import workflow_pb2
from strongroom.pb.strongroom.v1.workflow_pb2_grpc import WorkflowServiceStub

__all__ = ["app"]

PREFIX: Final = "limits."

app = group("Show the limits that guests have.")


@verb(app, "export", example="strongroom workflow limits export --output limits.yaml")
def export(
    caller: Caller,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to make; stdout if not given.", metavar="FILE", parser=a_path),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="From the settings here, without a host.")] = False,
) -> None:
    """Write every limit that a guest or a workflow has on the host, as YAML with the reason of each.

    The file is a part of strongroom.yaml, and what workflow simulate --limits reads; with --json it is JSON, which both
    read too.
    """
    limits = _from_settings() if offline else _from_host(caller)
    values = {limit.name.removeprefix(PREFIX): limit.value for limit in limits}
    document = {"limits": values}
    if output is None:
        caller.emit("limits", document, _yaml(limits))
        return
    text = caller.text_of("limits", document, _yaml(limits))
    with new_file(output) as write:
        write(f"{text}\n".encode())
    caller.note(f"{len(values)} limits are in {output}")


def _from_host(caller: Caller) -> Sequence[workflow_pb2.Limit]:
    with connect(caller) as host:
        return host.call(host.stub(WorkflowServiceStub).GetLimits, workflow_pb2.GetLimitsRequest()).limits


def _from_settings() -> Sequence[workflow_pb2.Limit]:
    # The settings library costs more than everything else of this command, and a host that is asked has read them.
    from strongroom.services.limits import limits_in_force
    from strongroom.settings.layers import load

    return list(limits_in_force(load("client", {}, Path.cwd(), os.environ).settings.limits))


def _yaml(limits: Sequence[workflow_pb2.Limit]) -> str:
    """Names and whole numbers only, which YAML and this agree about."""
    lines = ["limits:"]
    for limit in limits:
        lines += [f"  # {limit.reason}", f"  {limit.name.removeprefix(PREFIX)}: {limit.value}"]
    return "\n".join(lines)
