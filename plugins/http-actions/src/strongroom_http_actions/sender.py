"""A wish, carried out: names looked up, addresses checked, one connection for each hop, one deadline for all of it."""

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import urllib3.exceptions

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import http_pb2
from strongroom_http_actions.client_certificate import present
from strongroom_http_actions.exchange import Answer, exchange
from strongroom_http_actions.headers import answered, is_private_to_origin
from strongroom_http_actions.line import Line, connected, left_s
from strongroom_http_actions.outcome import Outcome
from strongroom_http_actions.policy import Policy
from strongroom_http_actions.refusals import late, unavailable
from strongroom_http_actions.resolver import Resolver
from strongroom_http_actions.target import Target, target_of_redirect
from strongroom_http_actions.wish import Wish

__all__ = ["Sender", "response_of"]

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
KEEPS_METHOD: Final = frozenset({307, 308})
MAYBE_DONE: Final = "; the request may have been carried out"


@dataclass(slots=True)
class _Progress:
    """Whether the far side may have seen anything yet."""

    sent: bool = False


class Sender:
    """``trust`` makes a TLS context; the one without a client certificate is shared."""

    def __init__(
        self,
        policy: Policy,
        resolver: Resolver,
        trust: Callable[[], ssl.SSLContext],
        *,
        redirects_max: int,
        response_bytes_max: int,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._trust = trust
        self._context = trust()
        self._redirects_max = redirects_max
        self._bytes_max = response_bytes_max

    def send(self, wish: Wish, deadline: float) -> Outcome:
        """What became of it. Never raises what can be told to the caller."""
        progress = _Progress()
        try:
            answer = self._follow(wish, deadline, progress)
            return Outcome(response=response_of(answer))
        except CapabilityError as error:
            return Outcome(error=error, sent=progress.sent)
        except (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
            return Outcome(error=_told(error, wish, progress, deadline), sent=progress.sent)

    def _follow(self, wish: Wish, deadline: float, progress: _Progress) -> Answer:
        answer = self._hop(wish, deadline, progress)
        for _ in range(self._redirects_max):
            location = answer.location()
            if answer.status not in REDIRECTS or not location:
                break
            target = target_of_redirect(location, wish.target)
            if wish.client_key is not None and target.origin != wish.target.origin:
                break  # the certificate was meant for the first origin
            wish = _redirected(wish, target, keeps_method=answer.status in KEEPS_METHOD)
            self._policy.check(target)
            answer = self._hop(wish, deadline, progress)
        return answer

    def _hop(self, wish: Wish, deadline: float, progress: _Progress) -> Answer:
        target = wish.target
        context = self._context_for(wish) if target.scheme == "https" else None
        addresses = self._policy.usable(target, self._resolver.addresses(target.host, target.port, deadline))
        with Line(connected(addresses, target.port, deadline), deadline) as line:
            try:
                if context is not None:
                    line.shake_hands(context, target.host)
                timeout_s = left_s(deadline)
                progress.sent = True
                answer = exchange(
                    line.socket,
                    target,
                    wish.method,
                    wish.fields,
                    wish.body,
                    timeout_s=timeout_s,
                    bytes_max=self._bytes_max,
                )
            except Exception:
                line.check()
                raise
            line.check()
            return answer

    def _context_for(self, wish: Wish) -> ssl.SSLContext:
        if wish.client_key is None:
            return self._context
        context = self._trust()
        present(context, wish.client_key)
        return context


def _redirected(wish: Wish, target: Target, *, keeps_method: bool) -> Wish:
    """The next request, as browsers make it; another origin gets no field that may be a key."""
    fields = wish.fields
    if target.origin != wish.target.origin:
        fields = tuple((name, value) for name, value in fields if not is_private_to_origin(name))
    if keeps_method:
        return replace(wish, target=target, fields=fields)
    fields = tuple((name, value) for name, value in fields if not name.lower().startswith("content-"))
    return replace(wish, target=target, fields=fields, method="GET", body=b"")


def _told(error: Exception, wish: Wish, progress: _Progress, deadline: float) -> CapabilityError:
    """``error`` without its text, which may hold the address or a part of the answer."""
    tail = MAYBE_DONE if progress.sent and not wish.is_safe else ""
    if isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError)) or time.monotonic() >= deadline:
        return late(f"the far side did not answer in time{tail}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return unavailable(f"the certificate of the far side is not valid for this url ({error.verify_message}){tail}")
    if isinstance(error, (ssl.SSLError, urllib3.exceptions.SSLError)):
        return unavailable(f"TLS failed ({getattr(error, 'reason', '') or type(error).__name__}){tail}")
    return unavailable(f"the connection failed ({type(error).__name__}){tail}")


def response_of(answer: Answer) -> http_pb2.Response:
    """``answer`` as a message: both header fields are filled, the older one with the values joined."""
    response = http_pb2.Response(status_code=answer.status, body=answer.body)
    for name, values in answered(answer.fields).items():
        response.multi_headers[name].values.extend(values)
        response.headers[name] = ", ".join(values)
    return response
