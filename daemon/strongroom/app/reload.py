"""What a running host takes in without a restart: callers, plugins, and the settings that say so of themselves.

Rule 1: everything is read and checked before anything is changed; what does not hold is refused whole, and the old
configuration serves on.
Rule 2: one reload at a time. A call that comes meanwhile is refused; a signal waits for its turn, several as one.
Rule 3: whatever is not changed is left alone, and what needs a restart is named and not pretended.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from strongroom.app.build import Mode, Parts
from strongroom.app.reload_settings import Difference, difference, take_effect
from strongroom.app.simulation import accepting_simulations
from strongroom.errors import Misconfigured, NotFound, StrongroomError, Unavailable
from strongroom.registry.entry_problems import problem_of
from strongroom.registry.plan import Replaced
from strongroom.services.caller_book import CallerBook
from strongroom.services.host import Reloaded
from strongroom.settings.callers import CallerEntry, load_callers
from strongroom.settings.layers import Loaded
from strongroom.settings.manifest import PluginEntry, load_manifest
from strongroom.settings.model import Settings
from strongroom.telemetry import logs
from strongroom.telemetry.notify import Notifier

__all__ = ["Reloader"]

SIGNAL: Final = "signal"
"""The caller in the record of a reload that SIGHUP asked for."""
log = logs.get("app")


class Reloader:
    """Reloads of one host. ``settings`` are those in force, ``callers`` who may call."""

    def __init__(self, parts: Parts, read: Callable[[], Loaded], notifier: Notifier) -> None:
        """``read`` reads the layers of settings as at the start. Raises ``Misconfigured`` for a wrong callers' file."""
        self._parts = parts
        self._mode: Mode = parts.mode
        self._read = read
        self._notifier = notifier
        self.settings = parts.settings
        self._entries = _callers(self.settings)
        self.callers = CallerBook(self._entries)
        self._refused = ""
        self._kept: dict[str, str] = {}
        self.last_ms = 0
        """When the last one that was taken ended, Unix milliseconds; 0 when there was none."""
        self.needs_restart: tuple[str, ...] = ()
        """What was read then and needs a restart."""
        self._turn = threading.Lock()
        self._begun = ""
        self._wanted = threading.Event()
        self._is_closed = False

    @property
    def problem(self) -> str:
        """What was refused of the configuration on the disk: all of it at the last reload, or entries of plugins that
        did not come up with them. Empty where nothing was."""
        kept = "; ".join(f"plugin {name} serves on with its old entry: {why}" for name, why in self._kept.items())
        return self._refused or kept

    def listen(self, wanted: threading.Event) -> None:
        """Reload whenever ``wanted`` is set, from now on; also when it was set before."""
        self._wanted = wanted
        threading.Thread(target=self._hear, name="reload", daemon=True).start()

    def close(self) -> None:
        """Begin nothing more. A plugin that is being replaced is not waited for."""
        self._is_closed = True
        self._wanted.set()

    def reload(self, caller: str) -> Reloaded:
        """Take in everything. Raises ``Misconfigured``, and ``Unavailable`` while another reload goes on."""
        with self._turn_of(caller, waits=False):
            return self._reload(caller)

    def reload_plugin(self, name: str, caller: str) -> Replaced:
        """Replace one plugin, whatever changed. As ``reload``; raises ``NotFound`` as well."""
        with self._turn_of(caller, waits=False):
            try:
                entries = self._manifest(self.settings)
                entry = next((each for each in entries if each.name == name), None)
                if entry is None:
                    raise _not_named(name, self.settings)
                # What stands beside it must hold too: it is the same file.
                self._parts.plugins.plan(entries)
                _check(entry)
            except StrongroomError as error:
                log.error("a plugin is not reloaded", extra={"plugin": name[:80], "why": error.with_fix()})
                raise
            with self._told():
                done = self._parts.plugins.reload(name, entry, drain_s=self._drain_s())
            self._kept = {other: why for other, why in self._kept.items() if other != name} | _kept(done)
            _say(done, caller)
            return done

    def _hear(self) -> None:
        while True:
            self._wanted.wait()
            if self._is_closed:
                return
            self._wanted.clear()
            audit = self._parts.audit.audit
            try:
                with self._turn_of(SIGNAL, waits=True):
                    audit.check()
                    done = self._reload(SIGNAL)
            except StrongroomError as error:
                if self._is_closed:
                    return
                audit.begin("host.reload", subject="host", caller=SIGNAL, outcome=error.code)
            except Exception:
                # The last line of defence: the next signal must find somebody who listens.
                log.exception("a reload failed unexpectedly")
            else:
                audit.begin("host.reload", subject="host", caller=SIGNAL, **done.facts())

    def _reload(self, caller: str) -> Reloaded:
        """Called by whoever has the turn."""
        try:
            found = difference(self.settings, self._read_settings())
            callers = _callers(found.settings)
            plan = self._parts.plugins.plan(self._manifest(found.settings))
            for step in plan.steps:
                _check(step.entry)
        except StrongroomError as error:
            self._refused = error.with_fix()
            log.error("nothing is reloaded; the old configuration serves on", extra={"why": self._refused})
            raise
        with self._told():
            is_other = self._apply(found, callers)
            plugins = self._parts.plugins.take(plan, drain_s=self._drain_s(), goes_on=lambda: not self._is_closed)
        for each in plugins:
            _say(each, caller)
        self._refused, self.last_ms = "", int(time.time() * 1000)
        self._kept = {each.name: each.refused for each in plugins if each.refused}
        self.needs_restart = (*found.needs_restart, *plan.key_providers)
        done = Reloaded(
            plugins=tuple(plugins),
            applied=found.applied,
            needs_restart=self.needs_restart,
            callers_changed=is_other,
        )
        log.info("reloaded", extra={"caller": caller, **done.facts()})
        return done

    def _read_settings(self) -> Settings:
        loaded = self._read()
        settings, origin = loaded.settings, loaded.origins.get("plugins_file")
        before = self.settings.plugins_file
        if origin is not None and origin.layer == "built-in" and not before.exists():
            # A manifest that is gone is no wish for one that was shipped.
            return settings.model_copy(update={"plugins_file": before})
        return settings

    def _apply(self, found: Difference, callers: tuple[CallerEntry, ...]) -> bool:
        """Let settings and callers take effect; whether the callers are others."""
        take_effect(self._parts, found)
        self.settings = found.settings
        is_other = callers != self._entries
        self._entries = callers
        self.callers.replace(callers)
        return is_other

    def _manifest(self, settings: Settings) -> tuple[PluginEntry, ...]:
        entries = load_manifest(settings.plugins_file)
        return accepting_simulations(entries) if self._mode == "dev" else entries

    def _drain_s(self) -> float:
        return self.settings.limits.plugin_drain_timeout_ms / 1000

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The service manager knows of it."""
        self._notifier.reloading()
        try:
            yield
        finally:
            if not self._is_closed:
                self._notifier.ready()

    @contextmanager
    def _turn_of(self, caller: str, *, waits: bool) -> Iterator[None]:
        if not self._turn.acquire(blocking=waits):
            raise Unavailable(
                "SR-LOAD-001",
                "a reload is under way",
                why=f"{self._begun} began it",
                fix="try again when it has ended; `strongroom status` says when the last one did",
            )
        try:
            self._begun = f"{caller} at {datetime.now(UTC):%H:%M:%S} UTC"
            if self._is_closed:
                raise Unavailable(
                    "SR-LOAD-004", "this host is stopping", fix="it reads everything anew at its next start"
                )
            yield
        finally:
            self._turn.release()


def _callers(settings: Settings) -> tuple[CallerEntry, ...]:
    return load_callers(settings.callers_file) if settings.callers_file is not None else ()


def _check(entry: PluginEntry | None) -> None:
    """What is known to be wrong with an entry takes no plugin away that works. No code of a plugin runs for that."""
    problem = problem_of(entry) if entry is not None and entry.enabled else ""
    if problem and entry is not None:
        raise Misconfigured(
            "SR-LOAD-006",
            f"{entry.where or entry.name}: plugin {entry.name} could not be started: {problem}",
            fix="correct it; `strongroom plugin check FILE` looks at the whole manifest",
            where=entry.where,
        )


def _kept(done: Replaced) -> dict[str, str]:
    return {done.name: done.refused} if done.refused else {}


def _not_named(name: str, settings: Settings) -> NotFound:
    return NotFound(
        "SR-LOAD-003",
        f"the manifest names no plugin {name[:80]}",
        why=f"{settings.plugins_file} was read again and has no such entry",
        fix="`strongroom reload` takes a plugin away that is not named any more",
        name=name[:80],
    )


def _say(done: Replaced, caller: str) -> None:
    state = "gone" if done.state is None else str(done.state.state)
    extra = {"plugin": done.name, "change": str(done.change), "state": state, "caller": caller}
    if done.refused:
        log.error("a plugin serves on with its old entry", extra={**extra, "why": done.refused})
    elif done.state is not None and done.state.last_error:
        log.error("a plugin was reloaded and is not there", extra={**extra, "why": done.state.last_error})
    else:
        log.info("a plugin was reloaded", extra=extra)
