"""A caller of the HTTP trigger: signs tokens as clients do, correctly or as a test asks."""

import base64
import hashlib
import http.client
import json
import socket
import time

from coincurve import PrivateKey

from strongroom.crypto.keccak import keccak256

WAIT_S = 30.0


def part(value):
    """One part of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Caller:
    """Someone with a key. ``address`` is that of the key."""

    def __init__(self, seed=b"caller"):
        self.key = PrivateKey(hashlib.sha256(seed).digest())
        self.address = "0x" + keccak256(self.key.public_key.format(compressed=False)[1:])[-20:].hex()

    def token(self, body, *, alg="ETH", header=None, **changes):
        """A token for ``body``. ``changes`` replace claims; a claim of ``None`` is left out."""
        now = int(time.time())
        digest = hashlib.sha256(body).hexdigest()
        claims = {"digest": f"0x{digest}", "iss": self.address, "iat": now, "exp": now + 300, "jti": digest[:16]}
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        signed = f"{part(header or {'alg': alg, 'typ': 'JWT'})}.{part(claims)}".encode()
        if alg == "ETH":
            digest = keccak256(b"\x19Ethereum Signed Message:\n%d" % len(signed) + signed)
            signature = self.key.sign_recoverable(digest, hasher=None)
        else:
            signature = self.key.sign_recoverable(signed)[:64]
        return f"{signed.decode()}.{part(signature)}"

    def bearer(self, body, **changes):
        return f"Bearer {self.token(body, **changes)}"


def body_for(workflow, request_id="r1", **changes):
    """The body of a request; ``workflow`` is an id or a whole selector."""
    selector = {"workflowID": workflow} if isinstance(workflow, str) else workflow
    request = {
        "jsonrpc": "2.0",
        "id": request_id,
        "method": "workflows.execute",
        "params": {"workflow": selector, "input": {"n": 1}},
    }
    return json.dumps({**request, **changes}).encode()


class _UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def post(address, body, authorization="", *, method="POST", path="/", **fields):
    """Status, fields, and the JSON of the answer."""
    if address.startswith("unix:"):
        connection = _UnixConnection(address.removeprefix("unix:"), timeout=WAIT_S)
    else:
        connection = http.client.HTTPConnection(address, timeout=WAIT_S)
    headers = {"Authorization": authorization} if authorization else {}
    connection.request(method, path, body, {**headers, **fields, "Host": "localhost"})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), json.loads(text) if text.startswith(b"{") else text
