"""What stands in the way or under the feet of a new run: the run that has its place, and the workflow of a past one."""

from strongroom.engine.external import check_executed_here
from strongroom.engine.host import EngineHost
from strongroom.engine.specs import Spec
from strongroom.errors import Conflict, NotFound, Refused
from strongroom.storage.runs import RunRow

__all__ = ["standing_workflow", "taken"]


def standing_workflow(host: EngineHost, header: RunRow) -> Spec:
    """The record under which the run was accepted. Raises ``NotFound`` or ``Refused`` when it is gone or another one.

    The workflow id covers the binary and the config, but not the attributes, which say where it runs.
    """
    check_executed_here(header, "be executed again")
    spec = host.specs.get(header.workflow_id)
    if spec is None:
        raise NotFound(
            "SR-RUN-044",
            f"the workflow of run {header.run_id} was deleted",
            why="its binary is gone with it",
            fix="register the same file with the same name and config again",
            workflow_id=header.workflow_id,
        )
    place = host.selection.module_of(spec, header.trigger_index)
    if (place, spec.row.binary_sha256) != (header.module, header.binary_sha256):
        raise Refused(
            "SR-RUN-045",
            f"the workflow of run {header.run_id} is registered otherwise now",
            why="its binary, or where it runs, is not what it was",
            fix="start a new run",
            workflow_id=header.workflow_id,
        )
    return spec


def taken(found: RunRow | None, run_id: str) -> Conflict:
    """The refusal of a run that would have had ``run_id``, where ``found`` stands, which was started otherwise."""
    what = f"run id {run_id} is taken by a run of another workflow, trigger, event or payload"
    fix = "use a new run id for a new run"
    if found is not None and found.run_id != run_id:
        run_id = found.run_id
        what = f"event {found.event_id} of trigger {found.trigger_index} is taken by run {run_id}, of another payload"
        fix = f"use a new event id for a new run; strongroom run get {run_id} shows the one that stands"
    return Conflict("SR-RUN-014", what, fix=fix, run_id=run_id)
