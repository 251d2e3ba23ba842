"""One function for each place that settings come from; each gives a layer of known keys, or refuses.

Unknown keys are refused here, layer by layer, because only here is it known where they stand.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from strongroom.settings.refusals import unknown_key, unreadable, wrong_value
from strongroom.settings.schema import ENVIRONMENT_PREFIX, Key, environment_name, keys, sections
from strongroom.settings.yaml_file import Document, read_document

__all__ = [
    "VENDOR_VARIABLE",
    "Layer",
    "Origin",
    "from_environment",
    "from_file",
    "from_flags",
    "from_system",
    "is_there",
    "known_keys",
]

# Fragments are for packages and roles of a machine; hundreds of them would be a runaway template.
FRAGMENTS_MAX: Final = 64
VENDOR_VARIABLE: Final = f"{ENVIRONMENT_PREFIX}VENDOR_DIR"
"""Where the defaults of a package lie; no setting, since it is about where settings are."""
WORDS: Final = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value came from. ``where`` is ``file:line``, the name of a variable, or empty."""

    layer: str
    where: str = ""
    file: str = ""

    def place(self, dotted: str) -> str:
        """How a refusal names this value: ``file:dotted.key``, or the layer instead of the file."""
        if self.layer == "environment":
            return f"environment:{self.where}"
        return f"{self.file or self.layer}:{dotted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Values, nested as the model is, and the origin of each dotted key among them."""

    values: dict[str, Any] = field(repr=False)  # Any: setting values
    origins: dict[str, Origin] = field(default_factory=dict)


@cache
def known_keys() -> Mapping[str, Key]:
    """Every setting; the model does not change while the program runs."""
    return keys()


def is_there(path: Path) -> bool:
    """Whether something has this name; a directory that may not be looked into is an error and not an absence."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(str(path), error.strerror or type(error).__name__) from error
    return True


def from_flags(flags: Mapping[str, Any], cwd: Path) -> Layer:  # Any: flag values
    """Flags by dotted key; None means that the flag was not given, and text is read as in the environment."""
    layer = Layer(values={})
    for dotted, value in flags.items():
        if value is None:
            continue
        if dotted not in known_keys():
            raise unknown_key(f"flags:{dotted}", _neighbours(dotted))
        origin = Origin(layer="flags", where=f"--set {dotted}")
        _put(layer, dotted, _value(known_keys()[dotted], value, cwd, origin), origin)
    return layer


def from_environment(environ: Mapping[str, str], cwd: Path) -> Layer:
    """``STRONGROOM_*``; an empty variable counts as one that is not set, as in most service managers."""
    layer = Layer(values={})
    names = {environment_name(dotted): dotted for dotted in known_keys()}
    for name, text in environ.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or not text or name == VENDOR_VARIABLE:
            continue
        if name not in names:
            raise unknown_key(f"environment:{name}", names)
        origin = Origin(layer="environment", where=name)
        _put(layer, names[name], _value(known_keys()[names[name]], text, cwd, origin), origin)
    return layer


def from_file(name: str, path: Path) -> Layer:
    """The file at ``path`` as the layer ``name``. Relative paths in it count from its own directory."""
    document = read_document(path)
    layer = Layer(values={})
    for dotted, value in _leaves(document):
        origin = Origin(layer=name, where=f"{path}:{document.lines[dotted]}", file=str(path))
        key = known_keys()[dotted]
        _put(layer, dotted, _path(value, path.parent) if key.kind == "path" else value, origin)
    return layer


def from_system(directory: Path, name: str = "system") -> Iterator[Layer]:
    """``strongroom.yaml`` below its fragments in ``conf.d``: among these the last name wins."""
    fragments = directory / "conf.d"
    found = sorted(fragments.glob("*.yaml"), reverse=True) if is_there(fragments) else []
    if len(found) > FRAGMENTS_MAX:
        raise unreadable(str(fragments), f"it has {len(found)} files, the limit is {FRAGMENTS_MAX}")
    for path in [*found, directory / "strongroom.yaml"]:
        if is_there(path):
            yield from_file(name, path)


def _leaves(document: Document) -> Iterator[tuple[str, object]]:
    known = sections()
    for name, value in document.data.items():
        if name not in known[""]:
            raise unknown_key(document.where(name), known[""])
        if name not in known:
            yield name, value
        elif isinstance(value, dict):
            for inner, leaf in value.items():
                if inner not in known[name]:
                    raise unknown_key(document.where(f"{name}.{inner}"), known[name])
                yield f"{name}.{inner}", leaf
        elif value is not None:
            raise wrong_value(document.where(name), "it is a section", fix=f"write `{name}:` and its keys below it")


def _put(layer: Layer, dotted: str, value: object, origin: Origin) -> None:
    section, _, name = dotted.rpartition(".")
    target = layer.values.setdefault(section, {}) if section else layer.values
    target[name] = value
    layer.origins[dotted] = origin


def _value(key: Key, value: object, cwd: Path, origin: Origin) -> object:
    """Text of a flag or variable as the kind of value that ``key`` has; the model checks what comes out."""
    if key.kind == "path":
        return _path(value, cwd)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if key.kind == "whole number":
        if not re.fullmatch(r"[0-9][0-9_]{0,18}", text):
            raise wrong_value(origin.place(key.dotted), "it must be a whole number")
        return int(text)
    if key.kind == "yes or no":
        if text.lower() not in WORDS:
            raise wrong_value(origin.place(key.dotted), "it must be true or false")
        return WORDS[text.lower()]
    if key.kind == "list":
        return _list(key, text, origin)
    return value


def _list(key: Key, text: str, origin: Origin) -> list[object]:
    if not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        parsed = json.loads(text)
    except ValueError:
        raise wrong_value(origin.place(key.dotted), "it is not a JSON list", fix="or separate with commas") from None
    return list(parsed)


def _path(value: object, directory: Path) -> object:
    if isinstance(value, Path) or (isinstance(value, str) and value):
        path = Path(value)
        try:
            path = path.expanduser()
        except RuntimeError:
            # Nobody has that home; the path then is what it says.
            path = Path(value)
        return directory.absolute() / path
    return value


def _neighbours(dotted: str) -> tuple[str, ...]:
    section = dotted.rpartition(".")[0]
    known = sections()
    return known.get(section, tuple(known_keys()))
