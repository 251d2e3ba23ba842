"""Which settings take effect at a reload: what each says of itself is held to the code that reads it."""

import ast
from collections import defaultdict
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from strongroom.app.reload_settings import difference
from strongroom.engine.limits import EngineLimits
from strongroom.settings.limits import LimitSettings
from strongroom.settings.model import Settings
from strongroom.settings.schema import keys

SOURCES = Path(__file__).resolve().parents[2] / "daemon" / "strongroom"
KEYS = keys()
ENGINE = {field.name for field in fields(EngineLimits) if f"limits.{field.name}" in KEYS}
LIVE = {name for name in ENGINE if KEYS[f"limits.{name}"].at_reload}
NAMES = ENGINE | {"owners"}
BY_RELOADER = {
    "callers_file": "app/reload.py reads it anew",
    "plugins_file": "app/reload.py reads it anew",
    "log.level": "app/reload_settings.py changes the loggers",
    "log.format": "app/reload_settings.py changes the loggers",
    "limits.drain_timeout_ms": "app/daemon.py asks when the stop begins",
    "limits.plugin_drain_timeout_ms": "app/reload.py asks when a plugin is drained",
}
"""What is no limit of the engine, and who takes care of it."""
KEEPS = {"__init__", "__post_init__", "_subscription"}
"""Functions that make something which keeps a number for as long as it lives."""


@cache
def read_places():
    """By name, where the code takes it off some limits: the file and the function."""
    found = defaultdict(set)
    for path in sorted(SOURCES.rglob("*.py")):
        if path.relative_to(SOURCES).parts[0] in {"pb", "settings", "testing"}:
            continue
        text = path.read_text()
        if "limits." not in text:
            continue
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef):
                later = {
                    id(node) for each in ast.walk(function) if isinstance(each, ast.Lambda) for node in ast.walk(each)
                }
                for node in ast.walk(function):
                    if isinstance(node, ast.Attribute) and node.attr in NAMES and "limits" in ast.unparse(node.value):
                        name = "a lambda" if id(node) in later else function.name
                        found[node.attr].add(f"{path.relative_to(SOURCES)}:{name}")
    return found


def test_what_takes_effect_at_a_reload_has_somebody_who_takes_care_of_it():
    at_reload = {dotted for dotted, key in KEYS.items() if key.at_reload}
    owners = {dotted for dotted in KEYS if dotted.startswith("owners.")}
    assert at_reload == set(BY_RELOADER) | owners | {f"limits.{name}" for name in LIVE}


@pytest.mark.parametrize("name", sorted(LIVE | {"owners"}))
def test_a_limit_that_takes_effect_is_looked_at_each_time_and_kept_by_nobody(name):
    found = read_places()[name]
    assert found, "nobody reads it where the limits are"
    assert [place for place in found if place.split(":")[1] in KEEPS] == []


def test_the_check_finds_a_number_that_is_kept():
    assert {place.split(":")[1] for place in read_places()["payload_bytes_max"]} & KEEPS


def another(dotted):
    """Settings that differ from the built-in ones in one value."""
    section, _, name = dotted.rpartition(".")
    value = KEYS[dotted].default
    changed = {
        "whole number": lambda: (value or 0) + 1,
        "yes or no": lambda: not value,
        "text": lambda: f"{value}x",
        "list": lambda: ("ab" * 20,),
        "path": lambda: Path("/elsewhere"),
        "choice": lambda: next(each for each in KEYS[dotted].choices if each != value),
    }[KEYS[dotted].kind]()
    base = Settings()
    if not section:
        return base.model_copy(update={name: changed})
    return base.model_copy(update={section: getattr(base, section).model_copy(update={name: changed})})


@pytest.mark.parametrize("dotted", KEYS)
def test_each_setting_that_differs_is_applied_or_named(dotted):
    base, wanted = Settings(), another(dotted)
    found = difference(base, wanted)
    assert (found.applied, found.needs_restart) == (((dotted,), ()) if KEYS[dotted].at_reload else ((), (dotted,)))
    assert found.settings.model_dump() == (wanted if KEYS[dotted].at_reload else base).model_dump()


def test_what_was_applied_is_no_difference_any_more_and_what_needs_a_restart_stays_one():
    wanted = Settings(limits=LimitSettings(workflows_max=7, runners_max=3))
    first = difference(Settings(), wanted)
    second = difference(first.settings, wanted)
    assert (first.applied, second.applied) == (("limits.workflows_max",), ())
    assert first.needs_restart == second.needs_restart == ("limits.runners_max",)
