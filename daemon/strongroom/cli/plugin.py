"""``strongroom plugin``: what runs, and what the manifest says should run."""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.channel import connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.manifest_edit import editable_manifest, manifest_path, set_enabled
from strongroom.cli.plugin_new import new
from strongroom.cli.plugin_pin import pin
from strongroom.cli.reload import add_plugin_to
from strongroom.cli.verbs import DryRun, a_path, group, verb
from strongroom.pb.strongroom.v1 import plugin_pb2
from strongroom.pb.strongroom.v1.plugin_pb2_grpc import PluginServiceStub
from strongroom.registry.entry_problems import problem_of
from strongroom.settings.manifest import load_manifest

__all__ = ["app"]

_Name = Annotated[str, typer.Argument(help="Name of the plugin in the manifest.", metavar="NAME")]
_MANIFEST = "The manifest; that of the settings if not given."
_File = Annotated[Path | None, typer.Argument(help=_MANIFEST, metavar="FILE")]
_FileOption = Annotated[
    Path | None, typer.Option("--file", help="The same, as an option.", metavar="FILE", parser=a_path)
]

app = group("See what plugins run, check and change the manifest.")
verb(app, "new", example="strongroom plugin new price-feed --kind action", online=False)(new)
verb(app, "pin", example="strongroom plugin pin vault kvstore --file plugins.yaml", online=False)(pin)
add_plugin_to(app)


@verb(app, "list", example="strongroom plugin list")
def list_plugins(caller: Caller) -> None:
    """List the plugins of the running host with their state."""
    with connect(caller) as host:
        found = host.call(host.stub(PluginServiceStub).List, plugin_pb2.PluginServiceListRequest()).plugins
    documents = [
        {
            "name": item.name,
            "kind": item.kind,
            "state": item.state,
            "capabilities": list(item.capabilities),
            "mounts": list(item.mounts),
            "restarts": item.restarts,
            "last_error": item.last_error,
            "required": item.required,
            "pid": item.pid or None,
        }
        for item in found
    ]
    rows = [
        [
            d["name"],
            d["kind"],
            d["state"],
            d["restarts"],
            ", ".join([*item.capabilities, *_mounts(item)]),
            d["last_error"],
        ]
        for d, item in zip(documents, found, strict=True)
    ]
    caller.emit_table(
        "plugins",
        {"plugins": documents},
        ["PLUGIN", "KIND", "STATE", "RESTARTS", "OFFERS", "LAST ERROR"],
        rows,
        nothing="no plugins: the manifest of this host names none",
    )


def _mounts(plugin: plugin_pb2.Plugin) -> list[str]:
    """Providers of mounts, as `provides` in the manifest has them."""
    return [f"mount:{name}" for name in plugin.mounts]


@verb(app, "check", example="strongroom plugin check plugins.yaml", online=False)
def check(caller: Caller, file: _File = None, file_option: _FileOption = None) -> int | None:
    """Read the manifest as the host would; see that plugins can be found, that they are what their pins say, and
    that their config has keys they know.

    No plugin code runs: what a plugin makes of its values, and whether `provides` names what it offers, shows at the
    start. The exit code is 1 when something is wrong with an enabled plugin.
    """
    path = manifest_path(_one(file, file_option))
    entries = load_manifest(path)
    documents = [
        {
            "name": entry.name,
            "kind": "process" if entry.command else "in-process",
            "enabled": entry.enabled,
            "required": entry.required,
            "pinned": bool(entry.pin),
            "problem": problem_of(entry),
        }
        for entry in entries
    ]
    wrong = [d for d in documents if d["enabled"] and d["problem"]]
    rows = [[d["name"], d["kind"], "yes" if d["enabled"] else "no", d["problem"] or "ok"] for d in documents]
    caller.emit_table(
        "plugin-check",
        {"file": str(path), "plugins": documents, "ok": not wrong},
        ["PLUGIN", "KIND", "ENABLED", "FOUND"],
        rows,
        nothing="the manifest names no plugins",
    )
    caller.note(f"looked at {path}")
    caller.note("no plugin code ran: `provides` and the values in `config` are judged at the start of the host")
    return Exit.RUN_FAILED if wrong else None


@verb(app, "enable", example="strongroom plugin enable vault --file plugins.yaml", online=False)
def enable(
    caller: Caller, name: _Name, file: _File = None, file_option: _FileOption = None, dry_run: DryRun = False
) -> None:
    """Enable a plugin in the manifest. A running host reads it at `strongroom reload`."""
    _set(caller, name, _one(file, file_option), enabled=True, dry_run=dry_run)


@verb(app, "disable", example="strongroom plugin disable basic-test --file plugins.yaml", online=False)
def disable(
    caller: Caller, name: _Name, file: _File = None, file_option: _FileOption = None, dry_run: DryRun = False
) -> None:
    """Disable a plugin in the manifest. A running host reads it at `strongroom reload`."""
    _set(caller, name, _one(file, file_option), enabled=False, dry_run=dry_run)


def _set(caller: Caller, name: str, file: Path | None, *, enabled: bool, dry_run: bool) -> None:
    path = editable_manifest(file)
    changed = set_enabled(path, name, enabled=enabled, dry_run=dry_run)
    document = {"file": str(path), "name": name, "enabled": enabled, "changed": changed, "dry_run": dry_run}
    caller.emit("plugin-change", document, f"{name}: {'enabled' if enabled else 'disabled'}")
    if dry_run:
        caller.note("nothing was changed")
    elif changed:
        caller.note("strongroom reload makes it so on a running host")
    else:
        caller.note("it was so already")


def _one(file: Path | None, file_option: Path | None) -> Path | None:
    """The manifest, which may stand in either place."""
    if file is not None and file_option is not None:
        raise bad_data(
            "SR-CLI-044",
            "the manifest is named twice",
            why=f"{file} and --file {file_option}",
            fix="leave one of them out",
            exit_code=Exit.USAGE,
        )
    return file or file_option
