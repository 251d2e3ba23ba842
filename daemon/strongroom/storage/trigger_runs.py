"""Runs of one subscription of a workflow (``runs``, by workflow and trigger index)."""

from sqlalchemy import Connection, func, literal_column, select

from strongroom.storage.schema import RUNS, UNFINISHED

__all__ = ["count_unfinished"]


def count_unfinished(conn: Connection, workflow_id: str, trigger_index: int) -> int:
    """How many runs of a trigger are pending, running or waiting."""
    query = (
        select(func.count())
        .select_from(RUNS)
        .where(
            RUNS.c.status.in_([literal_column(f"'{status}'") for status in UNFINISHED]),
            RUNS.c.workflow_id == workflow_id,
            RUNS.c.trigger_index == trigger_index,
        )
    )
    return int(conn.execute(query).scalar_one())
