"""A software TPM in a process of its own, whose state can be set back as a thief would: by another copy of its files.

Commands that only tests give (shut down, extend a register, store a certificate) are built by hand.
"""

import contextlib
import hashlib
import shutil
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from strongroom.tpm.wire import PASSWORD
from strongroom_confidential_workflows.providers.tpm_wire import open_tpm

PROGRAM = shutil.which("swtpm")
needs_swtpm = pytest.mark.skipif(PROGRAM is None, reason="swtpm is not installed: apt-get install -y swtpm")
PCR_EXTEND = 0x182
SHUTDOWN = 0x145
NV_DEFINE_SPACE = 0x12A
NV_WRITE = 0x137
NV_PART = 512
OWNER = bytes.fromhex("40000001")
STORED = 0x02060006
"""Owner and authorised read and write, no dictionary-attack lockout."""
CLEAR = struct.pack(">H", 0)


class SoftwareTpm:
    """One TPM. ``path`` is where it takes connections, one after the other."""

    def __init__(self, folder):
        self.state = folder / "state"
        self.state.mkdir()
        self.path = folder / "t"
        self._process = None

    def start(self):
        """Switch it on. The socket is there before the process, so that nobody has to wait for it."""
        self.path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.path))
            listening.listen(4)
            command = [
                *(PROGRAM, "socket", "--tpm2", "--tpmstate", f"dir={self.state}"),
                *("--server", f"type=unixio,fd={listening.fileno()}"),
                *("--flags", "not-need-init,startup-clear"),
            ]
            self._process = subprocess.Popen(command, pass_fds=[listening.fileno()], stderr=subprocess.DEVNULL)
        return self

    def stop(self):
        """Switch it off as an operating system would, so that its clock counts as safe afterwards."""
        if self._process is None:
            return
        try:
            with self.wire() as wire:
                wire.run(SHUTDOWN, parameters=CLEAR)
        finally:
            self.kill()

    def kill(self):
        """Pull the plug."""
        self._process.kill()
        self._process.wait()
        self._process = None

    def restart(self):
        """A reset."""
        self.stop()
        self.start()

    def saved(self, name):
        """Switch off, keep a copy of the state, and switch on again."""
        self.stop()
        copy = Path(shutil.copytree(self.state, self.state.with_name(name)))
        self.start()
        return copy

    def set_back(self, copy):
        """Switch off, put an older state in place, and switch on again."""
        self.stop()
        shutil.rmtree(self.state)
        shutil.copytree(copy, self.state)
        self.start()

    @contextlib.contextmanager
    def wire(self):
        """A connection of its own."""
        wire = open_tpm(self.path, kind="tpm2")
        try:
            yield wire
        finally:
            wire.close()


def extend(wire, register, event):
    """Extend a register by the digest of ``event``."""
    digest = struct.pack(">IH", 1, 0x000B) + hashlib.sha256(event).digest()
    wire.run(PCR_EXTEND, struct.pack(">I", register), auth=(PASSWORD,), parameters=digest)


def store(wire, index, content):
    """Write ``content`` to an index of its own, as a maker does with a certificate."""
    public = struct.pack(">IHIHH", index, 0x000B, STORED, 0, len(content))
    sized = struct.pack(">HH", 0, len(public)) + public
    wire.run(NV_DEFINE_SPACE, OWNER, auth=(PASSWORD,), parameters=sized)
    handle = struct.pack(">I", index)
    for offset in range(0, len(content), NV_PART):
        part = content[offset : offset + NV_PART]
        parameters = struct.pack(">H", len(part)) + part + struct.pack(">H", offset)
        wire.run(NV_WRITE, handle, handle, auth=(PASSWORD,), parameters=parameters)


def spoken(*answers):
    """A connection on which a TPM says these, whatever it is asked, and then nothing more.

    Each is read by itself, as from a device. Returned is a descriptor for the wire, and the TPM's end of it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for each in answers:
        theirs.send(each)
    theirs.shutdown(socket.SHUT_WR)
    return ours.detach(), theirs


def answer(parameters=b"", *, response=0, tag=0x8001, size=None):
    """The bytes of an answer."""
    return struct.pack(">HII", tag, 10 + len(parameters) if size is None else size, response) + parameters
