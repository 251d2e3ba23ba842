"""Storing a run with the first events of its journal, and the hooks that come along from the run that it repeats."""

from collections.abc import Sequence

from strongroom.errors import Conflict, WrongState
from strongroom.storage import hooks, seen_events, specs
from strongroom.storage import runs as rows
from strongroom.storage.database import Connection
from strongroom.storage.hooks import HookRow
from strongroom.storage.runs import EventRow, RunRow

__all__ = ["store_begun"]


def store_begun(
    connection: Connection,
    header: RunRow,
    events: Sequence[EventRow],
    made: Sequence[HookRow],
    *,
    spec_mac: bytes | None,
    once: bool,
) -> None:
    """Insert all of it; no record of a workflow is asked for where ``spec_mac`` is nothing.

    Raises ``WrongState`` when the record of the workflow has not ``spec_mac`` any more, or a token is taken;
    ``Conflict`` when the run exists, or, with ``once``, when its event was handled by a run that is gone.
    """
    # In one transaction with the insert: a workflow that is deleted or paused meanwhile gets no more runs.
    if spec_mac is not None and specs.get_mac(connection, header.workflow_id) != spec_mac:
        raise WrongState(
            "SR-RUN-021",
            f"workflow {header.workflow_id} was changed while this run was being accepted",
            fix="start the run again if it is still wanted",
            workflow_id=header.workflow_id,
        )
    key = header.workflow_id, header.trigger_index, header.event_id
    if once and seen_events.run_of(connection, *key) is not None:
        raise Conflict("SR-RUN-027", f"event {header.event_id} was handled already", run_id=header.run_id)
    rows.insert(connection, header)
    for event in events:
        rows.append(connection, event)
    for hook in made:
        hooks.insert(connection, hook)
