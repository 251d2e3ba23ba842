"""``strongroom doctor``: what is wrong with this host and this machine, and what to do; a bundle for who helps."""

import json
import os
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from strongroom.cli.caller import Caller, table
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure
from strongroom.cli.verbs import a_path, verb

if TYPE_CHECKING:
    from strongroom.cli.doctor_checks import Finding
    from strongroom.settings.layers import Loaded

__all__ = ["add_to"]

SIGNS: Final = {"ok": "ok", "note": "note", "problem": "PROBLEM"}


class ReadAs(StrEnum):
    """Whose settings are read."""

    DEV = "dev"
    SERVE = "serve"


def doctor(
    caller: Caller,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            help="New file with what a helper needs to see; the list comes first.",
            metavar="FILE",
            parser=a_path,
        ),
    ] = None,
    mode: Annotated[
        ReadAs | None,
        typer.Option("--mode", help="Whose settings to read; serve for a service. The host's if it answers."),
    ] = None,
) -> int:
    """Look at this machine, the installation, the settings and the host, and say what is wrong and what to do.

    The settings are those in force in the host that answers, whatever it was started with; without one, or with --mode,
    those that a host started here would have.

    Nothing is changed. The exit code is 1 when there is a problem; a note is none. The bundle holds no payload, no key,
    no log and no value of a setting that is secret.
    """
    from strongroom.cli.config import settings_document
    from strongroom.cli.doctor_checks import FilesInForce, Finding, of_host, of_machine, of_settings
    from strongroom.errors import StrongroomError

    status, plugins, in_force, unreached = _asked(caller)
    findings = list(of_machine())
    shown: dict[str, Any] = {}  # Any: JSON
    try:
        if in_force and status is not None and mode is None:
            found = f"those of the running host, pid {status['pid']}"
            findings.append(Finding(name="settings", level="ok", found=found))
            shown = {key: {"value": value, "layer": "running host", "where": ""} for key, value in in_force.items()}
            findings += of_settings(FilesInForce.of(in_force))
        else:
            loaded = _settings(caller, mode, status)
            findings.append(_guessed(is_running=status is not None, is_wanted=mode is not None))
            shown = settings_document(loaded)
            findings += of_settings(loaded.settings, loaded.warnings)
    except StrongroomError as error:
        findings.append(Finding(name="settings", level="problem", found=f"{error} ({error.code})", fix=error.fix))
    if status is not None:
        findings += of_host(status, datetime.now(UTC))
    else:
        findings.append(Finding(name="host", level="problem", found=unreached, fix="start it, or name its --socket"))
    if bundle is not None:
        _write(caller, bundle, findings, status, plugins, shown)
    problems = sum(each.level == "problem" for each in findings)
    document = {"problems": problems, "findings": [each.document() for each in findings], "bundle": str(bundle or "")}
    rows = [[SIGNS[each.level], each.name, each.found] for each in findings]
    fixes = [f"{each.name}: {each.fix}" for each in findings if each.level != "ok" and each.fix]
    text = table(["", "CHECK", "FOUND"], rows) + ("\n\nwhat to do:\n  " + "\n  ".join(fixes) if fixes else "")
    caller.emit("doctor", document, text)
    return Exit.RUN_FAILED if problems else Exit.OK


def _guessed(*, is_running: bool, is_wanted: bool) -> "Finding":
    """What is said of settings that are not known to be those of the host."""
    from strongroom.cli.doctor_checks import Finding

    found = "those that a host started here would have"
    if not is_running or is_wanted:
        return Finding(name="settings", level="ok", found=found)
    fix = "call it as somebody who may read what is of every owner"
    return Finding(name="settings", level="note", found=f"{found}: the running one does not tell its own", fix=fix)


def _asked(
    caller: Caller,
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], dict[str, Any], str]:  # Any: JSON
    """What the host says of itself, of its plugins and of its settings, or why it says nothing."""
    from strongroom.cli.channel import connect, find_socket
    from strongroom.cli.host_view import document_of
    from strongroom.errors import StrongroomError
    from strongroom.pb.strongroom.v1 import plugin_pb2, status_pb2
    from strongroom.pb.strongroom.v1.plugin_pb2_grpc import PluginServiceStub
    from strongroom.pb.strongroom.v1.status_pb2_grpc import StatusServiceStub

    try:
        with connect(caller) as host:
            answer = host.call(host.stub(StatusServiceStub).Get, status_pb2.StatusServiceGetRequest(with_settings=True))
            found = host.call(host.stub(PluginServiceStub).List, plugin_pb2.PluginServiceListRequest()).plugins
            socket = find_socket(caller)
    except Failure as failure:
        return None, [], {}, f"{failure.error} ({failure.error.code})"
    except StrongroomError as error:
        return None, [], {}, f"{error} ({error.code})"
    plugins = [
        {
            "name": each.name,
            "kind": each.kind,
            "state": each.state,
            "restarts": each.restarts,
            "required": each.required,
            "capabilities": list(each.capabilities),
            "last_error": each.last_error,
        }
        for each in found
    ]
    return document_of(answer, socket), plugins, {each.key: json.loads(each.value) for each in answer.settings}, ""


def _settings(caller: Caller, mode: ReadAs | None, status: dict[str, Any] | None) -> "Loaded":  # Any: JSON
    from strongroom.settings.layers import load

    flags = {} if caller.state_dir is None else {"state_dir": caller.state_dir.absolute()}
    as_whom = mode or ReadAs(status["mode"] if status is not None else "serve")
    return load(as_whom.value, flags, Path.cwd(), os.environ)


def _write(
    caller: Caller,
    path: Path,
    findings: "list[Finding]",
    status: dict[str, Any] | None,  # Any: JSON
    plugins: list[dict[str, Any]],
    settings: dict[str, Any],
) -> None:
    from strongroom.cli.doctor_bundle import Part, packages, packed
    from strongroom.cli.new_file import new_file

    parts = [
        Part("findings.json", "what this command prints", [each.document() for each in findings]),
        Part("status.json", "what strongroom status prints", status or {}),
        Part("plugins.json", "names, states and last errors of plugins", plugins),
        Part("packages.json", "names and versions of what is installed", packages()),
    ]
    if settings:
        parts.append(Part("settings.json", "settings with their origins; secret ones as ***", settings))
    for part in parts:
        caller.note(f"the bundle has {part.name}: {part.what}")
    with new_file(path, "--bundle") as write:
        write(packed(parts))
    caller.note(f"wrote {path}; look at it before you hand it on")


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    verb(app, "doctor", example="strongroom doctor --bundle strongroom-doctor.tar.gz")(doctor)
