"""Whole daemons with workspaces: one with a relay, others that sync through it, each with a project of its own."""

import json
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.live_daemon import LiveDaemon, strongroom
from tests.fakes.manifests import IN_PROCESS, shipped_with

WAIT_S = 30
SECRETS = "1:one-secret-of-two-hosts-that-is-long-enough"


def eventually(condition, what):
    """Wait for what other processes bring about, and return it."""
    deadline_s = time.monotonic() + WAIT_S
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline_s, f"{what()} did not come about" if callable(what) else what
        time.sleep(0.05)


def free_address():
    """An address of this machine that nobody listens on; a relay that is restarted needs the same one again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@dataclass
class WorkspaceHost(LiveDaemon):
    """A daemon and one project, which mounts ``notes``."""

    project: Path = field(default_factory=Path)

    def declare(self, relay="", more=""):
        """Write the project's file."""
        self.project.mkdir(exist_ok=True)
        text = f'[[mounts]]\nname = "notes"\n{more}\n' + (f'relay = "{relay}"\n' if relay else "")
        (self.project / "strongroom.toml").write_text(text)
        return self

    def workspace(self, *arguments, code=0, **more):
        """A command of ``strongroom workspace`` with ``--json``: its document, or its error where it must fail."""
        said = self("workspace", *arguments, "--json", **more)
        assert said.code == code, f"{arguments}: {said.code} {said.err or said.out}"
        return json.loads(said.out) if said.out else said.err

    def mount(self):
        return self.workspace("mount", str(self.project))["mounts"][0]

    def set(self, key, value, place="notes"):
        self.workspace("set", place, key, json.dumps(value))

    def values(self, place="notes"):
        """Entries that can be read, by key."""
        found = self.workspace("entries", place)["entries"]
        return {each["key"]: each["value"] for each in found if each["state"] == "present"}

    def listed(self):
        (mount,) = self.workspace("list")["mounts"]
        return mount

    def becomes(self, sync):
        """The mount, once it says that it is ``sync``."""
        return eventually(lambda: (m := self.listed())["sync"] == sync and m, lambda: f"{sync}: {self.listed()}")

    def holds(self, expected, place="notes"):
        eventually(lambda: self.values(place) == expected, lambda: f"{expected}, there is {self.values(place)}")


class WorkspaceHosts:
    """Makes them, and ends and removes them. Use it in a ``with``."""

    def __init__(self):
        # Paths of sockets must be short.
        self.directory = Path(tempfile.mkdtemp(prefix="sr-"))
        self.address = free_address()
        self.tokens_file = self.directory / "tokens"
        self.hosts = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            if host.process is not None and host.process.poll() is None:
                host.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def host(self, name, *, secrets=SECRETS, **variables):
        """A daemon that is not started yet, with the shipped plugins that are no processes."""
        state = self.directory / name
        state.mkdir(mode=0o700)
        made = WorkspaceHost(
            state=state,
            options=shipped_with(state, *IN_PROCESS),
            variables={"ENCRYPTION_SECRETS": secrets, **variables},
            project=self.directory / f"{name}.project",
        )
        self.hosts.append(made)
        return made

    def with_relay(self, name="a"):
        """One that listens at ``address``."""
        return self.host(
            name, STRONGROOM_RELAY__LISTEN=self.address, STRONGROOM_RELAY__TOKENS_FILE=str(self.tokens_file)
        )

    def client(self, name="b", *, tokens, **more):
        """One that shows ``tokens``, by address, to relays elsewhere."""
        file = self.directory / f"{name}.tokens"
        write_client_tokens(file, tokens)
        return self.host(name, STRONGROOM_RELAY__CLIENT_TOKENS_FILE=str(file), **more)

    def token(self, owner="shared", *options):
        """A new token of the relay, as its operator makes one."""
        said = strongroom(
            self.directory, "workspace", "token", "--tokens-file", str(self.tokens_file), "--owner-id", owner, *options
        )
        assert said.code == 0, said.err
        return said.out.strip()


def write_client_tokens(file, tokens):
    """The file of the setting relay.client_tokens_file, in one step."""
    fresh = file.with_suffix(".new")
    fresh.write_text("".join(f"ws://{address} {token}\n" for address, token in tokens.items()))
    fresh.chmod(0o600)
    fresh.rename(file)
