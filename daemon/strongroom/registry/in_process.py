"""A plugin in the daemon's own process: built from its factory, called on threads of its own."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from strongroom.errors import CapabilityError, PluginFault, StrongroomError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.build import Hooks, build_plugin
from strongroom.plugin.capability import Capability
from strongroom.plugin.dispatch import TriggerBook, TriggerSink, invoke
from strongroom.plugin.error_text import error_of
from strongroom.plugin.hang_up import ended_by, hung_up
from strongroom.plugin.host import Artifacts, Host, Store
from strongroom.plugin.workspace_access import Workspaces
from strongroom.registry.limits import CallLimits, Supervision
from strongroom.registry.offers import Offers
from strongroom.registry.pins import import_factory_module
from strongroom.registry.registry import Registry
from strongroom.registry.states import Lifecycle, PluginEvent, PluginState, step
from strongroom.registry.workers import Workers
from strongroom.settings.manifest import PluginEntry

__all__ = ["InProcessPlugin", "LocalExecutable", "LocalTrigger"]

# Stopping a registration is a flag or a row; a plugin that takes longer keeps an operator waiting.
TRIGGER_CALL_S_MAX: Final = 10.0


class _Runs:
    """Runs a plugin's function on the plugin's threads, for at most so long."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def run(self, work: Callable[[], Any], timeout_s: float) -> Any:
        """What ``work`` returns. Raises ``CapabilityError``. Any: each method has its own answer."""
        future = self._workers.submit(work)
        over = threading.Event()
        future.add_done_callback(lambda _: over.set())
        with ended_by(over.set):
            over.wait(timeout_s)
        if not future.done():
            future.cancel()
            raise hung_up() or CapabilityError(
                "Public", "System", "DeadlineExceeded", f"no answer within {timeout_s:g} s"
            )
        raised = future.exception()
        if raised is not None:
            raise error_of(raised) from raised
        return future.result()


