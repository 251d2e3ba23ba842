"""A process that keeps both views of a workspace current while it writes, until it is killed."""

import sys
from pathlib import Path

from strongroom.workspace.document import Document
from strongroom.workspace.materialize.views import ViewKind, Views
from strongroom.workspace.workspace import Workspace
from tests.fakes.workspace_rig import FUJI, Clock, Note


def main(folder: Path) -> None:
    """Write for ever; each line on stdout says that another round was shown."""
    workspace = Workspace.create(FUJI, document=Document(FUJI.id), owner_id="alice", now_ms=Clock())
    views = Views.open(
        workspace, kinds=list(ViewKind), state_dir=folder, name="notes", sealed_log=folder / "log" / "notes.log"
    )
    notes = workspace.tables["notes"]
    number = 0
    while True:
        number += 1
        notes.bulk_set([Note(id=f"n{n}", title=f"round {number}", body="x" * 2000) for n in range(40)])
        notes.bulk_delete([f"n{number % 40}", f"n{(number + 7) % 40}"])
        if number % 3 == 0:
            views.flush()
        print(number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
