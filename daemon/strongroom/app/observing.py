"""What a host shows of itself over HTTP: served from before its database is opened until everything is closed."""

from collections.abc import Callable
from pathlib import Path

from strongroom.app.beat import Beat
from strongroom.app.build import Mode, Parts
from strongroom.app.condition import Condition
from strongroom.app.health import HostHealth
from strongroom.app.measured import measure, of_state
from strongroom.app.notify import work_loop
from strongroom.services.probe_server import ProbeServer
from strongroom.services.probes import Probes
from strongroom.services.unix_socket import UnixSocket
from strongroom.settings.model import Settings
from strongroom.storage.directories import make_socket_parent
from strongroom.telemetry import logs
from strongroom.telemetry.metrics import Metrics
from strongroom.telemetry.redaction import Redaction

__all__ = ["Observer"]

log = logs.get("app")


class Observer:
    """Serves probes and metrics of one host. ``state`` is asked for the host's own state."""

    def __init__(self, settings: Settings, mode: Mode, state: Callable[[], str], redaction: Redaction) -> None:
        self._settings = settings
        self._is_on = settings.observe.is_on(mode)
        self.metrics = Metrics(redaction.text)
        self.health = HostHealth(state)
        self._beat: Beat | None = None
        self._probes = Probes(self.health, self.metrics.text, redaction.text)
        self._servers: list[ProbeServer] = []

    def start(self) -> None:
        """Answer from now on, wherever the settings say. Raises ``Misconfigured``."""
        self.metrics.add("state", of_state(lambda: self.health.verdict().state))
        if not self._is_on:
            return
        path = self._settings.observe_socket_path
        make_socket_parent(path)
        places = [self._server(path)]
        if listen := self._settings.observe.listen:
            host, _, port = listen.rpartition(":")
            host = host.strip("[]")
            places.append(ProbeServer((host, int(port)), self._probes.answer, hosts=[host]))
        for server in places:
            server.start()
            self._servers.append(server)
        log.info("probes are answered", extra={"socket": str(path)})

    def watch(self, parts: Parts, condition: Condition) -> None:
        """Look at the parts of the host; they are ready."""
        if not self._is_on:
            return
        self._beat = Beat(work_loop(parts).go_round)
        measure(self.metrics, parts, self._beat)
        self.health.watch(parts, condition, self._beat)
        self._beat.start()

    def rest(self) -> None:
        """The work is not meant to go round any more; what is served says that the host drains."""
        if self._beat is not None:
            self._beat.close()

    def stop(self) -> None:
        """Answer nobody any more."""
        self.rest()
        for server in self._servers:
            server.stop()
        self.metrics.close()

    def _server(self, path: Path) -> ProbeServer:
        return ProbeServer(UnixSocket(path, where="observe.socket"), self._probes.answer)
