"""The way to a registry, through ``oras``: which hosts are talked to, who is shown a credential, how long and how much.

Rule 1: everything is HTTPS, but for a registry on this machine.
Rule 2: a credential is shown to the registry that it is for, and to the place that this registry names for tokens. A
redirect to another host is followed for downloads only, and without any credential; an upload follows none.
Rule 3: every answer has a limit in bytes and the whole way a limit in seconds; nothing is tried again by itself.
"""

import base64
import json
import logging
import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import oras.auth.token
import oras.auth.utils
import oras.logger
import oras.provider
import requests
import requests.utils
from urllib3.exceptions import HTTPError

from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data, unavailable
from strongroom.cli.oci_deadline import Deadline
from strongroom.cli.oci_reference import Reference, is_loopback, leads_here

__all__ = ["Registry", "refused_answer"]

CONNECT_S_MAX: Final = 10.0
READ_S_MAX: Final = 30.0
# A hundred megabytes over a slow line.
WHOLE_S_MAX: Final = 900.0
REDIRECTS_MAX: Final = 3
# Answers that are no artifact: tokens and errors.
ANSWER_BYTES_MAX: Final = 100_000
PART_BYTES: Final = 65_536
_BLOB: Final = "/blobs/sha256:"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", "", None


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise _elsewhere("", "the place that it names is no URL") from None


