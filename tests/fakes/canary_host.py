"""A whole host with a secret that is nowhere else: what its processes hold, write and send is searched for it."""

import resource
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import yaml

from tests.fakes.canary import Canary
from tests.fakes.gate import GATE, Gate
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.process_memory import memory_of, open_files_of, words_of
from tests.fakes.process_tree import descendants, started, told_of
from tests.fakes.recording_relay import RecordingRelay
from tests.fakes.vault_service import SIMULATED, VaultService

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "tests" / "fakes" / "recorded_plugin.py"
ATTRIBUTES = '{"confidential": true, "vault_don_secrets": [{"key": "CANARY"}], "retry": {"attempts_max": 1}}'
RUN_S = 60
RUNNER, VAULT, DAEMON = "enclave runner", "vault", "daemon"
PROGRAMS = (
    (b"strongroom_confidential_workflows.enclave", RUNNER),
    (b"strongroom.guest.runner", "local runner"),
    (b"strongroom_confidential_workflows", "plugin confidential-workflows"),
    (b"strongroom_vault", VAULT),
    (b"strongroom_http_actions", "plugin http-actions"),
    (b"tests.fakes.gate", "plugin gate"),
)


@contextmanager
def cores_allowed():
    """What is started meanwhile may leave a core file, unless it sees to that itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@dataclass
class Seen:
    """What was found in one process. ``is_sound`` tells that a search there finds what is known to be there."""

    name: str
    pid: int
    secret: list = field(default_factory=list)
    has_marker: bool = False
    is_sound: bool = False


class CanaryHost:
    """``state`` is the host's, ``work`` has what is beside it. ``marker`` is no secret, and found all over.

    With ``separate`` the vault is a service of its own. Every byte on the API's sockets and on those of plugins is on
    record in ``records``.
    """

    def __init__(self, state, work, *, separate):
        self.canary, self.marker = Canary.new(), Canary.new()
        self.state, self.work, self.records = state, work, state.with_name(f"{state.name}-records")
        self.places = (state, work)
        for directory in (self.records, work / "tmp", work / "vault"):
            directory.mkdir()
        self.service = VaultService(work / "vault") if separate else None
        self.gate = Gate(work / "gate")
        self.daemon = LiveDaemon(
            state,
            ("--socket", str(state / "api"), "--plugins-file", str(work / "plugins.yaml"), "--log-level", "debug"),
            {"TMPDIR": str(work / "tmp")},
            is_installed=True,
        )
        self.relay = RecordingRelay(self.daemon.socket, state / "api", self.records)
        self.admin_relay = RecordingRelay(self.daemon.admin_socket, state / "api-admin", self.records)
        self._answers = []
        self._waiting = None

    def start(self, binary):
        """Start everything, seal the secret, register the guest, grant it the secret."""
        with cores_allowed():
            if self.service:
                self.service.start()
            (self.work / "plugins.yaml").write_text(yaml.safe_dump(self._manifest()))
            self.daemon.start()
        key = ("--vault-key", str(self.service.home / "vault.pub")) if self.service else ()
        self.done("secret", "set", "CANARY", *key, "--min-assurance", "none", stdin=self.canary.plain)
        self.register(binary, self.marker.text)
        if self.service:
            owner_key = ("--owner-key", str(self.service.home / "development-owner.key"))
            words = (*owner_key, *key, "--binary", str(binary), "--config", self.marker.text, "--yes")
            self.done("vault", "manifest", "grant", self.marker.text, *words)
        return self

    def register(self, binary, name):
        """Register a guest that asks for the secret."""
        words = ("--name", name, "--attributes", ATTRIBUTES, "--config", self.marker.text)
        self.done("workflow", "register", str(binary), *words)

    def _manifest(self):
        manifest = yaml.safe_load((ROOT / "plugins.yaml").read_text())
        entries = {entry["name"]: entry for entry in manifest["plugins"]}
        gate = {"name": "gate", "provides": [GATE], "config": {"path": str(self.gate.path)}}
        entries["gate"] = {**gate, "command": ["python", "-m", "tests.fakes.gate"]}
        for entry in entries.values():
            if "command" in entry:
                entry["command"] = ["python", str(RECORDED), str(self.records), *entry["command"][2:]]
        if self.service:
            entries["vault"]["config"] = {"remote": self.service.section()}
            confidential = entries["confidential-workflows"]["config"]
            confidential["evidence"]["authority_key_file"] = str(self.service.home / "development-ca.key")
            confidential["enclave_config_file"] = str(self.service.home / "enclave-config.cbor")
        else:
            # `dev` does this for a vault that it knows by its command.
            entries["vault"]["command"].append(SIMULATED)
        return {**manifest, "plugins": list(entries.values())}

    def done(self, *words, stdin=b""):
        """What a command said that must succeed."""
        answer = self.daemon(*words, stdin=stdin)
        assert answer.code == 0, answer.out + answer.err
        return answer

    def begin(self, name=""):
        """Start a run, and return when its guest, which has read the secret by then, waits in its call."""
        self.gate.shut()
        self._waiting = threading.Thread(target=self._execute, args=(name or self.marker.text,))
        self._waiting.start()
        assert self.gate.knocked(), self._answers

    def _execute(self, name):
        try:
            with self.daemon.channel() as api:
                self._answers.append(api.execute(name, timeout=RUN_S))
        except grpc.RpcError as error:
            self._answers.append(error)
        finally:
            self.gate.nobody_comes()

    def ended(self):
        """Let guests go on. The answer to the run, or the error of the call that waited for it."""
        self.gate.open()
        self._waiting.join(RUN_S)
        return self._answers.pop()

    def pids(self, name):
        """The processes that are called so, the oldest first."""
        return [pid for pid in sorted(descendants(self.daemon.process.pid), key=started) if called(pid) == name]

    def runner(self):
        """The enclave runner that executes; those that wait for the next execution are younger."""
        return self.pids(RUNNER)[0]

    def look(self):
        """Search the memory, open files, arguments and environment of every process, the daemon's first."""
        daemon = self.daemon.process.pid
        apart = [self.service.process.pid] if self.service else []
        looked_at = [self._looked_at(pid) for pid in (daemon, *descendants(daemon), *apart)]
        return [seen for seen in looked_at if seen]

    def _looked_at(self, pid):
        """None for a process that ends meanwhile; one that becomes another program is looked at again."""
        while command := told_of(pid, "cmdline"):
            seen = Seen(self._name_of(pid), pid)
            with suppress(FileNotFoundError, ProcessLookupError):
                self._search(seen, command)
            if told_of(pid, "cmdline") == command:
                return seen
        return None

    def _name_of(self, pid):
        name = DAEMON if pid == self.daemon.process.pid else called(pid)
        is_passing_on = name == VAULT and self.service and pid != self.service.process.pid
        return "plugin vault" if is_passing_on else name

    def _search(self, seen, command):
        for where, data in memory_of(seen.pid):
            seen.secret += [f"{seen.name} {seen.pid} {where}: {how}" for how in self.canary.found_in(data)]
            seen.has_marker |= self.marker.plain in data
            seen.is_sound |= command in data
        for held in (open_files_of, words_of):
            for where, data in held(seen.pid):
                seen.secret += [f"{seen.name} {seen.pid} {where}: {how}" for how in self.canary.found_in(data)]

    def end(self):
        """Stop everything."""
        self.gate.close()
        if self.daemon.process is not None and self.daemon.process.poll() is None:
            self.daemon.stop()
        self.relay.close()
        self.admin_relay.close()
        if self.service:
            self.service.end()

    @property
    def logs(self):
        """What daemon, plugins and vault have said."""
        return "".join(self.daemon.log) + (self.service.said if self.service else "")


def called(pid):
    """What kind of process of a host it is."""
    command = told_of(pid, "cmdline")
    return next((name for word, name in PROGRAMS if word in command), command.replace(b"\0", b" ").decode())
