"""``SessionClient``: asks the session's server who a token belongs to, and for a new token when one ends.

Rule 1: tokens cross TLS only, whose certificate is checked; without it they stay on this machine.
Rule 2: no token follows a redirect to another origin.
Rule 3: an answer has a size, a time and a form, or it is none. Nothing of it is repeated in an error.

Source: contracts/workspace-encryption.md 11; RFC 6749 section 6 for the refresh.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import Forbidden, InvalidInput, Unavailable
from strongroom.workspace.session.cell import CELL_BYTES_MAX, Grant, check_grant, read_keyring, text_member

__all__ = ["SessionAnswer", "SessionClient", "origin_of"]

SESSION_PATH: Final = "/api/session"
REDIRECTS_MAX: Final = 3
"""From a bare host to its canonical name, a path, a slash; more is a loop."""
READ_BYTES: Final = 16_384
LIFETIME_S_MAX: Final = 10 * 365 * 86_400
_PORTS: Final = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_SAME: Final = {"wss": "https", "ws": "http"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAnswer:
    """Who a token belongs to, and the owner's keyring."""

    user_id: str
    email: str
    owner_id: str
    keyring: Keyring


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port; those of a web socket are those of its handshake."""
    parts = urlsplit(url)
    return _SAME.get(parts.scheme, parts.scheme), parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)


class SessionClient:
    """A client of one server. Safe for any thread; each call is one request and its redirects.

    The addresses come from settings, which take https alone but for this machine.
    """

    def __init__(
        self, base_url: str, *, token_url: str, client_id: str, timeout_s: float, ca_file: Path | None = None
    ) -> None:
        """Nothing is asked yet."""
        self.base_url = base_url.rstrip("/")
        self.refreshes = bool(token_url)
        self._token_url = token_url
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(
            num_pools=2,
            maxsize=2,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca_file) if ca_file is not None else None,
        )

    def fetch(self, access_token: str) -> SessionAnswer:
        """The session of ``access_token``. Raises ``Forbidden`` (401, 403), ``Unavailable`` for everything else."""
        url = self.base_url + SESSION_PATH
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        members = self._answer("GET", url, headers=headers, body=None)
        try:
            user = members.get("user")
            if not isinstance(user, dict):
                raise _no_session("user")
            return SessionAnswer(
                user_id=text_member(user, "id", place="user."),
                email=text_member(user, "email", place="user.", may_be_empty=True),
                owner_id=text_member(members, "ownerId"),
                keyring=read_keyring(members.get("keyring")),
            )
        except InvalidInput as error:
            raise _no_session(str(error.details.get("field", "keyring"))) from None

    def refresh(self, grant: Grant, *, now_ms: int) -> Grant:
        """A new grant for the refresh token of ``grant``. Raises ``Forbidden`` when it is refused for good (400, 401,
        403), ``Unavailable`` for everything else."""
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, "client_id": self._client_id}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        body = urlencode(form).encode()
        members = self._answer("POST", self._token_url, headers=headers, body=body)
        lifetime_s = members.get("expires_in", 0)
        if not isinstance(lifetime_s, int) or not 0 <= lifetime_s <= LIFETIME_S_MAX:
            raise _no_session("expires_in")
        try:
            fresh = Grant(
                access_token=text_member(members, "access_token"),
                # A server that does not rotate refresh tokens leaves the old one in force (RFC 6749, section 6).
                refresh_token=text_member(members, "refresh_token")
                if "refresh_token" in members
                else grant.refresh_token,
                access_token_expires_at_ms=now_ms + lifetime_s * 1000 if lifetime_s else 0,
            )
            check_grant(fresh)
        except InvalidInput as error:
            raise _no_session(str(error.details.get("field", ""))) from None
        return fresh

    def close(self) -> None:
        """Close connections that wait for the next request."""
        self._pool.clear()

    def _answer(self, method: str, url: str, *, headers: dict[str, str], body: bytes | None) -> dict[str, Any]:
        """The JSON object that the server answers. Any: its members."""
        until_s = time.monotonic() + self._timeout_s
        origin = origin_of(url)
        for _ in range(REDIRECTS_MAX + 1):
            response = self._send(method, url, headers, body, until_s)
            try:
                if response.status in {301, 302, 303, 307, 308}:
                    url = self._redirected(url, response.headers.get("Location", ""), origin, method)
                    continue
                content = self._read(response, until_s)
            finally:
                response.close()
            return self._object(response.status, content, token_request=method == "POST")
        raise _unavailable(self.base_url, "SR-SESSION-010", f"it redirects more than {REDIRECTS_MAX} times")

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, until_s: float
    ) -> urllib3.BaseHTTPResponse:
        left_s = max(0.001, until_s - time.monotonic())
        try:
            return self._pool.request(
                method,
                url,
                headers={**headers, "Accept-Encoding": "identity"},
                body=body,
                timeout=urllib3.Timeout(total=left_s),
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except urllib3.exceptions.SSLError:
            raise _unavailable(self.base_url, "SR-SESSION-006", "its certificate is not trusted") from None
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # The library's text may hold the request with its token.
            raise _unavailable(self.base_url, "SR-SESSION-007", type(error).__name__) from None

    def _redirected(self, url: str, location: str, origin: tuple[str, str, int], method: str) -> str:
        try:
            target = urljoin(url, location)
            stays = bool(location) and method == "GET" and origin_of(target) == origin
        except ValueError:
            stays = False
        if not stays:
            raise _unavailable(self.base_url, "SR-SESSION-008", "it redirects to another place, which gets no token")
        return target

    def _read(self, response: urllib3.BaseHTTPResponse, until_s: float) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _no_session("Content-Encoding")
        content = b""
        try:
            while chunk := response.read1(READ_BYTES, decode_content=False):
                content += chunk
                if len(content) > CELL_BYTES_MAX:
                    raise _unavailable(
                        self.base_url, "SR-SESSION-009", f"its answer has more than {CELL_BYTES_MAX} bytes"
                    )
                if time.monotonic() > until_s:
                    raise _unavailable(self.base_url, "SR-SESSION-007", "its answer comes too slowly")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unavailable(self.base_url, "SR-SESSION-007", type(error).__name__) from None
        return content

    def _object(self, status: int, content: bytes, *, token_request: bool) -> dict[str, Any]:
        """Any: as above."""
        if status in {401, 403} or (status == 400 and token_request):
            raise Forbidden(
                "SR-SESSION-005",
                f"{self.base_url} refused the grant of the workspace session",
                why=f"it answered {status}",
                fix="sign in again; workspaces go on with the keys they have, and do not sync",
                status=status,
            )
        if status != 200:
            raise _unavailable(self.base_url, "SR-SESSION-011", f"it answered {status}")
        try:
            members = json.loads(content.decode())
        except (ValueError, RecursionError):
            raise _no_session("JSON") from None
        if not isinstance(members, dict):
            raise _no_session("JSON")
        return members


def _unavailable(server: str, code: str, why: str) -> Unavailable:
    return Unavailable(
        code,
        f"the session's server {server} gives no answer that can be used",
        why=why,
        fix="nothing was changed, and it is asked again; check workspaces.session_url",
        server=server,
    )


def _no_session(field: str) -> Unavailable:
    return Unavailable(
        "SR-SESSION-012",
        "what the session's server answered is no session",
        why=f"{field} is missing or wrong",
        fix="nothing was changed; check workspaces.session_url and workspaces.token_url",
        field=field,
    )
