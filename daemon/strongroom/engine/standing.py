"""The workflow of a past run, when it is still what it was: its guest and where it runs."""

from strongroom.engine.host import EngineHost
from strongroom.engine.specs import Spec
from strongroom.errors import NotFound, Refused
from strongroom.storage.runs import RunRow

__all__ = ["standing_workflow"]


def standing_workflow(host: EngineHost, header: RunRow) -> Spec:
    """The record under which the run was accepted. Raises ``NotFound`` or ``Refused`` when it is gone or another one.

    The workflow id covers the binary and the config, but not the attributes, which say where it runs.
    """
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
