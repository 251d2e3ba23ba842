"""The enclave runner's process: ``python -I -m strongroom_confidential_workflows.enclave FD``.

Everything is imported above the sandbox, because nothing can be opened below it. FD is the number of the inherited
socket. The process is configured, seals itself, executes one workflow and ends.
"""

import os
import socket
import sys

from strongroom.guest import sandbox
from strongroom.guest.frames import Frames
from strongroom.guest.runner.guest_run import run_guest
from strongroom_confidential_workflows.enclave.execution import execute
from strongroom_confidential_workflows.enclave.link import Link
from strongroom_confidential_workflows.enclave.setup import open_setup
from strongroom_confidential_workflows.limits import FRAME_BYTES_MAX
from strongroom_confidential_workflows.messages import Ready


def main() -> None:
    """Open what needs opening, seal this process, say so, execute once, send the outcome, end."""
    link = Link(Frames(socket.socket(fileno=int(sys.argv[1])), frame_bytes_max=FRAME_BYTES_MAX))
    setup = open_setup(link.configure())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for standard in (1, 2):
        # Imports are done. From here on this process will know what it must not print.
        os.dup2(nowhere, standard)
    report = sandbox.apply(needs=setup.provider.needs)
    link.send(
        Ready(
            pid=os.getpid(),
            protections=report.protections,
            missing=report.missing,
            evidence_kind=setup.provider.kind,
            measurement=setup.measurement,
        )
    )
    link.open()
    start, binary = link.wait_for_start()
    link.send(execute(start, binary, link, setup, run_guest))
    os._exit(0)


if __name__ == "__main__":
    main()
