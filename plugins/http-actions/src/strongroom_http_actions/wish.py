"""A request message, checked: what is to be sent, within which time, and what the cache may do.

Source: capability-wire section 11.3.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from google.protobuf import duration_pb2, json_format

from strongroom.plugin.messages import http_pb2
from strongroom_http_actions.headers import Fields, checked
from strongroom_http_actions.limits import CACHE_AGE_S_MAX, TIMEOUT_S_DEFAULT, TIMEOUT_S_MAX
from strongroom_http_actions.refusals import invalid, limited
from strongroom_http_actions.target import Target, target_of

__all__ = ["SAFE", "ClientKey", "Wish", "wish_of"]

METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH")
# A method that changes nothing may be sent again when its answer was lost.
SAFE: Final = "GET"
# With these the answer belongs to one session, and a cache outlives sessions.
_NEVER_CACHED_WITH: Final = frozenset({"authorization", "cookie"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKey:
    """The two parts of a client certificate, as PEM."""

    private_key: bytes = field(repr=False)
    certificate: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """``digest`` is over the whole request; ``cache_digest`` leaves out the cache settings and the timeout.

    ``cache_digest`` is empty when the request must not be cached.
    """

    method: str
    target: Target
    fields: Fields = field(repr=False)
    body: bytes = field(repr=False)
    timeout_s: float
    store: bool
    max_age_s: float
    client_key: ClientKey | None
    digest: bytes = field(repr=False)
    cache_digest: bytes = field(repr=False)

    @property
    def is_safe(self) -> bool:
        """Whether it may be sent twice."""
        return self.method == SAFE


def wish_of(request: http_pb2.Request, *, bytes_max: int) -> Wish:
    """``request``, checked. Raises ``CapabilityError`` (User)."""
    timeout_s = _seconds("timeout", request.timeout, TIMEOUT_S_MAX)
    max_age_s = _seconds("cache_settings.max_age", request.cache_settings.max_age, CACHE_AGE_S_MAX)
    _check_size(request, bytes_max)
    method = request.method.strip().upper()
    if method not in METHODS:
        raise invalid(f"method must be one of {', '.join(METHODS)}")
    target = target_of(request.url)
    fields = checked(request)
    client_key = _client_key(request)
    if client_key is not None and target.scheme != "https":
        raise invalid("mtls needs an https url")
    cacheable = client_key is None and not any(name.lower() in _NEVER_CACHED_WITH for name, _ in fields)
    return Wish(
        method=method,
        target=target,
        fields=fields,
        body=request.body,
        timeout_s=timeout_s or TIMEOUT_S_DEFAULT,
        store=request.cache_settings.store,
        max_age_s=max_age_s,
        client_key=client_key,
        digest=_digest(request),
        cache_digest=_cache_digest(request, method) if cacheable else b"",
    )


def _check_size(request: http_pb2.Request, bytes_max: int) -> None:
    """Refuse a request whose JSON form is too big. Raises ``CapabilityError`` (User, LimitExceeded)."""
    # The JSON form is never the shorter one, so most of what is too big is not written out for that.
    size = request.ByteSize()
    if size <= bytes_max:
        size = len(json_format.MessageToJson(request, indent=None, ensure_ascii=False).encode())
    if size > bytes_max:
        raise limited("request", f"{size} bytes as JSON, the limit is {bytes_max}")


def _seconds(name: str, duration: duration_pb2.Duration, seconds_max: float) -> float:
    seconds = duration.seconds + duration.nanos / 1e9
    if duration.seconds < 0 or not 0 <= duration.nanos < 1_000_000_000:
        raise invalid(f"{name} is not a duration of zero or more")
    if seconds > seconds_max:
        raise limited(name, f"{seconds:g} s, the limit is {seconds_max:g} s")
    return seconds


def _client_key(request: http_pb2.Request) -> ClientKey | None:
    if not request.HasField("mtls"):
        return None
    if not request.mtls.private_key or not request.mtls.certificate:
        raise invalid("mtls needs both private_key and certificate")
    return ClientKey(private_key=request.mtls.private_key, certificate=request.mtls.certificate)


def _digest(request: http_pb2.Request) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def _cache_digest(request: http_pb2.Request, method: str) -> bytes:
    copied = http_pb2.Request()
    copied.CopyFrom(request)
    copied.method = method
    copied.ClearField("cache_settings")
    copied.ClearField("timeout")
    return _digest(copied)
