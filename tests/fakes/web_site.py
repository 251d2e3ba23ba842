"""A site with a certificate of a test authority: real TLS on the loopback, answers as scripted, faults included."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WAIT_S = 30.0
PEM = serialization.Encoding.PEM


class Authority:
    """Signs certificates; ``path`` is its own, for those who are to trust it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.path = directory / "authority.pem"
        signed = self._builder(self._name, self._key, ca=True).sign(self._key, hashes.SHA256())
        self.path.write_bytes(signed.public_bytes(PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.CertificateBuilder:
        start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """A certificate for ``name`` and its key, both as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        signed = self._builder(subject, key, ca=False).add_extension(names, critical=False)
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return signed.sign(self._key, hashes.SHA256()).public_bytes(PEM), private

    def file(self, name: str) -> Path:
        """Both in one file."""
        path = self._directory / f"{name}.pem"
        path.write_bytes(b"".join(self.issue(name)))
        return path


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. Names of fields are lower case; ``client`` is the name in its certificate."""

    method: str
    path: str
    fields: list[tuple[str, str]] = field(repr=False)
    body: bytes
    client: str

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]


Answer = Callable[[Seen], Iterator[bytes]]


def says(status: int = 200, body: bytes = b"", *fields: str) -> bytes:
    """A whole answer."""
    head = "\r\n".join((f"HTTP/1.1 {status} Some", f"Content-Length: {len(body)}", *fields))
    return head.encode("latin-1") + b"\r\n\r\n" + body


class Site:
    """Serves until closed. ``answer`` yields what is sent, piece by piece, and then the connection ends.

    Without ``certificate`` it speaks plain HTTP. ``before`` is called with each new connection, before TLS.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        certificate: Path | None = None,
        clients: Path | None = None,
        before: Callable[[socket.socket], None] | None = None,
    ) -> None:
        self.seen: list[Seen] = []
        self.names: list[str | None] = []
        self.closing = threading.Event()
        self._answer = answer
        self._before = before
        self._context = self._tls(certificate, clients) if certificate else None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _tls(self, certificate: Path, clients: Path | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        if clients is not None:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _serve(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        connection.settimeout(WAIT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._before is not None:
                self._before(connection)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            seen = _read(connection)
            self.seen.append(seen)
            for piece in self._answer(seen):
                connection.sendall(piece)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()
        except (OSError, ValueError):
            pass  # the client hung up, which is what some tests are about
        finally:
            connection.close()

    def close(self) -> None:
        self.closing.set()
        self._listener.close()


def _read(connection: socket.socket) -> Seen:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise OSError
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    length = int(dict(fields).get("content-length", "0"))
    while len(body) < length:
        body += connection.recv(65536)
    method, path, _ = first.split(" ")
    client = ""
    if isinstance(connection, ssl.SSLSocket) and (shown := connection.getpeercert()):
        client = dict(pair for part in shown["subject"] for pair in part)["commonName"]
    return Seen(method, path, fields, body, client)
