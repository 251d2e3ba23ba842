"""A plugin from its factory and its config section, and one plugin's own pluggy manager."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import pluggy

from strongroom.errors import Misconfigured, PluginFault
from strongroom.plugin.capability import Capability
from strongroom.plugin.dispatch import checked_capabilities
from strongroom.plugin.hooks import PROJECT, PluginHooks
from strongroom.plugin.host import Host
from strongroom.plugin.key_providers import KeyProvider, checked_key_providers
from strongroom.plugin.mounts import MountProvider, checked_providers

__all__ = ["Hooks", "build_plugin"]


def build_plugin(factory: Callable[..., object], config: Mapping[str, Any], *, name: str) -> object:
    """``factory(**config)``. Raises ``Misconfigured`` naming the plugin and the key.

    The fields of a dataclass are its config: an unknown or missing key and a value of another type are found here, so
    that no plugin has to.
    """
    where = f"plugin {name}, config"
    values = dict(config)
    if dataclasses.is_dataclass(factory) and isinstance(factory, type):
        fields = {f.name: f for f in dataclasses.fields(factory) if f.init}
        hints = typing.get_type_hints(factory)
        for key in values:
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1)
                fix = f"did you mean {near[0]}?" if near else f"its keys are: {', '.join(fields) or 'none'}"
                raise Misconfigured("SR-PLUG-001", f"{where}.{key}: no such key", fix=fix, where=f"{where}.{key}")
            values[key] = _fit(values[key], hints[key], f"{where}.{key}")
        for key, field in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and key not in values:
                raise Misconfigured("SR-PLUG-002", f"{where}.{key}: it is required", where=f"{where}.{key}")
    try:
        return factory(**values)
    except (TypeError, ValueError) as error:
        raise Misconfigured("SR-PLUG-003", f"{where}: {error}", where=where) from error


def _fit(value: Any, hint: Any, where: str) -> Any:
    """``value`` as the field's type wants it; lists become tuples. Any: both come from outside the type system."""
    origin = typing.get_origin(hint)
    options = typing.get_args(hint) if origin in (typing.Union, types.UnionType) else (hint,)
    for option in options:
        kind = typing.get_origin(option) or option
        if kind is tuple and isinstance(value, list):
            inner = typing.get_args(option)[:1]
            return tuple(_fit(v, inner[0], f"{where}[{i}]") if inner else v for i, v in enumerate(value))
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if kind is int and isinstance(value, bool):
            continue
        if kind not in {int, float, str, bool, type(None), list, dict, tuple} or isinstance(value, kind):
            return value
    wanted = getattr(hint, "__name__", None) if len(options) == 1 else str(hint)
    raise Misconfigured(
        "SR-PLUG-004", f"{where}: it must be {wanted or hint}, it is {type(value).__name__}", where=where
    )


class Hooks:
    """The hooks of one plugin.

    Each plugin has a manager of its own: the order of plugins means nothing, and what one raises never keeps another
    from being asked.
    """

    def __init__(self, plugin: object, *, name: str) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(PluginHooks)
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginFault(
                "SR-PLUG-005",
                f"plugin {name} implements a hook that does not exist or takes other arguments",
                why=str(error).replace("\n", " "),
                fix="the hooks are start(host), capabilities(), mounts(), key_providers() and stop()",
                plugin=name,
            ) from error
        callers = self._manager.get_hookcallers(plugin) or []
        if any(impl.hookwrapper or impl.wrapper for caller in callers for impl in caller.get_hookimpls()):
            raise PluginFault(
                "SR-PLUG-006",
                f"plugin {name} has a hook wrapper",
                why="a wrapper could change what other plugins answer",
                fix="remove hookwrapper=True and wrapper=True",
                plugin=name,
            )
        self._name = name
        self._has_mounts = any(caller.name == "mounts" for caller in callers)
        self._has_key_providers = any(caller.name == "key_providers" for caller in callers)

    def start(self, host: Host) -> None:
        """Hand the host over."""
        self._manager.hook.start(host=host)

    def capabilities(self) -> list[Capability]:
        """What the plugin offers, checked. Raises ``PluginFault``."""
        try:
            return checked_capabilities(self._manager.hook.capabilities())
        except (TypeError, ValueError) as error:
            raise PluginFault("SR-PLUG-007", f"plugin {self._name}: {error}", plugin=self._name) from error

    def mounts(self) -> Mapping[str, MountProvider]:
        """The mount providers of the plugin by name, checked. Raises ``PluginFault``."""
        try:
            return checked_providers(self._manager.hook.mounts())
        except (TypeError, ValueError) as error:
            raise PluginFault("SR-PLUG-008", f"plugin {self._name}: {error}", plugin=self._name) from error

    def key_providers(self) -> Mapping[str, KeyProvider]:
        """The key providers of the plugin by name, checked. Raises ``PluginFault``, and what the plugin raises."""
        # Not among what is told: the text of its own exceptions may hold secrets.
        answer = self._manager.hook.key_providers()
        try:
            return checked_key_providers(answer)
        except (TypeError, ValueError) as error:
            raise PluginFault("SR-PLUG-093", f"plugin {self._name}: {error}", plugin=self._name) from error

    def refuse_key_providers(self) -> None:
        """Raises ``PluginFault`` for a plugin with key providers: one that holds root secrets gets no host."""
        if self._has_key_providers:
            raise PluginFault(
                "SR-PLUG-094",
                f"plugin {self._name} implements key_providers(), and is listed as an ordinary plugin",
                why="a provider of root secrets runs in the daemon, before every plugin, and does nothing else",
                fix="list it with `factory:`, `required: true` and `provides: [key-provider:NAME]` alone",
                plugin=self._name,
            )

    def refuse_mounts(self) -> None:
        """Raises ``PluginFault`` for a plugin with mounts: it is in a process, to which no keys are handed."""
        if self._has_mounts:
            raise PluginFault(
                "SR-PLUG-009",
                f"plugin {self._name} is a process and implements mounts()",
                why="a mount is handed keys and a document of the daemon, and neither leaves the daemon's process",
                fix="load it with `factory:` instead of `command:`, or remove the hook mounts()",
                plugin=self._name,
            )

    def stop(self) -> None:
        """Tell the plugin that this is the end."""
        self._manager.hook.stop()