class _Session(requests.Session):
    """Requests to one registry, under the rules above."""

    def __init__(self, reference: Reference) -> None:
        super().__init__()
        # Else it takes credentials out of ~/.netrc, for any host.
        self.trust_env = False
        self.headers.update({"Accept-Encoding": "identity", "User-Agent": "strongroom"})
        self._is_local = reference.is_local
        self.home = _origin(f"{'http' if reference.is_local else 'https'}://{reference.host}/")
        self._deadline = Deadline(WHOLE_S_MAX, self._no_end)
        self._deadline.bind(self)
        self.token_place = ""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: the library would read the whole body of a redirect, also of one that it does not follow."""
        del resp

    def request(  # type: ignore[override]  # the library calls it with words only
        self, method: str, url: str, **more: Any
    ) -> requests.Response:  # Any: what requests takes
        """One answer, its body read already unless it is streamed. Raises ``Failure``."""
        wants_stream = bool(more.pop("stream", False))
        headers = dict(more.pop("headers", None) or {})
        at_home = _origin(url) == self.home
        if not at_home and url != self.token_place:
            raise _elsewhere(url, "the registry sends us there")
        may_lead_away = at_home and method in {"GET", "HEAD"} and _BLOB in urlsplit(url).path
        for _ in range(REDIRECTS_MAX + 1):
            self._check(url)
            trusted = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
            with self._deadline.holds():
                response = super().request(
                    method,
                    url,
                    headers=headers,
                    stream=True,
                    allow_redirects=False,
                    timeout=(CONNECT_S_MAX, READ_S_MAX),
                    proxies=requests.utils.get_environ_proxies(url),
                    **{**more, "verify": trusted},
                )
            if response.status_code not in _REDIRECTS:
                if not wants_stream:
                    response._content = self.body(response, ANSWER_BYTES_MAX)  # noqa: SLF001 - so that nobody reads more
                return response
            response.close()
            target = _joined(url, response.headers.get("location", ""))
            if not may_lead_away:
                raise _elsewhere(target, "only the download of a blob may lead elsewhere")
            if _origin(target) != _origin(url):
                headers.pop("Authorization", None)
            url = target
        raise _elsewhere(url, f"more than {REDIRECTS_MAX} redirects")

    def body(self, response: requests.Response, bytes_max: int) -> bytes:
        """All of it. Raises ``Failure`` when it is more than ``bytes_max``, or does not end in time."""
        parts, left = [], bytes_max
        with response, self._deadline.holds():
            while part := self._part(response, min(PART_BYTES, left + 1)):
                left -= len(part)
                if left < 0:
                    raise bad_data(
                        "SR-OCI-009",
                        f"{self.home[1]} sends more than it may",
                        why=f"its answer has more than {bytes_max} bytes",
                        fix="ask its operator; nothing was stored",
                    )
                parts.append(part)
        return b"".join(parts)

    def _part(self, response: requests.Response, bytes_max: int) -> bytes:
        self._deadline.check()
        try:
            # One read of the socket at a time: a slow sender must not hold us past the end.
            part: bytes = response.raw.read1(bytes_max)
        except (HTTPError, OSError) as error:
            raise unavailable(
                "SR-OCI-011",
                f"the download from {self.home[1]} broke off",
                why=type(error).__name__,
                fix="try again; nothing was stored",
            ) from error
        return part

    def _no_end(self) -> Failure:
        return unavailable(
            "SR-OCI-010",
            f"{self.home[1]} does not come to an end",
            why=f"it took more than {WHOLE_S_MAX:g} s",
            fix="try again; nothing was stored",
        )

    def _check(self, url: str) -> None:
        scheme, host, port = _origin(url)
        is_safe = scheme == "https" or (scheme == "http" and is_loopback(host))
        if port is None or not is_safe or (leads_here(host) and not self._is_local):
            raise _elsewhere(
                url, "only HTTPS leaves this machine, and only a registry on this machine leads back to it"
            )


class _Auth(oras.auth.token.TokenAuth):  # type: ignore[misc]  # the library has no types
    """Answers a registry that asks who we are: with a token from where it says, or with name and password."""

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str] | None, refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        """The headers to try again with, and whether that is worth a try."""
        # Whoever a download led to is not who the login is for, whatever it asks.
        at_home = _origin(original.url) == self.session.home
        asked = original.headers.get("www-authenticate", "") if at_home else ""
        headers, basic = dict(headers or {}), getattr(self, "_basic_auth", None)
        if refresh:
            self.token = None
        if asked.lower().startswith("basic") and basic:
            headers["Authorization"] = f"Basic {basic}"
            return headers, True
        place = oras.auth.utils.parse_auth_header(asked)
        if not asked.lower().startswith("bearer") or not place.realm:
            return headers, False
        self.token = self._fetched(place, basic)
        return {**headers, "Authorization": f"Bearer {self.token}"}, bool(self.token)

    def _fetched(self, place: Any, basic: str | None) -> str | None:  # Any: the library's description of it
        params = {key: value for key in ("service", "scope") if (value := getattr(place, key))}
        self.session.token_place = place.realm
        headers = {"Authorization": f"Basic {basic}"} if basic else {}
        try:
            answer = self.session.request("GET", place.realm, params=params, headers=headers)
        finally:
            self.session.token_place = ""
        document = json.loads(answer.content) if answer.status_code == 200 else {}
        token = document.get("token") or document.get("access_token")
        return token if isinstance(token, str) and token.isascii() and token.isprintable() else None


class Registry(oras.provider.Registry):  # type: ignore[misc]  # the library has no types
    """One registry, for one command."""

    def __init__(self, reference: Reference, login: bytes) -> None:
        """``login`` is USER:PASSWORD; without one, that of docker's configuration is taken, if it has one."""
        oras.logger.logger.set_level(logging.CRITICAL)  # it would print what the registry says, as it is
        super().__init__(insecure=reference.is_local)
        self.session = _Session(reference)
        self.auth = _Auth()
        self.auth.session = self.session
        self.container = self.get_container(reference.location)
        if login:
            self.auth._basic_auth = base64.b64encode(login).decode()  # noqa: SLF001 - its setter takes text only
        else:
            self._load_login()

    def do_request(self, url: str, method: str = "GET", **more: Any) -> requests.Response:  # Any: of the library
        """As the library does it, but once: it would try again for minutes, whatever the reason. Raises ``Failure``."""
        try:
            answer: requests.Response = oras.provider.Registry.do_request.__wrapped__(self, url, method, **more)
        except OSError as error:  # what requests raises is one, and so is a missing file of certificates
            raise unavailable(
                "SR-OCI-003",
                f"the registry {self.container.registry} cannot be reached",
                why=type(error).__name__,
                fix="check its name, the network and its certificate",
            ) from error
        except (ValueError, AttributeError, RecursionError) as error:
            raise refused_answer(self.container.registry, 401) from error
        return answer

    def fetch(self, path: str, bytes_max: int, accept: str) -> tuple[bytes, requests.Response]:
        """What is at ``path`` below the repository, read to its end. Raises ``Failure``."""
        url = f"{self.prefix}://{self.container.registry}/v2/{self.container.api_prefix}/{path}"
        answer = self.do_request(url, "GET", headers={"Accept": accept}, stream=True)
        if answer.status_code != 200:
            answer.close()
            raise refused_answer(self.container.registry, answer.status_code)
        return self.session.body(answer, bytes_max), answer

    def _load_login(self) -> None:
        folder = os.environ.get("DOCKER_CONFIG")
        try:
            self.auth.load_configs(self.container, configs=[str(Path(folder) / "config.json")] if folder else None)
        except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
            raise bad_data(
                "SR-OCI-012",
                "docker's configuration cannot be read",
                why=type(error).__name__,
                fix="correct ~/.docker/config.json, or give the login with --login-stdin",
                exit_code=Exit.CONFIGURATION,
            ) from error


def refused_answer(registry: str, status: int) -> Failure:
    """The registry said no."""
    meanings = {
        401: "it wants a login",
        403: "this login may not",
        404: "it has no such artifact",
        429: "too many requests",
    }
    return bad_data(
        "SR-OCI-004",
        f"the registry {registry} refuses",
        why=f"status {status}: {meanings.get(status, 'see its log')}",
        fix="check the reference; log in with docker, or give USER:PASSWORD with --login-stdin",
        exit_code=Exit.PERMISSION if status in {401, 403} else Exit.DATA if status == 404 else Exit.UNAVAILABLE,
    )


def _elsewhere(url: str, why: str) -> Failure:
    scheme, host, _ = _origin(url)
    return bad_data(
        "SR-OCI-013",
        "the registry leads to a place where we do not go",
        why=f"{scheme}://{host[:100]}: {why}",
        fix="ask the operator of the registry; no credential was shown there",
    )