class LocalExecutable:
    """The methods of one capability."""

    def __init__(self, capability: Capability, workers: Workers) -> None:
        self._capability = capability
        self._runs = _Runs(workers)

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer. Raises ``CapabilityError``; an answer that comes too late is dropped, its thread stays taken."""
        answer: capabilities_pb2.CapabilityResponse = self._runs.run(
            lambda: invoke(self._capability, request, timeout_s=timeout_s), timeout_s
        )
        return answer


class LocalTrigger:
    """The triggers of one capability."""

    def __init__(self, capability: Capability, workers: Workers) -> None:
        self._book = TriggerBook(capability)
        self._runs = _Runs(workers)

    def register(
        self, request: capabilities_pb2.TriggerRegistrationRequest, sink: TriggerSink, *, timeout_s: float
    ) -> None:
        """Start one registration. Raises ``CapabilityError``."""
        late = threading.Event()

        def work() -> None:
            self._book.register(request, sink)
            if late.is_set():  # whoever asked has been told that it failed
                self._book.stop(request.triggerId, sink=sink)

        try:
            self._runs.run(work, timeout_s)
        except CapabilityError:
            late.set()
            self._book.stop(request.triggerId, sink=sink)
            raise

    def pause(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop one registration, and keep what it has."""
        self._runs.run(lambda: self._book.stop(request.triggerId), TRIGGER_CALL_S_MAX)

    def unregister(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop one registration for good."""
        self._runs.run(lambda: self._book.forget(request.triggerId, request.method), TRIGGER_CALL_S_MAX)

    def ack(self, trigger_id: str, event_id: str, method: str) -> None:
        """Confirm one event. Raises ``CapabilityError``."""
        try:
            self._book.ack(trigger_id, event_id, method)
        except Exception as raised:
            raise error_of(raised) from raised

    def close(self) -> None:
        """Stop every registration."""
        self._book.close()


class InProcessPlugin:
    """One plugin in this process. It is not restarted: what broke here would break again."""

    def __init__(
        self,
        entry: PluginEntry,
        config: Mapping[str, Any],  # Any: the section belongs to the plugin
        *,
        mode: Literal["dev", "serve"],
        registry: Registry,
        offers: Offers,
        store: Store,
        artifacts: Artifacts,
        limits: CallLimits,
        supervision: Supervision,
        log: logging.Logger,
        workspaces: Workspaces | None = None,
        on_change: Callable[[PluginState], None],
    ) -> None:
        self._entry = entry
        self._config = config
        self._host = Host(
            name=entry.name,
            mode=mode,
            store=store,
            registry=registry,
            artifacts=artifacts,
            log=log,
            workspaces=workspaces,
        )
        self._offers = offers
        self._workers = Workers(f"plugin-{entry.name}", limits.concurrency_max)
        self._supervision = supervision
        self._log = log
        self._on_change = on_change
        self._state = Lifecycle.STARTING
        self._last_error = ""
        self._hooks: Hooks | None = None
        self._triggers: list[LocalTrigger] = []
        self._lock = threading.Lock()
        self._decided = False
        self._settled = threading.Event()

    def start(self) -> None:
        """Begin. ``settle`` waits for the outcome."""
        threading.Thread(target=self._start, name=f"plugin-{self._entry.name}-start", daemon=True).start()

    def settle(self, timeout_s: float | None = None) -> PluginState:
        """Wait until the plugin has started or failed, or used up its time; at most ``timeout_s``."""
        limit_s = self._supervision.initialise_s
        if not self._settled.wait(limit_s if timeout_s is None else min(timeout_s, limit_s)) and timeout_s is None:
            self._finish(f"start() did not return within {self._supervision.initialise_s:g} s")
        return self.state()

    def state(self) -> PluginState:
        """How it stands now."""
        return PluginState(
            name=self._entry.name,
            kind="in-process",
            state=self._state,
            capabilities=self._offers.ids,
            mounts=self._offers.mounts,
            last_error=self._last_error,
            required=self._entry.required,
        )

    def stop(self) -> None:
        """Take its capabilities away and tell it. A plugin that does not come back from ``stop()`` is left behind."""
        self._offers.remove_all()
        hooks, self._hooks = self._hooks, None
        # What stops a registration is the plugin's code as well, and may hang or fail as anything of it.
        self._try_to_end("stopping its triggers", self._close_triggers)
        if hooks is not None:
            self._try_to_end("stop()", hooks.stop)
        self._workers.close()
        self._move(PluginEvent.STOP)

    def _close_triggers(self) -> None:
        for trigger in self._triggers:
            trigger.close()

    def _try_to_end(self, what: str, work: Callable[[], object]) -> None:
        try:
            _Runs(self._workers).run(work, self._supervision.stop_s)
        except CapabilityError as error:
            self._log.error("plugin %s: %s failed: %s", self._entry.name, what, error)

    def _start(self) -> None:
        try:
            hooks = Hooks(build_plugin(self._load(), self._config, name=self._entry.name), name=self._entry.name)
            hooks.refuse_key_providers()
            hooks.start(self._host)
            capabilities, providers = hooks.capabilities(), hooks.mounts()
            with self._lock:
                if self._decided:  # too late: the host goes on without it
                    return
                self._hooks = hooks
                for capability in capabilities:
                    self._offer(capability)
                for provider in providers.values():
                    self._offers.add_mount(provider)
        except StrongroomError as error:
            self._finish(error.with_fix())
        except BaseException as error:
            self._finish(f"{type(error).__name__}: {error}")
        else:
            self._finish("")

    def _load(self) -> Callable[..., object]:
        module, _, attribute = (self._entry.factory or "").partition(":")
        factory = getattr(import_factory_module(self._entry), attribute, None)
        if not callable(factory):
            raise PluginFault(
                "SR-PLUG-032",
                f"plugin {self._entry.name}: {module} has no {attribute}",
                fix="check `factory` in plugins.yaml",
                plugin=self._entry.name,
            )
        loaded: Callable[..., object] = factory
        return loaded

    def _offer(self, capability: Capability) -> None:
        trigger = LocalTrigger(capability, self._workers) if capability.triggers else None
        if trigger is not None:
            self._triggers.append(trigger)
        self._offers.add(
            capability.id,
            capability.kind,
            capability.description,
            executable=LocalExecutable(capability, self._workers) if capability.methods else None,
            trigger=trigger,
        )

    def _finish(self, error: str) -> None:
        with self._lock:
            if self._decided:
                return
            self._decided = True
        if error:
            self._last_error = error
            self._log.error("plugin %s: %s", self._entry.name, error)
            self._offers.remove_all()
        self._move(PluginEvent.GAVE_UP if error else PluginEvent.STARTED)
        self._settled.set()

    def _move(self, event: PluginEvent) -> None:
        self._state = step(self._state, event)
        self._on_change(self.state())
