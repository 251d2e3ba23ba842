"""The World contract over the journals of this host. Source: contracts, "run-encryption" 10.

Programs that execute their own runs append events here, and read runs, steps and hooks as views of them. This host
seals, orders and refuses, and executes nothing of them.
"""

from collections.abc import Callable

from strongroom.engine.history import History
from strongroom.engine.host import EngineHost
from strongroom.engine.journal import now_ms
from strongroom.engine.world.drafts import SPEC_VERSION, Draft
from strongroom.engine.world.entities import WorldHooks, WorldSteps, WorldWaits
from strongroom.engine.world.event_reader import EventReader
from strongroom.engine.world.events import WorldEvents
from strongroom.engine.world.faults import EntityConflictError
from strongroom.engine.world.ledger import Ledger
from strongroom.engine.world.rules import EventType
from strongroom.engine.world.runs import WorldRuns
from strongroom.engine.world.streams import WorldStreams
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage.runs import RunRow

__all__ = ["World"]


class World:
    """Everything that the contract has a store for. ``clock_ms`` is Unix time."""

    spec_version = SPEC_VERSION

    def __init__(self, host: EngineHost, history: History, *, clock_ms: Callable[[], int] = now_ms) -> None:
        ledger = Ledger(host.journals, host.hooks)
        self._ledger = ledger
        self.events = WorldEvents(host, ledger, clock_ms)
        self.reader = EventReader(ledger)
        self.runs = WorldRuns(ledger, history, self.events)
        self.steps = WorldSteps(ledger)
        self.hooks = WorldHooks(ledger)
        self.waits = WorldWaits(ledger)
        self.streams = WorldStreams(ledger, host.stream_store, host.stream_reader)

    def cancel(self, header: RunRow, reason: str) -> RunRow:
        """End the run of others of ``header``; one that has ended is left as it is. What executes it hears of that with
        its next event."""
        draft = Draft(EventType.RUN_CANCELLED.value, "", EventData(cancel_reason=reason))
        try:
            return self.events.create(header.run_id, draft, owner="").header
        except EntityConflictError:
            return self._ledger.header(header.run_id)
