"""Settings in layers: flags > environment > project file > user file > system files > a package's defaults > built in.

Every value remembers where it came from, so that ``config show --origins`` can say it and every refusal can name it.
A service reads flags, environment and system files only: what lies in the directory in which a service manager
happens to start it must not change it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from strongroom.errors import Misconfigured
from strongroom.settings import sources
from strongroom.settings.model import Settings
from strongroom.settings.places import Mode, built_in, project_file, system_dir, user_file, vendor_dir
from strongroom.settings.refusals import wrong_value
from strongroom.settings.sources import Layer, Origin
from strongroom.settings.value_faults import in_words

__all__ = ["Loaded", "Mode", "Origin", "load"]

# `sun_path` of a Unix socket has 108 bytes, one of them the end.
SOCKET_PATH_BYTES_MAX: Final = 107


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, the origin of every key, and what an operator should know although it is no error."""

    settings: Settings
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...]


def load(mode: Mode, flags: Mapping[str, Any], cwd: Path, environ: Mapping[str, str]) -> Loaded:  # Any: flag values
    """Read every layer that ``mode`` reads. ``flags`` has dotted keys; None means not given.

    Raises ``Misconfigured``, whose ``where`` is ``file:dotted.key``.
    """
    layers = [sources.from_flags(flags, cwd), sources.from_environment(environ, cwd)]
    warnings: list[str] = []
    personal = [("project", project_file(cwd)), ("user", user_file(environ))]
    for name, path in personal:
        if path is None or not sources.is_there(path):
            continue
        if mode == "serve":
            warnings.append(f"{path} is ignored: a service reads {system_dir(environ)}, the environment and flags only")
        else:
            layers.append(sources.from_file(name, path))
    layers.extend(sources.from_system(system_dir(environ)))
    if mode == "serve":
        # They are those of a service, such as who starts its runners.
        layers.extend(sources.from_system(vendor_dir(environ), "vendor"))
    chosen = next((layer.values["state_dir"] for layer in layers if "state_dir" in layer.values), None)
    defaults = built_in(mode, chosen if isinstance(chosen, Path) else None, environ)
    layers.append(Layer(values=defaults, origins={key: Origin(layer="built-in") for key in defaults}))
    settings = _build(layers)
    origins = _origins(layers)
    _check_sockets(settings, origins)
    if mode == "serve" and settings.keyring_file.is_relative_to(settings.state_dir):
        warnings.append(
            f"{settings.keyring_file} lies below state_dir: a copy of the state is then a copy of the keys too"
        )
    return Loaded(settings=settings, origins=origins, warnings=tuple(warnings))


class _LayerSource(PydanticBaseSettingsSource):
    """One layer, in the form that pydantic-settings merges by precedence."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # Any: as the library has it
        del field
        return self._layer.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:  # Any: as above
        return dict(self._layer.values)


def _build(layers: Sequence[Layer]) -> Settings:
    class LayeredSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *unused: Any,
            **named: Any,  # Any: the library's own sources
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del unused, named
            return tuple(_LayerSource(settings_cls, layer) for layer in layers)

    try:
        return LayeredSettings()
    except ValidationError as error:
        raise _refused(error, layers) from None


def _refused(error: ValidationError, layers: Sequence[Layer]) -> Misconfigured:
    """The first fault, at the place that its value came from. The library's text would repeat the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    dotted = ""
    for part in first["loc"]:
        dotted += f"[{part}]" if isinstance(part, int) else f"{'.' if dotted else ''}{part}"
    owner = dotted.split("[", 1)[0]
    origin = _origins(layers).get(owner, Origin(layer="built-in"))
    why, fix = in_words(first)
    return wrong_value(origin.place(dotted), why, fix=fix)


def _origins(layers: Sequence[Layer]) -> dict[str, Origin]:
    found = {key: Origin(layer="built-in") for key in sources.known_keys()}
    for layer in reversed(layers):
        found.update(layer.origins)
    return found


def _check_sockets(settings: Settings, origins: Mapping[str, Origin]) -> None:
    for name, path in (("socket", settings.socket), ("admin_socket", settings.admin_socket_path)):
        size = len(os.fsencode(path))
        if size > SOCKET_PATH_BYTES_MAX:
            origin = next(
                (each for key in (name, "socket") if (each := origins[key]).layer != "built-in"), origins["state_dir"]
            )
            raise wrong_value(
                origin.place(name),
                f"the path of a Unix socket has at most {SOCKET_PATH_BYTES_MAX} bytes, this one has {size}",
                fix="give a shorter one with --socket, or a shorter state directory"
                + ("; or set admin_socket" if name == "admin_socket" else ""),
            )
