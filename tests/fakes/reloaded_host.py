"""A service with a configuration of its own, which a test changes while it runs."""

import json
import signal
from pathlib import Path

import yaml

from strongroom.pb.strongroom.v1 import host_pb2, status_pb2
from strongroom.pb.strongroom.v1.host_pb2_grpc import HostServiceStub
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.program import DEADLINE_S

__all__ = ["ReloadedHost"]

ROOT = Path(__file__).resolve().parents[2]


class ReloadedHost(LiveDaemon):
    """``strongroom serve`` with ``settings``, ``plugins`` and ``callers`` as files below ``etc``."""

    def __init__(self, state, plugins=(), **settings):
        self.etc = state / "etc"
        super().__init__(state, variables={"CONFIGURATION_DIRECTORY": str(self.etc), "PYTHONPATH": str(ROOT)})
        self.etc.mkdir()
        self.private("keyring", "1:" + "s" * 43)
        self.callers()
        self.settings(**settings)
        self.plugins(*plugins)

    def settings(self, **settings):
        """Write them; the places of a host stand in its flags."""
        self.setting = settings
        self.write("strongroom.yaml", {"callers_file": str(self.etc / "callers.yaml"), **settings})

    def plugins(self, *entries):
        """Write the manifest."""
        self.plugin_entries = entries
        self.write("plugins.yaml", {"version": 1, "plugins": list(entries)})

    def callers(self, *entries):
        """Write the callers' file."""
        self.private("callers.yaml", json.dumps({"callers": list(entries)}))

    def write(self, name, document):
        """One file of the configuration: text as it is, anything else as YAML."""
        text = document if isinstance(document, str) else yaml.safe_dump(document)
        new = self.etc / f"{name}.new"
        new.write_text(text)
        # Whoever reads it meanwhile finds one or the other.
        new.replace(self.etc / name)

    def private(self, name, text):
        """One that only its owner may read."""
        path = self.etc / name
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)

    def _started(self, words):
        del words
        places = {"cache_dir": "cache", "runtime_dir": "run", "audit.file": "audit.jsonl"}
        flags = [word for key, name in places.items() for word in ("--set", f"{key}={self.state / name}")]
        state = ("--state-dir", str(self.state / "state"), "--socket", str(self.socket))
        return super()._started(["serve", *state, *flags, "--json", *self.options])

    def hang_up(self):
        """SIGHUP, as a service manager sends it."""
        self.process.send_signal(signal.SIGHUP)

    def reload(self):
        """What a reload did. Raises ``grpc.RpcError``."""
        with self.channel(admin=True) as api:
            return HostServiceStub(api.channel).Reload(host_pb2.HostServiceReloadRequest(), timeout=DEADLINE_S)

    def reload_plugin(self, name):
        """What became of one plugin. Raises ``grpc.RpcError``."""
        with self.channel(admin=True) as api:
            request = host_pb2.HostServiceReloadPluginRequest(name=name)
            return HostServiceStub(api.channel).ReloadPlugin(request, timeout=DEADLINE_S).plugin

    def status(self):
        """How it stands."""
        with self.channel(admin=True) as api:
            return api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=DEADLINE_S)
