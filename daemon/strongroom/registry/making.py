"""Makes the plugins of a host from their entries in plugins.yaml. Nothing is started here."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from strongroom.errors import Misconfigured
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
from strongroom.telemetry.redaction import Redaction

__all__ = ["Member", "PluginMaker", "Running"]


class Running(Protocol):
    """A plugin of a host, whichever kind it is."""

    def start(self) -> None:
        """Begin to start."""

    def settle(self, timeout_s: float | None = None) -> PluginState:
        """Wait for how the start ends."""

    def state(self) -> PluginState:
        """How it stands now."""

    def stop(self) -> None:
        """End it."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One plugin of a host: its entry, with the variables of its config replaced, and what was made of it.

    ``offers`` is what it may offer; one that is not there offers nothing.
    """

    entry: PluginEntry
    plugin: Running
    offers: Offers | None = None


class PluginMaker:
    """What all plugins of one host are made with."""

    def __init__(
        self,
        *,
        registry: Registry,
        store_of: Callable[[str], Store],
        artifacts: Artifacts,
        mode: Literal["dev", "serve"],
        runtime_dir: Path,
        variables: Mapping[str, str],
        on_change: Callable[[PluginState], None],
        limits: CallLimits,
        supervision: Supervision,
        workspaces: Workspaces | None,
        redaction: Redaction,
    ) -> None:
        self._registry = registry
        self._store_of = store_of
        self._artifacts = artifacts
        self._mode: Literal["dev", "serve"] = mode
        self._runtime_dir = runtime_dir
        self._variables = dict(variables)
        self._on_change = on_change
        self._limits = limits
        self._supervision = supervision
        self._workspaces = workspaces
        self._redaction = redaction

    def expanded(self, entry: PluginEntry) -> PluginEntry:
        """``entry`` with the variables of its config replaced. Raises ``Misconfigured``."""
        return replace(entry, config=expand(entry.config, self._variables, f"{entry.where or entry.name}.config"))

    def make(self, entry: PluginEntry, *, is_at_start: bool = True, kept_for: Collection[str] | None = None) -> Member:
        """The plugin of an entry as the manifest has it. ``is_at_start``: the host starts too. ``kept_for``: if
        it does not come up, another one comes back with these capabilities, and it is not tried again."""
        if not entry.enabled:
            return Member(entry=entry, plugin=_Absent(entry, ""))
        logger = logging.getLogger(f"strongroom.plugins.{entry.name}")
        try:
            entry = self.expanded(entry)
        except Misconfigured as error:
            logger.error("plugin %s: %s", entry.name, error)
            return Member(entry=entry, plugin=_Absent(entry, error.with_fix()))
        self._redaction.register_section(entry.config)
        offers = Offers(entry, self._registry, self._limits, kept_for=kept_for or ())
        if entry.command is not None:
            is_tried_again = kept_for is None and not (entry.required and is_at_start)
            plugin: Running = self._process(
                entry, entry.command, entry.config, offers, logger, is_tried_again=is_tried_again
            )
        else:
            plugin = InProcessPlugin(
                entry,
                entry.config,
                mode=self._mode,
                registry=self._registry,
                offers=offers,
                store=self._store_of(entry.name),
                artifacts=self._artifacts,
                limits=self._limits,
                supervision=self._supervision,
                log=logger,
                workspaces=self._workspaces,
                on_change=self._on_change,
            )
        return Member(entry=entry, plugin=plugin, offers=offers)

    def _process(
        self,
        entry: PluginEntry,
        command: tuple[str, ...],
        config: Mapping[str, Any],  # Any: the section belongs to the plugin
        offers: Offers,
        logger: logging.Logger,
        *,
        is_tried_again: bool,
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
                pin=entry.pin,
                hide=self._redaction.register,
                let_go=self._redaction.let_go,
            ),
            required=entry.required,
            on_change=self._on_change,
            is_tried_again=is_tried_again,
        )
