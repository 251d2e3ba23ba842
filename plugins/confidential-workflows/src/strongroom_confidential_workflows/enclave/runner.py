"""An enclave runner's process, from its start to its end.

Rule 1: everything is imported at the top of this file and of what it imports, or by ``open_setup``, which loads the
provider of the configured kind and opens everything that is needed; what a library loads when it is first used has
been used once. Below ``sandbox.apply`` nothing can be opened, and so nothing imported.
Rule 2: it is configured once: by the first message of its link or, where somebody stands there who may not, from
memory that it inherited; a message that configures it breaks the link then.
"""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Final

from strongroom.attest.evidence import malformed
from strongroom.crypto.first_use import use_once
from strongroom.guest import sandbox
from strongroom.guest.frames import Frames
from strongroom.guest.runner.guest_run import OneGuest
from strongroom.plugin import StrongroomError
from strongroom_confidential_workflows.enclave.execution import execute
from strongroom_confidential_workflows.enclave.link import Link
from strongroom_confidential_workflows.enclave.setup import open_setup
from strongroom_confidential_workflows.limits import FRAME_BYTES_MAX
from strongroom_confidential_workflows.messages import Configure, Ready, decode_to_enclave

__all__ = ["EXIT_NOT_SET_UP", "main"]

EXIT_NOT_SET_UP: Final = 78
"""The exit code of a process with a wrong configuration, as in sysexits.h."""


def main(descriptors: Sequence[str]) -> None:
    """Open what needs opening, seal this process, say so, execute once, send the outcome, end.

    ``descriptors`` are the numbers of the link's socket and, for a runner that its link does not configure, of memory
    with its configuration.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to whoever started it, who ends it in order
    link = Link(Frames(socket.socket(fileno=int(descriptors[0])), frame_bytes_max=FRAME_BYTES_MAX))
    try:
        setup = open_setup(_inherited(int(descriptors[1])) if len(descriptors) > 1 else link.configure())
    except StrongroomError as error:
        sys.stderr.write(f"{error.code} {error.with_fix()}\n")
        sys.exit(EXIT_NOT_SET_UP)
    use_once()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for standard in (1, 2):
        # From here on this process will know what it must not print.
        os.dup2(nowhere, standard)
    os.close(nowhere)
    report = sandbox.apply(needs=setup.provider.needs, own_user=True)
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
    link.send(execute(start, binary, link, setup, OneGuest()))
    os._exit(0)


def _inherited(descriptor: int) -> Configure:
    """The configuration in memory that the process above has written. Raises ``EvidenceRejected`` when it is none."""
    with os.fdopen(descriptor, "rb") as memory:
        memory.seek(0)
        message = decode_to_enclave(memory.read(FRAME_BYTES_MAX + 1))
    if not isinstance(message, Configure):
        raise malformed("configuration", got="another message", wanted="configure")
    return message
