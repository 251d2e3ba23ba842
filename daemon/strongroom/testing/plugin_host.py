"""A host for plugins that keeps everything in memory, for tests: a plugin runs in it as it would in a daemon.

with MemoryHost(PluginEntry(name="clock", factory="strongroom_clock.plugin:Clock", config={})) as host:
    answer = host.call("clock@1.0.0", "Now", Empty())
"""

import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

from google.protobuf.message import Message

from strongroom.errors import NotFound
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.capability import pack
from strongroom.registry.host import PluginHost
from strongroom.registry.limits import CallLimits, Supervision
from strongroom.registry.registry import Registry
from strongroom.registry.states import PluginState
from strongroom.settings.manifest import PluginEntry
from strongroom.testing.memory_workspaces import MemoryWorkspaces

__all__ = ["QUICK", "WAIT_S", "Eventually", "MemoryArtifacts", "MemoryHost", "MemoryStore", "PluginEntry", "request"]

# Short enough for tests, long enough for a busy machine to start a process.
QUICK: Final = Supervision(
    handshake_s=30.0,
    initialise_s=30.0,
    health_every_s=0.2,
    health_timeout_s=5.0,
    backoff_min_s=0.01,
    backoff_max_s=0.05,
    crashes_max=3,
    crash_window_s=300.0,
    stop_s=2.0,
    optional_wait_s=30.0,
)
WAIT_S: Final = 30.0


class MemoryStore:
    """The store of one plugin; ``values`` are by owner and key."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], bytes] = {}

    def get(self, key: str, *, owner: str = "") -> bytes | None:
        """The value, or ``None``."""
        return self.values.get((owner, key))

    def put(self, key: str, value: bytes, *, owner: str = "") -> None:
        """Replace the value."""
        self.values[owner, key] = bytes(value)

    def delete(self, key: str, *, owner: str = "") -> None:
        """Remove the value."""
        self.values.pop((owner, key), None)

    def list(self, prefix: str = "", *, owner: str = "") -> list[str]:
        """The keys that start with ``prefix``, in ascending order."""
        return sorted(key for at, key in list(self.values) if at == owner and key.startswith(prefix))


class MemoryArtifacts:
    """Binaries by their hash."""

    def __init__(self) -> None:
        self.binaries: dict[str, bytes] = {}

    def fetch(self, sha256_hex: str) -> bytes:
        """The binary. Raises ``NotFound``."""
        try:
            return self.binaries[sha256_hex]
        except KeyError:
            raise NotFound("SR-TEST-001", "no such artifact") from None


class MemoryHost:
    """Plugins with a registry and a store each. ``saw(state)`` waits until some plugin has been in that state.

    ``stores`` of an earlier host make this one its successor. Sockets are in ``runtime_dir``, or in a directory that
    is removed at the end.
    """

    def __init__(
        self,
        *entries: PluginEntry,
        runtime_dir: Path | None = None,
        supervision: Supervision = QUICK,
        limits: CallLimits | None = None,
        variables: Mapping[str, str] | None = None,
        stores: dict[str, MemoryStore] | None = None,
    ) -> None:
        self.registry = Registry()
        self.artifacts = MemoryArtifacts()
        self.stores: dict[str, MemoryStore] = {} if stores is None else stores
        self.workspaces = MemoryWorkspaces()
        self.history: list[PluginState] = []
        self._changed = threading.Condition()
        self._own_dir = tempfile.TemporaryDirectory(prefix="strongroom-") if runtime_dir is None else None
        self.plugins = PluginHost(
            entries,
            registry=self.registry,
            store_of=lambda name: self.stores.setdefault(name, MemoryStore()),
            artifacts=self.artifacts,
            mode="dev",
            runtime_dir=Path(self._own_dir.name) if self._own_dir is not None else runtime_dir or Path(),
            variables=variables or {},
            on_change=self._told,
            limits=limits,
            supervision=supervision,
            workspaces=self.workspaces,
        )

    def _told(self, state: PluginState) -> None:
        with self._changed:
            self.history.append(state)
            self._changed.notify_all()

    def saw(self, state: str, *, times: int = 1) -> PluginState:
        """The state as it was told for the ``times``-th time. Raises ``TimeoutError``."""

        def seen() -> list[PluginState]:
            return [told for told in self.history if told.state == state]

        with self._changed:
            if not self._changed.wait_for(lambda: len(seen()) >= times, WAIT_S):
                raise TimeoutError(f"no plugin was {state} {times} times: {self.history}")
            return seen()[times - 1]

    def __enter__(self) -> Self:
        self.plugins.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.plugins.stop()
        if self._own_dir is not None:
            self._own_dir.cleanup()

    def call(
        self, capability_id: str, method: str, message: Message, *, timeout_s: float = WAIT_S, **metadata: str
    ) -> capabilities_pb2.CapabilityResponse:
        """The answer of one call. Raises ``CapabilityError``."""
        handle = self.registry.get_executable(capability_id)
        return handle.execute(request(method, message, **metadata), timeout_s=timeout_s)


def request(method: str, message: Message, **metadata: str) -> capabilities_pb2.CapabilityRequest:
    """The request of one call."""
    stamped = capabilities_pb2.RequestMetadata(**metadata)  # type: ignore[arg-type]  # the fields given are texts
    made = capabilities_pb2.CapabilityRequest(method=method, metadata=stamped)
    pack(made.payload, message)
    return made


class Eventually:
    """A subscriber that collects what it is told, and waits for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.events: list[capabilities_pb2.TriggerEvent] = []
        self.failures: list[Exception] = []
        self.notes: list[str] = []

    def event(self, event: capabilities_pb2.TriggerEvent) -> None:
        """Take one event."""
        self._note(lambda: self.events.append(event))

    def failed(self, error: Exception) -> None:
        """Take one failure."""
        self._note(lambda: self.failures.append(error))

    def unfinished(self) -> int:
        """No run of its events goes on."""
        return 0

    def degraded(self, why: str) -> None:
        """Note it."""
        self._note(lambda: self.notes.append(f"degraded: {why}"))

    def ended(self, why: str) -> None:
        """Note it."""
        self._note(lambda: self.notes.append(f"ended: {why}"))

    def restored(self) -> None:
        """Note it."""
        self._note(lambda: self.notes.append("restored"))

    def wait(self, condition: Callable[["Eventually"], bool], *, timeout_s: float = WAIT_S) -> None:
        """Wait until ``condition`` holds. Raises ``TimeoutError``."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_s):
                raise TimeoutError(f"{self.events} {self.failures} {self.notes}")

    def _note(self, change: Callable[[], None]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()
