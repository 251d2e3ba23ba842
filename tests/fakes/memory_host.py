"""A host for plugins that keeps everything in memory, and waits for what happens instead of sleeping."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from strongroom.errors import NotFound
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.host import PluginHost
from strongroom.registry.limits import CallLimits, Supervision
from strongroom.registry.registry import Registry
from strongroom.registry.states import PluginState
from strongroom.settings.manifest import PluginEntry

# Short enough for tests, long enough for a busy machine to start a process.
QUICK = Supervision(
    handshake_s=30.0,
    initialise_s=30.0,
    health_every_s=0.2,
    health_timeout_s=2.0,
    backoff_min_s=0.01,
    backoff_max_s=0.05,
    crashes_max=3,
    crash_window_s=300.0,
    stop_s=2.0,
    optional_wait_s=30.0,
)
WAIT_S = 30.0


class MemoryStore:
    def __init__(self) -> None:
        self.values: dict[tuple[str, str], bytes] = {}

    def get(self, key: str, *, owner: str = "") -> bytes | None:
        return self.values.get((owner, key))

    def put(self, key: str, value: bytes, *, owner: str = "") -> None:
        self.values[owner, key] = value

    def delete(self, key: str, *, owner: str = "") -> None:
        self.values.pop((owner, key), None)

    def list(self, prefix: str = "", *, owner: str = "") -> list[str]:
        return sorted(key for at, key in self.values if at == owner and key.startswith(prefix))


class MemoryArtifacts:
    def __init__(self) -> None:
        self.binaries: dict[str, bytes] = {}

    def fetch(self, sha256_hex: str) -> bytes:
        try:
            return self.binaries[sha256_hex]
        except KeyError:
            raise NotFound("SR-TEST-001", "no such artifact") from None


class MemoryHost:
    """A ``PluginHost`` with its surroundings. ``saw(state)`` waits until some plugin has been in that state."""

    def __init__(
        self,
        runtime_dir: Path,
        *entries: PluginEntry,
        supervision: Supervision = QUICK,
        limits: CallLimits | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.registry = Registry()
        self.artifacts = MemoryArtifacts()
        self.stores: dict[str, MemoryStore] = {}
        self.history: list[PluginState] = []
        self._changed = threading.Condition()
        self.plugins = PluginHost(
            entries,
            registry=self.registry,
            store_of=lambda name: self.stores.setdefault(name, MemoryStore()),
            artifacts=self.artifacts,
            mode="dev",
            runtime_dir=runtime_dir,
            variables=variables or {},
            on_change=self._told,
            limits=limits,
            supervision=supervision,
        )

    def _told(self, state: PluginState) -> None:
        with self._changed:
            self.history.append(state)
            self._changed.notify_all()

    def saw(self, state: str, *, times: int = 1) -> PluginState:
        with self._changed:
            seen = lambda: [s for s in self.history if s.state == state]  # noqa: E731 - read again on each wake-up
            assert self._changed.wait_for(lambda: len(seen()) >= times, WAIT_S), self.history
            return seen()[times - 1]

    def __enter__(self) -> Self:
        self.plugins.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.plugins.stop()

    def call(self, capability_id: str, method: str, message: Any, *, timeout_s: float = WAIT_S) -> Any:
        return self.registry.get_executable(capability_id).execute(request(method, message), timeout_s=timeout_s)


def request(method: str, message: Any, **metadata: str) -> capabilities_pb2.CapabilityRequest:
    made = capabilities_pb2.CapabilityRequest(
        method=method,
        metadata=capabilities_pb2.RequestMetadata(**metadata),  # type: ignore[arg-type]  # texts only
    )
    made.payload.Pack(message)
    return made


def answer(response: capabilities_pb2.CapabilityResponse, message: Any) -> Any:
    assert response.payload.Unpack(message)
    return message


class Eventually:
    """Collects what a subscriber is told, and waits for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.events: list[capabilities_pb2.TriggerEvent] = []
        self.failures: list[Exception] = []
        self.notes: list[str] = []

    def event(self, event: capabilities_pb2.TriggerEvent) -> None:
        self._note(lambda: self.events.append(event))

    def failed(self, error: Exception) -> None:
        self._note(lambda: self.failures.append(error))

    def degraded(self, why: str) -> None:
        self._note(lambda: self.notes.append(f"degraded: {why}"))

    def ended(self, why: str) -> None:
        self._note(lambda: self.notes.append(f"ended: {why}"))

    def restored(self) -> None:
        self._note(lambda: self.notes.append("restored"))

    def wait(self, condition: Callable[["Eventually"], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), WAIT_S), (self.events, self.failures, self.notes)

    def _note(self, change: Callable[[], None]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()
