"""The one-time token of a plugin process: whoever calls shows it, whoever is called checks it.

The directory of the sockets is private already (0700). The token keeps out what runs under the same user and cannot
read the environment of a process that made itself undumpable.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final

import grpc

from strongroom.plugin.serve.wire import PROOF_KEY, TOKEN_KEY

__all__ = ["TokenCheck", "proof_of", "token_metadata"]

REFUSAL: Final = "the call does not carry this plugin's token"


def token_metadata(token: str) -> tuple[tuple[str, str], ...]:
    """Metadata to send with each call."""
    return ((TOKEN_KEY, token),) if token else ()


def proof_of(token: str) -> tuple[tuple[str, str], ...]:
    """Metadata by which a plugin of ours shows that it knows the token and will send it."""
    return ((PROOF_KEY, hmac.digest(token.encode(), b"strongroom plugin", hashlib.sha256).hex()),) if token else ()


class TokenCheck(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Refuses calls without the token, once ``required()`` says that the far side knows it."""

    def __init__(self, token: str, required: Callable[[], bool]) -> None:
        self._token = token.encode()
        self._required = required

        def refuse(_request: object, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSAL)

        self._refusal = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """The real handler, or the refusal. Any: handlers are opaque to interceptors."""
        return continuation(details) if self._shown(details.invocation_metadata) else self._refusal

    def check(self, context: grpc.ServicerContext) -> None:
        """The same for one call, from inside its handler: an interceptor costs a tenth of a small call."""
        if not self._shown(context.invocation_metadata()):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSAL)

    def _shown(self, metadata: Any) -> bool:
        """Whether the token is there, or not needed. Any: grpc's own pairs."""
        if not self._required():
            return True
        return any(key == TOKEN_KEY and hmac.compare_digest(value.encode(), self._token) for key, value in metadata)
