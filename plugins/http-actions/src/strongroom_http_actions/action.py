"""Capability ``http-actions@1.0.0-alpha``: one method, in the order in which a request passes its gates.

Checked, recognised if it was made before, admitted by rate, looked up in the cache, and then sent.
"""

import time

from strongroom.plugin import Call, CapabilityError, repeat_key
from strongroom.plugin.messages import http_pb2
from strongroom_http_actions.cache import Cache, CacheKey
from strongroom_http_actions.limits import MTLS_BURST, MTLS_EVERY_S
from strongroom_http_actions.once import Once
from strongroom_http_actions.outcome import Outcome
from strongroom_http_actions.policy import Policy
from strongroom_http_actions.rates import Places, Rate
from strongroom_http_actions.sender import Sender
from strongroom_http_actions.wish import Wish, wish_of

__all__ = ["CAPABILITY_ID", "HttpActions"]

CAPABILITY_ID = "http-actions@1.0.0-alpha"


class HttpActions:
    """The method, over its parts."""

    def __init__(
        self, policy: Policy, sender: Sender, once: Once, places: Places, rate: Rate, *, request_bytes_max: int
    ) -> None:
        self._policy = policy
        self._sender = sender
        self._once = once
        self._places = places
        self._rate = rate
        self._request_bytes_max = request_bytes_max
        self._mtls_rate = Rate("requests with mtls", every_s=MTLS_EVERY_S, burst=MTLS_BURST)
        self._cache = Cache()

    def send_request(self, call: Call) -> http_pb2.Response:
        """The answer of the far side, whatever its status. Raises ``CapabilityError``."""
        wish = wish_of(call.unpack(http_pb2.Request), bytes_max=self._request_bytes_max)
        self._policy.check(wish.target)
        deadline = time.monotonic() + min(wish.timeout_s, call.timeout_s)
        owner = call.metadata.workflow_owner
        cache_key = CacheKey(owner, call.metadata.workflow_id, wish.cache_digest) if wish.cache_digest else None

        def admit() -> Outcome | None:
            if cache_key is not None and (kept := self._cache.get(cache_key, max_age_s=wish.max_age_s)) is not None:
                return Outcome(response=kept)
            self._rate.take(owner)
            if wish.client_key is not None:
                self._mtls_rate.take(owner)
            return None

        def act() -> Outcome:
            outcome = self._sent(wish, owner, deadline)
            if outcome.response is not None and cache_key is not None and wish.store:
                self._cache.put(cache_key, outcome.response)
            return outcome

        return self._once.answer(
            repeat_key(call),
            wish.digest,
            is_safe=wish.is_safe,
            deadline=deadline,
            admit=admit,
            act=act,
        )

    def _sent(self, wish: Wish, owner: str, deadline: float) -> Outcome:
        try:
            with self._places.one(owner, deadline):
                return self._sender.send(wish, deadline)
        except CapabilityError as refusal:
            return Outcome(error=refusal, sent=False)
