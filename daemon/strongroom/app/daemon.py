"""The life of the daemon: harden, lock, open, recover, serve, drain, stop."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from strongroom.app.api import api
from strongroom.app.build import Mode, Parts, build
from strongroom.app.condition import Condition
from strongroom.app.describe import describer
from strongroom.app.ending import STOP_S, Ending
from strongroom.app.hardening import harden
from strongroom.app.leftovers import PluginDirectories
from strongroom.app.lock import Keeper
from strongroom.app.memory import return_large_buffers
from strongroom.app.memory_lock import UNLOCKED, MemoryLock, lock_memory
from strongroom.app.notify import Reports, work_loop
from strongroom.app.observing import Observer
from strongroom.app.pulse import Pulse
from strongroom.app.reach import EVERY_S as REACH_EVERY_S
from strongroom.app.reach import Reach
from strongroom.app.reload import Reloader
from strongroom.backup.staging import finish_restore
from strongroom.errors import StrongroomError
from strongroom.registry.states import Lifecycle, PluginState
from strongroom.services.server import ApiServers
from strongroom.settings.layers import Loaded
from strongroom.settings.model import Settings
from strongroom.storage.directories import private_directory
from strongroom.storage.state_lock import StateLock
from strongroom.telemetry import logs, tracing
from strongroom.telemetry.notify import Notifier
from strongroom.telemetry.redaction import Redaction

__all__ = ["Daemon", "run_daemon"]

GRACE_S: Final = 2.0
"""Time for calls to end after the drain; what they waited for has ended or goes on after the next start."""
log = logs.get("app")


class Daemon:
    """One running daemon. ``start`` returns when it is ready; ``stop`` when everything is down."""

    def __init__(
        self,
        settings: Settings,
        *,
        mode: Mode,
        notifier: Notifier | None = None,
        read_again: Callable[[], Loaded] | None = None,
        redaction: Redaction | None = None,
        memory_lock: MemoryLock = UNLOCKED,
    ) -> None:
        """``read_again`` reads the layers of settings as they were read for ``settings``; those stay where it is left
        out. ``redaction`` and ``memory_lock`` are those of the process."""
        self._settings = settings
        self._memory_lock = memory_lock
        self._redaction = redaction or Redaction()
        self._observer = Observer(settings, mode, lambda: self._state, self._redaction)
        self.reports = Reports(notifier or Notifier(), state=lambda: self._state)
        self._mode = mode
        self._started_ms = int(time.time() * 1000)
        self._server: ApiServers | None = None
        self._state = "starting"
        self._lock: StateLock | None = None
        self._plugin_directories: PluginDirectories | None = None
        self._parts: Parts | None = None
        self._pulse: Pulse | None = None
        self._lookout: Pulse | None = None
        self._reloader: Reloader | None = None
        self._read_again = read_again or (lambda: Loaded(settings=settings, origins={}, warnings=()))
        self.reload_wanted = threading.Event()
        """Set to have everything reloaded, at any time of this life: in its beginning once it is ready."""
        self._step = "start"

    @property
    def drain_s(self) -> float:
        """What running work gets at a stop, as the settings in force have it."""
        settings = self._settings if self._reloader is None else self._reloader.settings
        return settings.limits.drain_timeout_ms / 1000

    def still_open(self) -> dict[str, object]:
        """Which step of its life the host is in, and which runs and plugins have not ended."""
        parts = self._parts
        if parts is None:
            return {"step": self._step}
        ended = {Lifecycle.STOPPED, Lifecycle.FAILED, Lifecycle.DISABLED}
        plugins = [each.name for each in parts.plugins.states() if each.state not in ended]
        return {"step": self._step, "runs": len(parts.engine.dispatcher), "plugins": plugins}

    def plugins_down(self) -> list[PluginState]:
        """Enabled plugins that do not offer anything now."""
        up = {Lifecycle.READY, Lifecycle.DISABLED}
        return [] if self._parts is None else [each for each in self._parts.plugins.states() if each.state not in up]

    def start(self) -> None:
        """Open the state, start plugins and runners, resume what was cut off, and serve."""
        private_directory(self._settings.state_dir, "state_dir")
        self._lock = StateLock(self._settings.state_dir)
        try:
            self._observer.start()
            finish_restore(self._settings.state_dir)
            self._plugin_directories = PluginDirectories(
                private_directory(self._settings.runtime_dir / "plugins", "runtime_dir")
            )
            parts = build(
                self._settings,
                mode=self._mode,
                on_plugin=self._plugin_changed,
                redaction=self._redaction,
                memory_lock=self._memory_lock,
                on_migration=self.reports.migrating,
            )
            self._parts = parts
            parts.audit.start()
            parts.disk.start()
            parts.pool.start()
            parts.plugins.start()
            # After the plugins, which provide mounts; before runs, which may use them.
            parts.workspaces.start()
            if parts.development_owner is not None:
                parts.development_owner.start()
            reloader = self._reloader = Reloader(parts, self._read_again, self.reports.notifier)
            reach = Reach(parts.registry)
            keeper = Keeper(parts.host_lock, parts.engine.take_over)
            condition = Condition(parts, keeper, reloader, reach)
            describe = describer(parts, reloader, reach, condition, self._started_ms, lambda: self._state)
            self._server = api(parts, reloader=reloader, describe=describe, state=lambda: self._state)
            # Nothing is resumed by a host that could not be reached.
            self._server.check()
            resumed = parts.engine.resume()
            self._pulse = Pulse((keeper, parts.engine.uptime.beat))
            self._pulse.start()
            self._server.start()
            self._lookout = Pulse((reach.refresh,), every_s=REACH_EVERY_S, is_at_once=True)
            self._lookout.start()
            parts.desk.open()
            parts.retention.start()
            parts.key_desk.rotation.resume()
        except BaseException:
            self.stop(drain_s=0)
            raise
        for plugin in parts.plugins.states():
            self._server.set_serving(plugin.name, plugin.state == "ready")
        self._observer.watch(parts, condition)
        self._state = "ready"
        self._server.set_serving("", True)
        parts.audit.watched_by(self._server.set_serving)
        log.info(
            "ready",
            extra={
                "socket": str(self._settings.socket),
                "admin_socket": str(self._settings.admin_socket_path),
                "resumed_runs": resumed,
                "mode": self._mode,
                "pid": os.getpid(),
            },
        )
        reloader.listen(self.reload_wanted)
        self.reports.ready(lambda: len(parts.engine.dispatcher), parts.plugins.states, work_loop(parts).go_round)

    def stop(self, *, drain_s: float) -> None:
        """Accept nothing more, let runs end for ``drain_s`` seconds, then take everything down."""
        self._state = "draining"
        if self._reloader is not None:
            self._reloader.close()
        self.reports.stopping()
        server, parts = self._server, self._parts
        self._step = "runs are waited for"
        if parts is not None:
            log.info("stopping; runs are waited for", extra={"runs": len(parts.engine.dispatcher), "drain_s": drain_s})
            parts.desk.close()
            parts.retention.close()
            parts.key_desk.rotation.close()
        if parts is not None and not parts.engine.dispatcher.drain(drain_s):
            log.warning(
                "runs are unfinished; they go on after the next start", extra={"runs": len(parts.engine.dispatcher)}
            )
        self._step = "the API is closed"
        if server is not None:
            server.stop(GRACE_S)
        if parts is not None:
            self._close(parts)
        if self._plugin_directories is not None:
            self._plugin_directories.release()
        self._observer.stop()
        if self._lock is not None:
            self._lock.release()
        self._step = "everything is closed"
        log.info("stopped")

    def _close(self, parts: Parts) -> None:
        self._observer.rest()
        if self._lookout is not None:
            # A question to somebody who is away is not waited for.
            self._lookout.close(waits=False)
        # Before what runs depend on is taken from them: none may end of that.
        parts.host.journals.stop()
        self._step = "runners are ended"
        parts.engine.dispatcher.close()
        if parts.development_owner is not None:
            parts.development_owner.close()
        parts.pool.close()
        self._step = "plugins are ended"
        parts.plugins.stop()
        self._memory_lock.end()
        self._step = "workspaces are closed"
        parts.workspaces.close()
        parts.engine.dispatcher.drain(GRACE_S)
        self._step = "the database is closed"
        if self._pulse is not None:
            self._pulse.close()
        parts.disk.close()
        parts.engine.uptime.beat()
        parts.audit.stop()
        self.reports.close()
        parts.database.close()
        parts.host_lock.release()

    def _plugin_changed(self, plugin: PluginState) -> None:
        if self._parts is not None:
            self._parts.audit.plugin_changed(plugin)
        if self._server is not None:
            self._server.set_serving(plugin.name, plugin.state == "ready")
        signer = self._parts.development_owner if self._parts is not None else None
        if signer is not None and plugin.state == "ready":
            signer.wake()


def run_daemon(
    settings: Settings,
    *,
    mode: Mode,
    ready: Callable[[Sequence[PluginState]], None] | None = None,
    warnings: Sequence[str] = (),
    read_again: Callable[[], Loaded] | None = None,
) -> int:
    """Run until SIGTERM or SIGINT; a second one ends the wait for running work. Returns the exit code 0.

    SIGHUP, to a service, has everything reloaded; ``read_again`` reads the settings for that. ``ready`` is told of the
    plugins that are not. A stop that takes longer than the drain and ``STOP_S`` ends the
    process.

    Raises a ``StrongroomError`` when the daemon cannot start.
    """
    harden()
    memory_lock = lock_memory(settings)
    notifier = Notifier.taken_from(os.environ)
    return_large_buffers()
    redaction = logs.configure(settings.log.level, settings.log.format)
    logs.hear_everything()
    tracing.configure(os.environ, shown=redaction.text, hide=redaction.register)
    for warning in warnings:
        log.warning(warning)
    daemon = Daemon(
        settings,
        mode=mode,
        notifier=notifier,
        read_again=read_again,
        redaction=redaction,
        memory_lock=memory_lock,
    )
    ending = Ending(daemon.drain_s + STOP_S, is_service=mode == "serve")
    ending.bound_s = lambda: daemon.drain_s + STOP_S
    ending.still_open = daemon.still_open
    ending.hung_up = daemon.reload_wanted.set
    ending.listen()
    notifier.status("starting")
    try:
        daemon.start()
    except StrongroomError as error:
        notifier.status(redaction.text(f"not started: {error.code}: {error.what}"))
        raise
    if ready is not None:
        ready(daemon.plugins_down())
    ending.asked.wait()
    daemon.stop(drain_s=daemon.drain_s)
    tracing.shut_down()
    return 0
