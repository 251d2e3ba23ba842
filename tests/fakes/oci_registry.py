"""A registry on loopback: what of the OCI distribution API a client of one artifact uses, and lies as it is told.

``answers`` maps a method and the end of a path to what is sent instead of the truth: bytes of a whole answer, or a
function of the request that yields them.
"""

import base64
import hashlib
import json
from urllib.parse import parse_qs, urlsplit

from tests.fakes import web_site
from tests.fakes.terminal import strongroom
from tests.fakes.web_site import Site

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.wasm.config.v0+json"
LAYER = "application/wasm"


def says(status=200, body=b"", *fields):
    """A whole answer, and the last one on its connection."""
    return web_site.says(status, body, "Connection: close", *fields)


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class OciRegistry:
    """One repository, ``team/hello``. ``login`` is demanded when it is set, by ``scheme``."""

    def __init__(self, *, login="", scheme="bearer", realm=""):
        self.blobs, self.manifests, self.answers = {}, {}, {}
        self.login, self.scheme, self.token = login, scheme, "a-token-of-this-registry"
        self.site = Site(self._answer)
        self.host = f"127.0.0.1:{self.site.port}"
        self.realm = realm or f"http://{self.host}/token"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.site.close()

    @property
    def seen(self):
        return self.site.seen

    def place(self, tag="1.0"):
        return f"oci://{self.host}/team/hello{tag if tag.startswith('@') else ':' + tag}"

    def put(self, wasm, *, tag="1.0", layer=LAYER, config=CONFIG, **changes):
        """An artifact, true but for ``changes`` of its manifest; the digest of its manifest."""
        document = {"architecture": "wasm", "os": "wasip1", "layerDigests": [digest_of(wasm)]}
        described = json.dumps(changes.pop("config_document", document)).encode()
        for data in (wasm, described):
            self.blobs[digest_of(data)] = data
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": config, "digest": digest_of(described), "size": len(described)},
            "layers": [{"mediaType": layer, "digest": digest_of(wasm), "size": len(wasm)}],
        }
        return self.put_manifest(json.dumps({**manifest, **changes}).encode(), tag)

    def put_manifest(self, data, tag="1.0"):
        self.manifests[tag] = self.manifests[digest_of(data)] = data
        return digest_of(data)

    def _answer(self, seen):
        path = urlsplit(seen.path).path
        for (method, end), lie in self.answers.items():
            if seen.method == method and path.endswith(end):
                yield from lie(seen) if callable(lie) else [lie]
                return
        if path == "/token":
            yield self._token(seen)
        elif not self._may(seen):
            asks = f'Bearer realm="{self.realm}",service="s",scope="repository:team/hello:pull"'
            asks = asks if self.scheme == "bearer" else 'Basic realm="Registry"'
            yield says(401, b'{"errors":[{"message":"\\u001b[31mlog in"}]}', f"WWW-Authenticate: {asks}")
        else:
            yield self._served(seen, path)

    def _may(self, seen):
        if not self.login:
            return True
        basic = "Basic " + base64.b64encode(self.login.encode()).decode()
        return seen.values("authorization") == [basic if self.scheme == "basic" else f"Bearer {self.token}"]

    def _token(self, seen):
        basic = "Basic " + base64.b64encode(self.login.encode()).decode()
        if seen.values("authorization") != [basic]:
            return says(401)
        return says(200, json.dumps({"token": self.token}).encode())

    def _served(self, seen, path):
        _, kind, name = path.removeprefix("/v2/team/hello").partition("/")[0], *path.split("/")[-2:]
        if kind == "manifests":
            return self._manifest(seen, name)
        if seen.method == "POST":
            return says(202, b"", "Location: /v2/team/hello/blobs/uploads/1")
        if seen.method == "PUT":
            wanted = parse_qs(urlsplit(seen.path).query)["digest"][0]
            if digest_of(seen.body) != wanted:
                return says(400)
            self.blobs[wanted] = seen.body
            return says(201)
        if name not in self.blobs:
            return says(404)
        return says(200, b"" if seen.method == "HEAD" else self.blobs[name])

    def _manifest(self, seen, name):
        if seen.method == "PUT":
            digest = self.put_manifest(seen.body, name)
            return says(201, b"", f"Docker-Content-Digest: {digest}")
        if name not in self.manifests:
            return says(404)
        data = self.manifests[name]
        kind = json.loads(data).get("mediaType", MANIFEST) if data[-1:] == b"}" else MANIFEST
        return says(200, data, f"Content-Type: {kind}", f"Docker-Content-Digest: {digest_of(data)}")


def pull_from(registry, place=None, *more, stdin=b""):
    return strongroom("workflow", "pull", place or registry.place(), "got.wasm", *more, "--json", stdin=stdin)


def refusal_of(ended, tmp_path):
    assert not (tmp_path / "got.wasm").exists(), "nothing is left of what is refused"
    return ended.error["code"], ended.error["why"]
