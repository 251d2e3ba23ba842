"""A real ``vault serve`` in a process of its own on the loopback, with a home for tests and a CA for its hosts."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from strongroom_vault.commands import init_home
from tests.fakes.host_certificates import HostAuthority

PROGRAM = (sys.executable, "-m", "strongroom.cli", "vault", "serve")
SIMULATED = "--insecure-accept-simulated-tee"
END_S = 30


class VaultService:
    """``options`` follow ``--config``; ``hosts`` are listed fingerprints, ``owners`` keys by owner. ``log`` grows with
    what it says."""

    def __init__(self, directory: Path, *, options=(SIMULATED,), hosts=None, is_test=True, owners=None):
        self.directory = directory
        self.options = options
        self.hosts = hosts
        self.owners = owners or {}
        self.home = directory / "home"
        init_home(self.home, is_test=is_test)
        self.authority = HostAuthority(directory)
        self.own = self.authority.issue("vault.test")
        self.host = self.authority.issue("host")
        self.address = "127.0.0.1:0"
        self.ready = {}
        self.log = []
        self.process = None

    @property
    def config(self):
        listed = "" if self.hosts is None else f"hosts = {json.dumps(self.hosts)}\n"
        owners = ", ".join(f'"{owner}" = "{key}"' for owner, key in self.owners.items())
        path = self.directory / "vault.toml"
        path.write_text(
            f'listen = "{self.address}"\nkey_file = "home/vault.key"\nowners = {{{owners}}}\n[tls]\n'
            f'certificate_file = "{self.own.certificate}"\nkey_file = "{self.own.key}"\n'
            f'client_ca_file = "{self.authority.path}"\n{listed}'
        )
        return path

    def start(self):
        """Start and wait until it is ready. A second start has the same port."""
        self.process = subprocess.Popen(
            [*PROGRAM, "--config", str(self.config), "--json", *self.options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env={name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")},
        )
        self._reader = threading.Thread(target=self.log.extend, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("}"):
                self.ready = json.loads("".join(lines))
                self.address = self.ready["address"]
                return self
        raise AssertionError(f"it ended with {self.end()}: {self.said}")

    def end(self, number=signal.SIGTERM):
        """Stop it as a service manager does. Returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(END_S)
        self._reader.join(END_S)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    @property
    def said(self):
        return "".join(self.log)

    def section(self, host=None):
        """The section ``remote`` of a host's plugin."""
        host = host or self.host
        files = {"ca_file": self.authority.path, "certificate_file": host.certificate, "key_file": host.key}
        return {"address": self.address, **{name: str(path) for name, path in files.items()}}
