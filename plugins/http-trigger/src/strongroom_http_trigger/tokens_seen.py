"""Each token is for one request: a ``jti`` that comes again within its life must come with the same body.

A client that got no answer sends the same request again, and that must work; the request's id sees to it that nothing
happens twice. In memory: a token names the digest of its body, so after a restart too it is good for that body only.
"""

import threading
from collections import OrderedDict

from strongroom_http_trigger.limits import TOKENS_REMEMBERED_MAX
from strongroom_http_trigger.refusal import unauthenticated
from strongroom_http_trigger.token import Claims

__all__ = ["TokensSeen"]


class TokensSeen:
    """Bounded: beyond the limit the oldest are forgotten."""

    def __init__(self, *, tokens_max: int = TOKENS_REMEMBERED_MAX) -> None:
        self._tokens_max = tokens_max
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], tuple[int, bytes]] = OrderedDict()

    def take(self, workflow_id: str, claims: Claims, digest: bytes, *, now_s: float) -> None:
        """Note a token of an authorized signer. Raises ``Refusal`` when it was used with another body."""
        key = (workflow_id, claims.jti)
        with self._lock:
            expires_s, first = self._seen.get(key, (0, b""))
            if now_s < expires_s and first != digest:
                raise unauthenticated("its jti was used with another body")
            self._seen.pop(key, None)
            self._seen[key] = (claims.expires_s, digest)
            while self._seen:
                oldest = next(iter(self._seen))
                if len(self._seen) <= self._tokens_max and self._seen[oldest][0] > now_s:
                    break
                del self._seen[oldest]
