"""A service manager for units below a root: what systemd does with them, as far as a host can tell, and no root needed.

It reads units and drop-ins as they are installed, makes their directories and credentials, opens their sockets, starts
what ``ExecStart`` names, and waits until that says that it is ready. It encrypts nothing: what ``systemd-creds`` made
is a copy. It protects nothing either; the directives for that are systemd's business.
"""

import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections import defaultdict

from tests.fakes.service_manager import ServiceManager

__all__ = ["UnitManager"]

WAIT_S = 60
DIRECTORIES = {
    "StateDirectory": "var/lib",
    "CacheDirectory": "var/cache",
    "LogsDirectory": "var/log",
    "RuntimeDirectory": "run",
    "ConfigurationDirectory": "etc",
}
FIRST_FD = 3
# Gives the socket the number that it has under a manager, and says whose it is.
ACTIVATED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True);"
    "os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"
)


class UnitManager:
    """Starts units of ``root``. ``more`` are variables that stand for what only a real root has."""

    def __init__(self, root, **more):
        self.root = root
        self.more = more
        self.units = {}
        self.sockets = {}
        self.managers = {}
        self.logs = {}

    def systemctl(self, verb, *words):
        """Do as ``systemctl`` does with the verbs that the documentation uses."""
        names = [word for word in words if not word.startswith("--")]
        starts = verb in {"start", "restart"} or (verb == "enable" and "--now" in words)
        if verb in {"stop", "restart"} or (verb == "disable" and "--now" in words):
            for name in names:
                self.stop(name)
        if starts:
            for name in names:
                self.start(name)
        if verb == "reload":
            for name in names:
                self.units[name].send_signal(signal.SIGHUP)
                self.managers[name].until("READY=1")
        if verb not in {"start", "restart", "stop", "enable", "disable", "reload", "daemon-reload"}:
            raise AssertionError(f"systemctl {verb}")

    def read(self, name):
        """The directives of a unit with its drop-ins: each name with all of its values, in order."""
        found = defaultdict(list)
        drop_ins = sorted((self.root / "etc/systemd/system" / f"{name}.d").glob("*.conf"))
        for path in (self.root / "usr/lib/systemd/system" / name, *drop_ins):
            for line in path.read_text().splitlines():
                key, is_one, value = line.partition("=")
                if is_one and line[0] not in "#;[":
                    found[key].append(value)
        return found

    def start(self, name):
        """Start it, and wait until it is ready."""
        unit = self.read(name)
        if name.endswith(".socket"):
            self._listen(name, unit)
            return
        for wanted in unit["Wants"] + unit["Requires"]:
            if wanted not in self.sockets:
                self.start(wanted)
        process = self.begin(name)
        try:
            self.managers[name].until("READY=1", WAIT_S)
        except Exception:
            process.kill()
            raise AssertionError(f"{name} did not become ready:\n{self.log(name)}") from None

    def begin(self, name):
        """Start it. Who wants to know whether it is ready hears that from ``managers[name]``."""
        unit = self.read(name)
        stem = name.removesuffix(".service")
        manager = self.managers[name] = ServiceManager(
            str(self._made(f"run/notify-{stem}", 0o700) / f"n{len(self.logs)}")
        )
        variables = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **self.more, "NOTIFY_SOCKET": manager.address}
        for directive, base in DIRECTORIES.items():
            for value in unit[directive]:
                mode = int((unit[f"{directive}Mode"] or ["0755"])[-1], 8)
                variables[_variable(directive)] = str(self._made(f"{base}/{value}", mode))
        if (seconds := unit["WatchdogSec"]) and seconds[-1].endswith("s"):
            variables["WATCHDOG_USEC"] = str(int(seconds[-1][:-1]) * 1_000_000)
        if credentials := unit["LoadCredential"] + unit["LoadCredentialEncrypted"]:
            variables["CREDENTIALS_DIRECTORY"] = str(self._credentials(name, credentials))
        command = [
            str(self.root / unit["ExecStart"][-1].split()[0].lstrip("/")),
            *shlex.split(unit["ExecStart"][-1])[1:],
        ]
        passed = ()
        if listening := self.sockets.get(f"{stem}.socket"):
            passed = (listening.fileno(),)
            variables["LISTEN_FDS"] = "1"
            command = [sys.executable, "-c", ACTIVATED, str(passed[0]), *command]
        self.logs.setdefault(name, self.root / "run" / f"{name}.log")
        with self.logs[name].open("ab") as log:
            self.units[name] = subprocess.Popen(
                command,
                env=variables,
                cwd="/",
                umask=0o077,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=passed,
                start_new_session=True,
            )
        return self.units[name]

    def stop(self, name):
        """Stop it as a service manager does. Its exit code."""
        if name in self.sockets:
            self.sockets.pop(name).close()
        process = self.units.pop(name, None)
        if process is None:
            return None
        process.send_signal(signal.SIGTERM)
        code = process.wait(WAIT_S)
        self.managers[name].close()
        if (run := self.root / "run" / name.removesuffix(".service")).is_dir():
            shutil.rmtree(run)
        return code

    def log(self, name):
        """What it wrote so far."""
        return self.logs[name].read_text() if name in self.logs else ""

    def close(self):
        """End everything."""
        for process in self.units.values():
            process.kill()
            process.wait(WAIT_S)
        for each in self.sockets.values():
            each.close()

    def _listen(self, name, unit):
        place = self.root / unit["ListenSequentialPacket"][-1].lstrip("/")
        self._made(str(place.parent.relative_to(self.root)), int(unit["DirectoryMode"][-1], 8))
        place.unlink(missing_ok=True)
        listening = self.sockets[name] = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(str(place))
        place.chmod(int(unit["SocketMode"][-1], 8))
        listening.listen(int(unit["Backlog"][-1]))
        # Nothing is connected yet; systemd would wait for the first that is.
        self.start(name.replace(".socket", ".service"))

    def _credentials(self, name, lines):
        directory = self.root / "run/credentials" / name
        shutil.rmtree(directory, ignore_errors=True)
        self._made(f"run/credentials/{name}", 0o700)
        for line in lines:
            credential, _, source = line.partition(":")
            path = directory / credential
            path.write_bytes((self.root / source.lstrip("/")).read_bytes())
            path.chmod(0o400)
        return directory

    def _made(self, name, mode):
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        return path


def _variable(directive):
    """``StateDirectory`` as ``STATE_DIRECTORY``."""
    return f"{directive.removesuffix('Directory').upper()}_DIRECTORY"
