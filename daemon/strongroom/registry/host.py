"""``PluginHost``: every plugin of plugins.yaml, started side by side, each one's failure its own."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from strongroom.errors import Misconfigured, PluginFault
from strongroom.plugin.host import Artifacts, Store
from strongroom.plugin.workspace_access import Workspaces
from strongroom.registry.in_process import InProcessPlugin
from strongroom.registry.limits import CallLimits, Supervision
from strongroom.registry.offers import Offers
from strongroom.registry.process_plugin import ProcessPlugin
from strongroom.registry.registry import Registry
from strongroom.registry.session import SessionSetup
from strongroom.registry.states import Lifecycle, PluginState
from strongroom.registry.variables import expand
from strongroom.settings.manifest import PluginEntry

__all__ = ["PluginHost"]

log = logging.getLogger(__name__)


class _Running(Protocol):
    """A plugin that this host has started, whichever kind it is."""

    def start(self) -> None: ...
    def settle(self, timeout_s: float | None = None) -> PluginState: ...
    def state(self) -> PluginState: ...
    def stop(self) -> None: ...


class _Absent:
    """A plugin that is disabled, or whose entry is wrong: it has a state and nothing else."""

    def __init__(self, entry: PluginEntry, error: str) -> None:
        self._entry = entry
        self._error = error

    def start(self) -> None:
        """Nothing to start."""

    def settle(self, timeout_s: float | None = None) -> PluginState:
        """Settled from the beginning."""
        del timeout_s
        return self.state()

    def state(self) -> PluginState:
        """Disabled, or failed with the reason."""
        return PluginState(
            name=self._entry.name,
            kind="process" if self._entry.command else "in-process",
            state=Lifecycle.FAILED if self._error else Lifecycle.DISABLED,
            last_error=self._error,
            required=self._entry.required,
        )

    def stop(self) -> None:
        """Nothing to stop."""


def _nobody(_state: PluginState) -> None:
    """Nobody asked to be told."""


def _stop(plugin: _Running) -> None:
    try:
        plugin.stop()
    except Exception:
        # One that fails at its end keeps no other from its own.
        log.exception("plugin %s failed at its end", plugin.state().name)


class PluginHost:
    """The plugins of one daemon. ``start`` once, ``stop`` once."""

    def __init__(
        self,
        entries: Sequence[PluginEntry],
        *,
        registry: Registry,
        store_of: Callable[[str], Store],
        artifacts: Artifacts,
        mode: Literal["dev", "serve"],
        runtime_dir: Path,
        variables: Mapping[str, str],
        on_change: Callable[[PluginState], None] = _nobody,
        limits: CallLimits | None = None,
        supervision: Supervision | None = None,
        workspaces: Workspaces | None = None,
    ) -> None:
        self._workspaces = workspaces
        self._registry = registry
        self._store_of = store_of
        self._artifacts = artifacts
        self._mode: Literal["dev", "serve"] = mode
        self._runtime_dir = runtime_dir
        self._variables = dict(variables)
        self._on_change = on_change
        self._limits = limits or CallLimits()
        self._supervision = supervision or Supervision()
        # Providers of root secrets were asked before this, and are no plugins of a running host.
        entries = [entry for entry in entries if not entry.is_key_provider]
        self._plugins = [self._prepare(entry) for entry in entries]
        self._provided = {entry.name: entry.provides for entry in entries}
        registry.ask_states_of(self._state_of, self._provider_of)

    def start(self) -> None:
        """Start all of them at once and wait. Raises ``PluginFault`` if a required one failed; the others serve on.

        A plugin that is not required is waited for a while only; it goes on starting beside the host.
        """
        for plugin in self._plugins:
            plugin.start()
        until = time.monotonic() + self._supervision.optional_wait_s
        for plugin in self._plugins:
            required = plugin.state().required
            state = plugin.settle(None if required else max(0.0, until - time.monotonic()))
            if state.state is Lifecycle.STARTING:
                log.warning("plugin %s is still starting; the host serves without it", state.name)
            if state.required and state.state is Lifecycle.FAILED:
                self.stop()
                raise PluginFault(
                    "SR-PLUG-033",
                    f"the required plugin {state.name} did not start",
                    why=state.last_error,
                    fix="repair it, or set `required: false` in plugins.yaml to serve without it",
                    plugin=state.name,
                )

    def _state_of(self, name: str) -> PluginState | None:
        return next((state for state in self.states() if state.name == name), None)

    def _provider_of(self, capability_id: str) -> PluginState | None:
        """A plugin that is meant to be there, is not, and may offer exactly that; a disabled one is not meant to."""
        return next(
            (
                state
                for state in self.states()
                if capability_id in self._provided[state.name]
                and state.state not in {Lifecycle.READY, Lifecycle.DISABLED}
            ),
            None,
        )

    def states(self) -> list[PluginState]:
        """Every plugin in the order of plugins.yaml."""
        return [plugin.state() for plugin in self._plugins]

    def stop(self) -> None:
        """End all of them. In-process ones end first, since they may still want to call a process.

        Those of a kind end side by side, so that several that hang take no longer than one. What has not ended after
        ``Supervision.end_s`` is left behind and named in the log.
        """
        of_kind: dict[bool, list[_Running]] = {True: [], False: []}
        for plugin in self._plugins:
            of_kind[plugin.state().kind == "in-process"].append(plugin)
        for plugins in of_kind.values():
            self._end(plugins)

    def _end(self, plugins: Sequence[_Running]) -> None:
        until = time.monotonic() + self._supervision.end_s
        ending = {
            plugin.state().name: threading.Thread(target=_stop, args=(plugin,), daemon=True) for plugin in plugins
        }
        for thread in ending.values():
            thread.start()
        for thread in ending.values():
            thread.join(max(0.0, until - time.monotonic()))
        if left := [name for name, thread in ending.items() if thread.is_alive()]:
            log.error("plugins did not end: %s", ", ".join(left))

    def _prepare(self, entry: PluginEntry) -> _Running:
        if not entry.enabled:
            return _Absent(entry, "")
        logger = logging.getLogger(f"strongroom.plugins.{entry.name}")
        if entry.pin is not None:
            logger.warning("plugin %s has a pin, which this release reads and does not check", entry.name)
        try:
            config = expand(entry.config, self._variables, f"{entry.where or entry.name}.config")
        except Misconfigured as error:
            logger.error("plugin %s: %s", entry.name, error)
            return _Absent(entry, error.with_fix())
        offers = Offers(entry, self._registry, self._limits)
        if entry.command is not None:
            return self._process(entry, entry.command, config, offers, logger)
        return InProcessPlugin(
            entry,
            config,
            mode=self._mode,
            registry=self._registry,
            offers=offers,
            store=self._store_of(entry.name),
            artifacts=self._artifacts,
            limits=self._limits,
            supervision=self._supervision,
            log=logger,
            workspaces=self._workspaces,
            on_change=self._told,
        )

    def _process(
        self,
        entry: PluginEntry,
        command: tuple[str, ...],
        config: Mapping[str, Any],  # Any: the section belongs to the plugin
        offers: Offers,
        logger: logging.Logger,
    ) -> ProcessPlugin:
        return ProcessPlugin(
            SessionSetup(
                name=entry.name,
                command=command,
                config=config,
                mode=self._mode,
                runtime_dir=self._runtime_dir,
                registry=self._registry,
                offers=offers,
                store=self._store_of(entry.name),
                artifacts=self._artifacts,
                supervision=self._supervision,
                log=logger,
            ),
            required=entry.required,
            on_change=self._told,
        )

    def _told(self, state: PluginState) -> None:
        try:
            self._on_change(state)
        except Exception:
            log.exception("whoever watches plugin %s failed", state.name)
