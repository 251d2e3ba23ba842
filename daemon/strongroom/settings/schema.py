"""The settings as a flat list of dotted keys: what the environment, the documentation and ``config show`` go by."""

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from strongroom.settings.model import Settings

__all__ = ["ENVIRONMENT_PREFIX", "Key", "environment_name", "keys", "sections"]

ENVIRONMENT_PREFIX = "STRONGROOM_"
Kind = Literal["text", "path", "whole number", "yes or no", "list", "choice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One setting. ``kind`` says how its text is read from a flag or the environment; ``at_reload`` whether a new value
    takes effect without a restart."""

    dotted: str
    kind: Kind
    choices: tuple[str, ...]
    description: str
    default: Any  # Any: the type depends on the setting
    secret: bool
    at_reload: bool


def environment_name(dotted: str) -> str:
    """``limits.run_timeout_ms`` is ``STRONGROOM_LIMITS__RUN_TIMEOUT_MS``: nesting is two underscores."""
    return ENVIRONMENT_PREFIX + dotted.replace(".", "__").upper()


def keys() -> Mapping[str, Key]:
    """Every setting by its dotted key, in the order of the model."""
    return {key.dotted: key for key in _walk(Settings, "")}


def sections() -> Mapping[str, tuple[str, ...]]:
    """The names that are known in each section; the top level is the section with the empty name."""
    found: dict[str, tuple[str, ...]] = {"": tuple(Settings.model_fields)}
    for name, field in Settings.model_fields.items():
        section = _section(field.annotation)
        if section is not None:
            found[name] = tuple(section.model_fields)
    return found


def _section(annotation: Any) -> type[BaseModel] | None:  # Any: annotations have no common type
    is_section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_section else None


def _walk(model: type[BaseModel], prefix: str) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        section = _section(field.annotation)
        if section is not None:
            yield from _walk(section, f"{name}.")
            continue
        kind, choices = _kind(field.annotation)
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        yield Key(
            dotted=prefix + name,
            kind=kind,
            choices=choices,
            description=field.description or "",
            default=field.get_default(call_default_factory=True, validated_data={}),
            secret=extra.get("secret") is True,
            at_reload=extra.get("at_reload") is True,
        )


def _kind(annotation: Any) -> tuple[Kind, tuple[str, ...]]:  # Any: as above
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin in {typing.Union, types.UnionType}:
        return _kind(next(argument for argument in arguments if argument is not types.NoneType))
    if origin is Literal:
        return "choice", tuple(arguments)
    if origin is tuple:
        return "list", ()
    simple: Mapping[Any, Kind] = {bool: "yes or no", int: "whole number", Path: "path", str: "text"}
    return simple[annotation], ()
