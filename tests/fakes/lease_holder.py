"""A process that takes the lease of a project and holds it until it is killed or its input ends."""

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from pathlib import Path
from strongroom.errors import StrongroomError
from strongroom.workspace.mount.lease import Lease
from strongroom.workspace.mount.project_state import provision
try:
    lease = Lease(provision(Path(sys.argv[1])))
except StrongroomError as error:
    print(error.code, error.details.get("pid"), flush=True)
    sys.exit(1)
print("held", flush=True)
sys.stdin.read()
"""


class LeaseHolder:
    """``said`` is ``held``, or the code and the pid of a refusal."""

    def __init__(self, project: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(project)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.said = self.process.stdout.readline().strip()

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self._end()

    def leave(self) -> None:
        """As a process ends."""
        self.process.stdin.close()
        self._end()

    def _end(self) -> None:
        self.process.wait(20)
        self.process.stdout.close()
        if not self.process.stdin.closed:
            self.process.stdin.close()
