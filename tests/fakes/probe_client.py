"""Asks the probes of a host over their Unix socket, as curl does."""

import http.client
import json
import re
import socket


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


class ProbeClient:
    """The pages of the host whose socket is at ``path``."""

    def __init__(self, path):
        self.path = path

    def get(self, page):
        """Status and body."""
        connection = _Connection(self.path)
        connection.request("GET", page)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def ready(self):
        """Status and document of ``/readyz?verbose``."""
        status, body = self.get("/readyz?verbose")
        return status, json.loads(body)

    def metrics(self):
        """Every sample by its name with labels."""
        status, body = self.get("/metrics")
        assert status == 200
        return {name: float(value) for name, value in re.findall(r"^([a-z_]\S*) (\S+)$", body.decode(), re.MULTILINE)}
