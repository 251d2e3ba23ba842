"""The key-value store as a plugin: its section of ``plugins.yaml``."""

from dataclasses import dataclass, field
from typing import Final

from strongroom.plugin import Capability, Host, Repeats, hookimpl
from strongroom_kvstore.kvstore import KvStore
from strongroom_kvstore.limits import KvLimits
from strongroom_kvstore.scope import ScopeBy

__all__ = ["KvStorePlugin"]

REMEMBER_HOURS_MAX: Final = 8_760  # a year; a run that waits for longer acts again


@dataclass(slots=True, kw_only=True, eq=False)
class KvStorePlugin:
    """Limits are for each workflow.

    ``scope`` is ``workflow_id`` (each version of a workflow has values of its own) or ``workflow_name`` (they are
    shared by all of one owner's workflows of that name, so they survive an update). ``remember_hours`` is how long a
    step that is sent again finds its answer.
    """

    key_bytes_max: int = 64
    value_bytes_max: int = 2_000
    entries_max: int = 100
    total_bytes_max: int = 200_000
    scope: str = "workflow_id"
    remember_hours: int = 168
    _limits: KvLimits = field(init=False, repr=False)
    _by: ScopeBy = field(init=False, repr=False)
    _kvstore: KvStore | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._limits = KvLimits(
            key_bytes_max=self.key_bytes_max,
            value_bytes_max=self.value_bytes_max,
            entries_max=self.entries_max,
            total_bytes_max=self.total_bytes_max,
        )
        if self.scope not in {"workflow_id", "workflow_name"}:
            raise ValueError(f"scope must be workflow_id or workflow_name, it is {self.scope!r}")
        self._by = "workflow_id" if self.scope == "workflow_id" else "workflow_name"
        if not 1 <= self.remember_hours <= REMEMBER_HOURS_MAX:
            raise ValueError(f"remember_hours must be in 1..{REMEMBER_HOURS_MAX}, it is {self.remember_hours}")

    @hookimpl
    def start(self, host: Host) -> None:
        """Open the store of the host."""
        repeats = Repeats(host.store, hours=self.remember_hours)
        self._kvstore = KvStore(host.store, repeats, self._limits, self._by)

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer ``kvstore@1.0.0``."""
        if self._kvstore is None:
            return []
        description = "Small durable values of a workflow"
        return [Capability(id="kvstore@1.0.0", description=description, methods=self._kvstore.methods())]

    @hookimpl
    def stop(self) -> None:
        """Let go of the store."""
        self._kvstore = None
