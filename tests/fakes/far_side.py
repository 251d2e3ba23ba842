"""The far side of launcher ``external`` as a process of its own, and what it prints."""

import re
import socket
import subprocess
import sys
import threading

from strongroom_confidential_workflows.launchers.address import Address
from strongroom_confidential_workflows.launchers.external import ExternalStarter


class FarSide:
    """Listens at ``address`` with the configuration of ``rig``; ``lines`` is what it said so far."""

    def __init__(self, rig, folder, address, *, launcher="process", runners_max=2):
        self.address = address
        self.file = folder / "enclave.toml"
        self.file.write_text(
            f'enclave_config_file = "{rig.config_file}"\nlauncher = "{launcher}"\nrunners_max = {runners_max}\n'
            "[evidence]\n" + "".join(f"{key} = {value!r}\n" for key, value in rig.evidence.items())
        )
        self.lines = []
        self._said = threading.Condition()
        command = [sys.executable, "-I", "-m", "strongroom_confidential_workflows.enclave"]
        self.process = subprocess.Popen(
            [*command, "--listen", address, "--config", str(self.file)], stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self):
        """A connection, and with it a runner."""
        return ExternalStarter(Address.parse(self.address)).start()

    def said(self, pattern, *, count=1):
        """The first group of each line that says this, once there are ``count`` of them."""
        with self._said:
            self._said.wait_for(lambda: len(self._found(pattern)) >= count or self.lines[-1:] == [None], 30)
            found = self._found(pattern)
        assert len(found) >= count, f"it did not say {pattern!r} {count} times: {self.lines}"
        return found

    def stop(self):
        """End it and wait until it has."""
        self.process.terminate()
        return self.wait()

    def wait(self):
        """Its exit code."""
        code = self.process.wait(30)
        self._reader.join(30)
        self.process.stderr.close()
        return code

    def _found(self, pattern):
        hits = [re.search(pattern, line) for line in self.lines if line is not None]
        return [hit[hit.lastindex or 0] for hit in hits if hit]

    def _read(self):
        for line in self.process.stderr:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self.lines.append(None)
            self._said.notify_all()


def free_port():
    """A port of this machine that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
