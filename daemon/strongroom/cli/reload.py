"""``strongroom reload`` and ``strongroom plugin reload``: a running host takes in what was changed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.exits import Exit
from strongroom.cli.verbs import verb

if TYPE_CHECKING:
    from strongroom.pb.strongroom.v1 import host_pb2

__all__ = ["add_plugin_to", "add_to"]

WELL = frozenset({"", "ready", "disabled"})
"""States in which a plugin may be after a reload; one that was removed has none."""
_Name = Annotated[str, typer.Argument(help="Name of the plugin in the manifest.", metavar="NAME")]


def reload(caller: Caller) -> int | None:
    """Have the host read its settings, the manifest and the callers' file again, and take in what differs.

    Everything is checked before anything is changed: what does not hold is refused, and the old configuration serves
    on. Plugins whose entry differs are drained and replaced, one by one; every other one is left alone. Settings that
    need a restart are named. A plugin that does not come up with its new entry goes on with the old one, and the exit
    code is 1. SIGHUP does the same to a service.
    """
    from strongroom.cli.channel import connect
    from strongroom.pb.strongroom.v1 import host_pb2
    from strongroom.pb.strongroom.v1.host_pb2_grpc import HostServiceStub

    with connect(caller) as host:
        answer = host.call(host.stub(HostServiceStub).Reload, host_pb2.HostServiceReloadRequest())
    document = {
        "plugins": [_document(each) for each in answer.plugins],
        "applied": list(answer.applied),
        "needs_restart": list(answer.needs_restart),
        "callers_changed": answer.callers_changed,
    }
    lines = [_line(each) for each in answer.plugins]
    lines += [f"setting {dotted}: in force" for dotted in answer.applied]
    lines += ["callers: in force"] if answer.callers_changed else []
    lines += [f"{name}: NEEDS A RESTART" for name in answer.needs_restart]
    caller.emit("reload", document, "\n".join(lines) or "nothing has changed")
    return _exit(answer.plugins)


def reload_plugin(caller: Caller, name: _Name) -> int | None:
    """Drain one plugin and start it anew from its entry in the manifest, whether that changed or not.

    A process runs the program as it is on the disk by then. One in the host's process gets its new config, but its code
    stays the one that was imported. Where it does not come up with a new entry it goes on with the old one, and the
    exit code is 1.
    """
    from strongroom.cli.channel import connect
    from strongroom.pb.strongroom.v1 import host_pb2
    from strongroom.pb.strongroom.v1.host_pb2_grpc import HostServiceStub

    with connect(caller) as host:
        request = host_pb2.HostServiceReloadPluginRequest(name=name)
        plugin = host.call(host.stub(HostServiceStub).ReloadPlugin, request).plugin
    caller.emit("plugin-reload", _document(plugin), _line(plugin))
    return _exit([plugin])


def _document(plugin: "host_pb2.ReloadedPlugin") -> dict[str, Any]:  # Any: a document of JSON
    return {
        "name": plugin.name,
        "change": plugin.change,
        "state": plugin.state or None,
        "last_error": plugin.last_error,
        "calls_cut": plugin.calls_cut,
        "refused": plugin.refused,
    }


def _line(plugin: "host_pb2.ReloadedPlugin") -> str:
    cut = f", {plugin.calls_cut} calls were cut off" if plugin.calls_cut else ""
    state = f", {plugin.state}" if plugin.state else ""
    error = f": {plugin.last_error}" if plugin.last_error else ""
    if plugin.refused:
        return (
            f"plugin {plugin.name}: NOT {plugin.change.upper()}: {plugin.refused}; as it was before{state}{cut}{error}"
        )
    return f"plugin {plugin.name}: {plugin.change}{state}{cut}{error}"


def _exit(plugins: "Sequence[host_pb2.ReloadedPlugin]") -> int | None:
    return None if all(each.state in WELL and not each.refused for each in plugins) else Exit.RUN_FAILED


def add_to(app: typer.Typer) -> None:
    """Add ``reload`` to the root."""
    verb(app, "reload", example="strongroom reload")(reload)


def add_plugin_to(app: typer.Typer) -> None:
    """Add ``reload`` to the plugins."""
    verb(app, "reload", example="strongroom plugin reload vault")(reload_plugin)
