"""What modules and plugins see of a host: its capabilities by id, and registered binaries."""

from strongroom.engine.host import EngineHost
from strongroom.errors import StrongroomError
from strongroom.registry.handles import CapabilityExecutable
from strongroom.registry.registry import Registry

__all__ = ["Artifacts", "Capabilities"]


class Capabilities:
    """The registry as modules and the engine see it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def get_executable(self, capability_id: str) -> CapabilityExecutable:
        """The capability, or the nearest compatible one."""
        return self._registry.get_executable(capability_id)

    def dialect(self, capability_id: str) -> str | None:
        """What the operator said of the capability's plugin."""
        return self._registry.get(capability_id).dialect

    def at_most_once(self, capability_id: str) -> bool:
        """What the operator said of calls whose answer may have been lost."""
        try:
            return self._registry.get(capability_id).at_most_once
        except StrongroomError:
            # A capability that is not here is not called at all.
            return False

    def offers_trigger(self, capability_id: str) -> bool:
        """Whether a trigger of that id is here."""
        try:
            return self._registry.get_trigger(capability_id) is not None
        except StrongroomError:
            return False


class Artifacts:
    """Registered binaries, for plugins. The engine is made after the plugins, so it is asked for late."""

    def __init__(self) -> None:
        self.host: EngineHost | None = None

    def fetch(self, sha256_hex: str) -> bytes:
        """Exactly the stored bytes."""
        if self.host is None:
            raise RuntimeError("a plugin asked for a binary before the engine was there")
        return self.host.artifact(sha256_hex)
