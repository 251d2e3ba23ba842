"""``PluginHost``: every plugin of plugins.yaml, each one's failure its own; started together, replaced one by one."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from strongroom.errors import NotFound, PluginFault, Unavailable
from strongroom.plugin.host import Artifacts, Store
from strongroom.plugin.workspace_access import Workspaces
from strongroom.registry.limits import CallLimits, Supervision
from strongroom.registry.making import Member, PluginMaker, Running
from strongroom.registry.plan import Change, Plan, Replaced, Step, is_same, planned
from strongroom.registry.registry import Registry
from strongroom.registry.states import Lifecycle, PluginState
from strongroom.settings.manifest import PluginEntry
from strongroom.telemetry.redaction import Redaction

__all__ = ["PluginHost"]

log = logging.getLogger(__name__)


def _nobody(_state: PluginState) -> None:
    """Nobody asked to be told."""


def _stopping() -> Unavailable:
    return Unavailable("SR-LOAD-004", "this host is stopping", fix="it reads everything anew at its next start")


def _may_come_back(old: Member, step: Step) -> bool:
    """Whether ``old`` is worth another start where its successor does not come up: it served, as another entry."""
    is_another = step.entry is not None and step.entry.enabled and not is_same(old.entry, step.entry)
    return is_another and old.offers is not None and old.plugin.state().state is Lifecycle.READY


def _stop(plugin: Running) -> None:
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
        redaction: Redaction | None = None,
    ) -> None:
        """``redaction`` is that of the process, which learns what plugins are given that is secret."""
        self._registry = registry
        self._redaction = redaction or Redaction()
        self._on_change = on_change
        self._supervision = supervision or Supervision()
        self._maker = PluginMaker(
            registry=registry,
            store_of=store_of,
            artifacts=artifacts,
            mode=mode,
            runtime_dir=runtime_dir,
            variables=variables,
            on_change=self._told,
            limits=limits or CallLimits(),
            supervision=self._supervision,
            workspaces=workspaces,
            redaction=self._redaction,
        )
        # Providers of root secrets were asked before this, and are no plugins of a running host.
        self._key_providers = tuple(entry for entry in entries if entry.is_key_provider)
        self._lock = threading.Lock()
        self._is_ended = False
        self._members = tuple(self._maker.make(entry) for entry in entries if not entry.is_key_provider)
        registry.ask_states_of(self._state_of, self._provider_of)

    def start(self) -> None:
        """Start all of them at once and wait. Raises ``PluginFault`` if a required one failed; the others serve on.

        A plugin that is not required is waited for a while only; it goes on starting beside the host.
        """
        plugins = [member.plugin for member in self._members]
        for plugin in plugins:
            plugin.start()
        until = time.monotonic() + self._supervision.optional_wait_s
        for plugin in plugins:
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
        meant = (member.plugin for member in self._members if capability_id in member.entry.provides)
        return next(
            (state for each in meant if (state := each.state()).state not in {Lifecycle.READY, Lifecycle.DISABLED}),
            None,
        )

    def states(self) -> list[PluginState]:
        """Every plugin in the order of plugins.yaml. What is said of their errors has passed the redaction."""
        return [self._shown(member.plugin.state()) for member in self._members]

    def _shown(self, state: PluginState) -> PluginState:
        return replace(state, last_error=self._redaction.hidden(state.last_error)) if state.last_error else state

    def stop(self) -> None:
        """End all of them. In-process ones end first, since they may still want to call a process.

        Those of a kind end side by side, so that several that hang take no longer than one. What has not ended after
        ``Supervision.end_s`` is left behind and named in the log.
        """
        with self._lock:
            self._is_ended = True
            members = self._members
        of_kind: dict[bool, list[Running]] = {True: [], False: []}
        for member in members:
            of_kind[member.plugin.state().kind == "in-process"].append(member.plugin)
        for plugins in of_kind.values():
            self._end(plugins)

    def plan(self, entries: Sequence[PluginEntry]) -> Plan:
        """What another manifest changes here; nothing is done. Raises ``Misconfigured`` for a config that cannot be
        read."""
        now = [*self._key_providers, *(member.entry for member in self._members)]
        return planned(now, [entry if entry.is_key_provider else self._maker.expanded(entry) for entry in entries])

    def take(self, plan: Plan, *, drain_s: float, goes_on: Callable[[], bool] = lambda: True) -> list[Replaced]:
        """Replace what the plan names, one after the other, and leave the others alone. One ``take`` at a time.

        Calls that are open have ``drain_s`` to end, later ones wait for the successor. Where that does not come up, the
        one before is started again with its old entry, and they wait for that.
        Raises ``Unavailable`` when the host ends, or no longer ``goes_on``.
        """
        done = []
        for step in plan.steps:
            if not goes_on():
                raise _stopping()
            done.append(self._replaced(step, drain_s))
        places = {entry.name: place for place, entry in enumerate(plan.entries)}
        with self._lock:
            self._members = tuple(sorted(self._members, key=lambda member: places.get(member.entry.name, len(places))))
        return done

    def reload(self, name: str, entry: PluginEntry, *, drain_s: float) -> Replaced:
        """Replace one plugin by a new one, whatever changed. As ``take``; raises ``NotFound`` as well."""
        if self._state_of(name) is None:
            raise NotFound(
                "SR-LOAD-005",
                f"there is no plugin {name[:80]}",
                why="the manifest of the running host does not name it",
                fix="`strongroom plugin list` shows those that there are; `strongroom reload` takes what is new",
                name=name[:80],
            )
        return self._replaced(Step(name=name, change=Change.RELOADED, entry=self._maker.expanded(entry)), drain_s)

    def _replaced(self, step: Step, drain_s: float) -> Replaced:
        old = next((member for member in self._members if member.entry.name == step.name), None)
        kept = old if old is not None and _may_come_back(old, step) else None
        ids, cut = self._ended(old, step, drain_s) if old is not None else ((), 0)
        now: Member | None = None
        refused = ""
        try:
            if step.entry is not None:
                now = self._maker.make(step.entry, is_at_start=False, kept_for=None if kept is None else ids)
            self._take_in(old, now)
            state = now.plugin.settle() if now is not None else None
            if now is not None and state is not None and kept is not None and state.state is not Lifecycle.READY:
                refused = state.last_error or f"it is {state.state}"
                now = self._brought_back(kept.entry, now)
                state = now.plugin.settle()
        finally:
            # Whoever waits for what the successor does not have is told, whatever went wrong.
            offered = now.offers.take_place() if now is not None and now.offers is not None else ()
            for capability_id in ids:
                if capability_id not in offered:
                    self._registry.not_replaced(capability_id, step.name)
        return Replaced(
            name=step.name,
            change=step.change,
            state=self._shown(state) if state is not None else None,
            calls_cut=cut,
            refused=self._redaction.hidden(refused),
        )

    def _brought_back(self, entry: PluginEntry, new: Member) -> Member:
        """What served before, in the place of a successor that did not come up. Its callers have been waiting."""
        log.error("plugin %s did not come up with its new entry; the one before is started again", entry.name)
        self._end([new.plugin])
        back = self._maker.make(entry, is_at_start=False)
        self._take_in(new, back)
        return back

    def _take_in(self, old: Member | None, new: Member | None) -> None:
        """Put one in the place of the other, and start it."""
        with self._lock:
            if self._is_ended:
                raise _stopping()
            members = [new if member is old else member for member in self._members]
            if old is None:
                members.append(new)
            self._members = tuple(member for member in members if member is not None)
            if new is not None:
                new.plugin.start()

    def _ended(self, old: Member, step: Step, drain_s: float) -> tuple[tuple[str, ...], int]:
        """Take a plugin away from its callers, wait for those that it has, and end it: what it offered, and how many
        calls had not ended."""
        if old.offers is None:
            return (), 0
        ids = old.offers.hand_over(has_successor=step.entry is not None and step.entry.enabled)
        cut = old.offers.drain(drain_s)
        if cut:
            log.warning("plugin %s ends with %d calls that took longer than %g s", step.name, cut, drain_s)
        self._end([old.plugin])
        return ids, cut

    def _end(self, plugins: Sequence[Running]) -> None:
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

    def _told(self, state: PluginState) -> None:
        try:
            self._on_change(state)
        except Exception:
            log.exception("whoever watches plugin %s failed", state.name)
