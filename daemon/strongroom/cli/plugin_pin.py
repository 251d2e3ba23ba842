"""``strongroom plugin pin``: write down what is installed, or compare it. No plugin code runs, and no host is asked."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.manifest_edit import NOT_EDITED, editable_manifest, entry_named, manifest_path, set_pin
from strongroom.cli.verbs import DryRun, a_path
from strongroom.errors import StrongroomError
from strongroom.settings.manifest import Pin, PluginEntry, load_manifest

__all__ = ["pin"]

# Enough of a hash to tell two of them apart at a glance; --json has all of it.
HEX_SHOWN: Final = 12

_Names = Annotated[list[str] | None, typer.Argument(help="Names of plugins in the manifest.", metavar="[NAME]…")]
_All = Annotated[bool, typer.Option("--all", help="Every plugin of the manifest.")]
_Check = Annotated[bool, typer.Option("--check", help="Only compare; write nothing.")]
_File = Annotated[
    Path | None,
    typer.Option("--file", help="The manifest; that of the settings if not given.", metavar="FILE", parser=a_path),
]


def pin(
    caller: Caller,
    names: _Names = None,
    every: _All = False,
    check: _Check = False,
    file: _File = None,
    dry_run: DryRun = False,
) -> int | None:
    """Pin plugins to what is installed now: the host then starts them only as long as that stays so.

    Look at what you pin first: this believes what it finds. Comments and layout of the manifest stay. With --check, the
    pins that stand there are compared. The exit code is 1 when one does not hold, or something cannot be pinned.
    """
    if every == bool(names):
        raise bad_data(
            "SR-PIN-030",
            "it is not clear what to pin",
            why="there are names and --all" if every else "there is neither a name nor --all",
            fix="name plugins, or write --all",
            exit_code=Exit.USAGE,
        )
    path = manifest_path(file) if check else editable_manifest(file)
    entries = load_manifest(path)
    chosen = list(entries) if every else [entry_named(path, entries, name) for name in dict.fromkeys(names or ())]
    found = [_compared(entry) if check else _measured(entry) for entry in chosen]
    for document, now in found:
        if now is not None and not check:
            try:
                document["changed"] = set_pin(path, document["name"], now, dry_run=dry_run)
            except Failure as failure:
                if failure.error.code != NOT_EDITED:
                    raise
                document["problem"] = failure.error.with_fix()
    documents = [document for document, _ in found]
    wrong = [d for d in documents if d["problem"] and (d["enabled"] or not every)]
    _show(caller, path, documents, ok=not wrong, dry_run=dry_run)
    if dry_run:
        caller.note("nothing was changed")
    elif any(d["changed"] for d in documents):
        caller.note("strongroom reload makes it so on a running host")
    return Exit.RUN_FAILED if wrong else None


def _measured(entry: PluginEntry) -> tuple[dict[str, Any], Pin | None]:  # Any: JSON values
    from strongroom.registry.current_pins import current_pin, remark_on

    try:
        now = current_pin(entry)
        return _document(entry, now, "", remark_on(entry)), now
    except StrongroomError as error:
        return _document(entry, None, error.with_fix(), ""), None


def _compared(entry: PluginEntry) -> tuple[dict[str, Any], Pin | None]:  # Any: JSON values
    from strongroom.registry.current_pins import remark_on
    from strongroom.registry.pins import check_pin

    try:
        remark = "" if check_pin(entry) else "it has no pin"
        return _document(entry, entry.pin, "", remark or remark_on(entry)), None
    except StrongroomError as error:
        return _document(entry, None, error.with_fix(), ""), None


def _document(entry: PluginEntry, now: Pin | None, problem: str, remark: str) -> dict[str, Any]:  # Any: JSON values
    return {
        "name": entry.name,
        "enabled": entry.enabled,
        "was": _fields(entry.pin),
        "now": _fields(now),
        "changed": False,
        "problem": problem,
        "remark": remark,
    }


def _fields(pin: Pin | None) -> dict[str, str] | None:
    return {key: value for key, value in asdict(pin).items() if value} if pin else None


def _show(caller: Caller, path: Path, documents: Sequence[dict[str, Any]], *, ok: bool, dry_run: bool) -> None:
    # Any: JSON values
    rows = [[d["name"], _short(d["was"]), d["problem"] or _short(d["now"]), d["remark"]] for d in documents]
    caller.emit_table(
        "plugin-pin",
        {"file": str(path), "plugins": list(documents), "ok": ok, "dry_run": dry_run},
        ["PLUGIN", "WAS", "NOW", "REMARK"],
        rows,
        nothing="the manifest names no plugins",
    )


def _short(fields: dict[str, str] | None) -> str:
    if fields is None:
        return "none"
    digest = fields.get("record_sha256") or fields.get("command_sha256", "")
    named = f"{fields['distribution']} {fields['version']} " if "distribution" in fields else ""
    return f"{named}{digest[:HEX_SHOWN]}…"
