"""A host as far as its backups go: database, keyring, runs of every kind, audit log; no plugins, API or process."""

import itertools
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

from strongroom.app.auditing import AuditParts
from strongroom.audit.host_name import host_name
from strongroom.backup.sources import Sources
from strongroom.engine.backup_desk import BackupDesk
from strongroom.engine.backup_restore import Target, restore
from strongroom.keyring.root import parse_secrets
from strongroom.settings.model import Settings
from strongroom.storage.database import Database
from tests.fakes.key_rig import text_of
from tests.fakes.rotated_runs import RunRig

WRITERS = 4
HURRIED_RUNS = 100
PAUSE_S = 0.25
"""Between two runs of a writer that does not hurry."""


class BackupRig(RunRig):
    """A start of the host of ``state_dir``. ``versions`` are written into its keyring file first."""

    def __init__(self, state_dir: Path, *versions, url=""):
        state_dir.mkdir(mode=0o700, exist_ok=True)
        self.state_dir = state_dir
        self.settings = Settings(
            state_dir=state_dir, keyring_file=state_dir / "keyring", database_url=url, audit={"reserve_bytes": 0}
        )
        super().__init__(Database.open(self.settings.database), state_dir, *versions)
        self.audit = AuditParts(self.settings, self.root, self.keys, self.database, self.life.deployment_id, "dev")
        self.audit.start()
        self.sources_of_workspaces, self.known = [], []

    @property
    def sources(self):
        """What a backup of this host is made of."""
        return Sources(
            database=self.settings.database,
            root=self.root,
            state_dir=self.state_dir,
            work_dir=self.state_dir / "backups",
            audit=self.audit.log.snapshot,
            audit_host=host_name("", self.database.backend, self.life.deployment_id, self.audit.log.writer.place.path),
            workspaces=lambda: self.sources_of_workspaces,
            known=lambda: self.known,
        )

    def back_up(self, path: Path):
        """Take a backup; its manifest."""
        desk = BackupDesk(self.sources, self.database)
        made = desk.make(lambda *_: None)
        try:
            path.write_bytes(b"".join(made.pieces()))
            assert desk.confirm(made.backup_id)
            return made.made.manifest
        finally:
            made.close()

    def stop(self):
        """End, as a host that is told to stop."""
        self.audit.stop()
        self.database.close()

    @contextmanager
    def load(self):
        """Begin and end runs with several threads for as long as the block lasts."""
        load = Load(self)
        try:
            yield load
        finally:
            load.end()


class Load:
    """Threads that write runs, unless they are to rest. ``accepted`` are the ids of those whose end was acknowledged,
    in that order."""

    def __init__(self, rig):
        self._rig = rig
        self._stop = threading.Event()
        self._more = threading.Condition()
        self._rests = False
        self._hurries_until = 0
        self._numbers = itertools.count(1_000)
        self.accepted = []
        self._threads = [threading.Thread(target=self._work) for _ in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, runs):
        """Return once so many were accepted; more are written until they are to rest, some at once, others slowly.

        A backup takes longer the more there is, so a load that never slows down would outgrow it.
        """
        with self._more:
            self._rests = False
            self._hurries_until = max(runs, len(self.accepted)) + HURRIED_RUNS
            self._more.notify_all()
            assert self._more.wait_for(lambda: len(self.accepted) >= runs, 60)

    def rest(self):
        """Begin no run until some are waited for again."""
        with self._more:
            self._rests = True

    def end(self):
        """No more."""
        with self._more:
            self._stop.set()
            self._more.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self):
        while not self._stop.is_set():
            with self._more:
                if self._rests:
                    self._more.wait()
                    continue
                number = next(self._numbers)
            run_id = self._rig.plain(number).run_id
            with self._more:
                self.accepted.append(run_id)
                self._more.notify_all()
                has_time = len(self.accepted) >= self._hurries_until
            if has_time:
                self._stop.wait(PAUSE_S)


def restored(path: Path, state_dir: Path, *versions, url="", told=lambda *_: None, **changes):
    """Restore the backup at ``path`` into ``state_dir``, with a keyring of these versions."""
    target = {
        "state_dir": state_dir,
        "database": url or state_dir / "strongroom.db",
        "audit_file": state_dir / "audit.jsonl",
        "workspaces_dir": state_dir / "restored-workspaces",
        **changes,
    }
    return restore(path, parse_secrets(text_of(*versions)), Target(**target), told)


def started(state_dir: Path, *versions, url=""):
    """A start of a host that was restored."""
    return BackupRig(state_dir, *versions, url=url)


def gone(directory: Path):
    """The machine is lost."""
    shutil.rmtree(directory)
