"""A host that also listens on TCP, for callers whom its callers' file names; and channels to it."""

import hashlib
import json
import shutil
import socket
from contextlib import contextmanager

import grpc

from tests.fakes.callers import bearer
from tests.fakes.host_certificates import HostAuthority
from tests.fakes.live_daemon import LiveDaemon

OWN, A, B = "0" * 39 + "1", "a1" * 20, "b2" * 20
EVERY_ROLE = "[read, run, register, decrypt, admin]"


def entry(name, owners, roles=EVERY_ROLE):
    """A caller of the file, whose token is made of its name."""
    digest = hashlib.sha256(token_of(name).encode()).hexdigest()
    grants = f"[{{roles: {roles}, owners: {json.dumps(owners)}}}]"
    return f'  - {{name: {name}, token_sha256: "{digest}", grants: {grants}}}\n'


def token_of(name):
    return f"token-of-{name}"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class TlsHost:
    """``callers`` are entries of the file. No plugins: what is asked of them is not what callers are about."""

    def __init__(self, state, callers):
        self.state = state
        certificates = state / "tls"
        certificates.mkdir()
        self.authority = HostAuthority(certificates)
        own = self.authority.issue("localhost")
        self.port = free_port()
        self.callers_file = state / "callers.yaml"
        self.callers_file.write_text("callers:\n" + "".join(callers))
        self.callers_file.chmod(0o600)
        manifest = state / "none.yaml"
        manifest.write_text("version: 1\nplugins: []\n")
        settings = {
            "owners_allowed": f"{A},{B}",
            "callers_file": self.callers_file,
            "api.listen": f"127.0.0.1:{self.port}",
            "api.tls_certificate_file": own.certificate,
            "api.tls_key_file": own.key,
        }
        words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        self.daemon = LiveDaemon(state, ("--plugins-file", str(manifest), *words))

    @contextmanager
    def caller(self, name):
        """Calls of ``name`` over TLS: a function of a method's full name and its request."""
        credentials = grpc.ssl_channel_credentials(self.authority.path.read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{self.port}", credentials) as channel:
            yield TlsCaller(channel, bearer(token_of(name)) if name else ())

    def end(self):
        if self.daemon.process is not None and self.daemon.process.poll() is None:
            self.daemon.stop()
        shutil.rmtree(self.state, ignore_errors=True)


class TlsCaller:
    """One caller. ``stub`` makes a stub of a service whose calls show his token."""

    def __init__(self, channel, metadata):
        self._channel = channel
        self.metadata = metadata

    def stub(self, kind):
        return kind(grpc.intercept_channel(self._channel, _Shown(self.metadata)))


class _Shown(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """Adds the token, and a deadline."""

    def __init__(self, metadata):
        self._metadata = metadata

    def _with(self, details):
        return details._replace(metadata=self._metadata, timeout=details.timeout or 30)

    def intercept_unary_unary(self, continuation, details, request):
        return continuation(self._with(details), request)

    def intercept_unary_stream(self, continuation, details, request):
        return continuation(self._with(details), request)

    def intercept_stream_unary(self, continuation, details, parts):
        return continuation(self._with(details), parts)
