"""``strongroom config``: what the settings are, where they came from, and whether a host would start with them."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.cli.caller import Caller, table
from strongroom.cli.chosen import Set, chosen_flags
from strongroom.cli.verbs import group, verb
from strongroom.services.shown_settings import shown as every_shown
from strongroom.services.shown_settings import shown_value
from strongroom.settings.callers import load_callers
from strongroom.settings.layers import Loaded, load
from strongroom.settings.manifest import load_manifest
from strongroom.settings.sources import known_keys

__all__ = ["app", "settings_document"]


class ModeName(StrEnum):
    """Ways to run a host."""

    DEV = "dev"
    SERVE = "serve"


_Mode = Annotated[ModeName, typer.Option("--mode", help="As whom to read: serve ignores project and user files.")]

app = group("Check the settings, and show where each comes from.")


@verb(app, "validate", example="strongroom config validate --mode serve", online=False)
def validate(caller: Caller, mode: _Mode = ModeName.DEV, assignments: Set = None) -> None:
    """Read settings, manifest and callers' file as the host would. No plugin is loaded and nothing is connected."""
    loaded = _load(mode, assignments)
    entries = load_manifest(loaded.settings.plugins_file)
    callers_file = loaded.settings.callers_file
    callers = load_callers(callers_file) if callers_file is not None else ()
    for warning in loaded.warnings:
        caller.note(f"warning: {warning}")
    document = {
        "ok": True,
        "mode": mode.value,
        "plugins_file": str(loaded.settings.plugins_file),
        "plugins": [entry.name for entry in entries if entry.enabled],
        "callers": [entry.name for entry in callers],
        "warnings": list(loaded.warnings),
    }
    caller.emit("config-validation", document, "ok")


@verb(app, "show", example="strongroom config show --effective --origins", online=False)
def show(
    caller: Caller,
    effective: Annotated[bool, typer.Option("--effective", help="All keys, not only those that were set.")] = False,
    origins: Annotated[bool, typer.Option("--origins", help="Also layer and file:line of every value.")] = False,
    mode: _Mode = ModeName.DEV,
    assignments: Set = None,
) -> None:
    """Show settings. Secret ones are shown as ***."""
    loaded = _load(mode, assignments)
    shown: dict[str, Any] = {}  # Any: JSON
    rows: list[list[str]] = []
    for dotted in known_keys():
        origin = loaded.origins[dotted]
        if not effective and origin.layer == "built-in":
            continue
        value = shown_value(loaded.settings, dotted)
        shown[dotted] = {"value": value, "layer": origin.layer, "where": origin.where} if origins else value
        rows.append([dotted, _text(value), origin.layer, origin.where] if origins else [dotted, _text(value)])
    for warning in loaded.warnings:
        caller.note(f"warning: {warning}")
    headings = ["KEY", "VALUE", "LAYER", "WHERE"] if origins else ["KEY", "VALUE"]
    caller.emit("config", {"mode": mode.value, "settings": shown}, table(headings, rows) if rows else "")
    if not rows:
        caller.note("nothing is set; --effective shows the built-in values")


def settings_document(loaded: Loaded) -> dict[str, Any]:  # Any: JSON
    """Every setting with its layer and place, secret ones masked."""
    shown: dict[str, Any] = {}  # Any: as above
    for dotted, value in every_shown(loaded.settings).items():
        origin = loaded.origins[dotted]
        shown[dotted] = {"value": value, "layer": origin.layer, "where": origin.where}
    return shown


def _load(mode: ModeName, assignments: list[str] | None) -> Loaded:
    return load(mode.value, chosen_flags(assignments), Path.cwd(), os.environ)


def _text(value: Any) -> str:  # Any: JSON
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
