"""``VaultService`` over mutual TLS: hosts that a CA certified call the methods of one vault.

Rule 1: TLS says which host calls; it does not say that the host is honest. What is released is decided by evidence.
Rule 2: a call without a deadline is refused, and none waits longer than ``CALL_S_MAX``.
Rule 3: what the vault refuses is an answer, as in every capability response; a status is for trouble on the way.
Source: decision 0012; proto/strongroom/vault/v1/strongroom_vault.proto.
"""

import hashlib
import logging
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NoReturn

import grpc

from strongroom.plugin import Capability, CapabilityError, Method, Misconfigured
from strongroom.plugin.dispatch import invoke
from strongroom.plugin.error_text import error_of, format_error
from strongroom.plugin.messages import capabilities_pb2, strongroom_vault_pb2
from strongroom_vault.service.files import Credentials
from strongroom_vault.service.wire import CALL_BYTES_MAX, CAPABILITY, EXECUTE, SERVICE, TRANSPORT_OPTIONS

__all__ = ["CALL_S_MAX", "VaultServer"]

THREADS: Final = 16
CALLS_MAX: Final = 64
"""Calls that are answered or wait at once; a call takes milliseconds, so more than these mean that something hangs."""
CALL_S_MAX: Final = 60.0
DEADLINE_S_MAX: Final = 365 * 86_400.0
"""A deadline that is further away was not meant as one."""
STOP_S: Final = 10.0
"""What calls that were accepted may take when the service stops."""
CONNECTION_AGE_MS: Final = 3_600_000
"""A connection is made anew after an hour, so that a certificate that ended meanwhile is looked at again."""
CONNECTION_GRACE_MS: Final = 60_000
NOT_LISTED: Final = "SR-VAULT-043"
NO_DEADLINE: Final = "SR-VAULT-044"
TOO_LARGE: Final = "SR-VAULT-045"

log = logging.getLogger(__name__)


class VaultServer:
    """Serves ``methods`` from ``start`` to ``stop``. ``hosts`` are fingerprints, None for all that the CA certified."""

    def __init__(self, methods: Mapping[str, Method], credentials: Credentials, hosts: frozenset[str] | None) -> None:
        self._capability = Capability(id=CAPABILITY, description="Secrets of workflow owners", methods=methods)
        self._credentials = credentials
        self._hosts = hosts
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS, thread_name_prefix="call"),
            options=[
                *TRANSPORT_OPTIONS,
                ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
                ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_MS),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=CALLS_MAX,
        )
        handler = grpc.unary_unary_rpc_method_handler(
            self._execute,
            strongroom_vault_pb2.VaultServiceExecuteRequest.FromString,
            strongroom_vault_pb2.VaultServiceExecuteResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {EXECUTE: handler})])

    def start(self, address: str) -> int:
        """Listen at ``address`` and return the port. Raises ``Misconfigured`` when that cannot be."""
        credentials = grpc.ssl_server_credentials(
            [(self._credentials.key, self._credentials.certificate)],
            root_certificates=self._credentials.authority,
            require_client_auth=True,
        )
        try:
            port = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            port = 0
        if port == 0:
            raise Misconfigured(
                "SR-VAULT-042",
                f"the vault cannot listen at {address}",
                why="the address is not one of this machine, its port is taken, or may not be used",
                fix="change `listen`, or end what has the port",
                where="listen",
            )
        self._server.start()
        return port

    def stop(self) -> None:
        """Take no more calls and let those end that were accepted, within ``STOP_S``."""
        self._server.stop(STOP_S).wait()

    def _execute(
        self, request: strongroom_vault_pb2.VaultServiceExecuteRequest, context: grpc.ServicerContext
    ) -> strongroom_vault_pb2.VaultServiceExecuteResponse:
        host = _fingerprint(context)
        if self._hosts is not None and host not in self._hosts:
            log.warning("a host that is not listed called: %s", host)
            text = f"the certificate with fingerprint {host} is not in tls.hosts of this vault"
            _abort(context, grpc.StatusCode.PERMISSION_DENIED, NOT_LISTED, text)
        left_s = context.time_remaining()
        # For a call without a deadline the library gives nothing, or infinity, or the end of its calendar.
        if left_s is None or left_s > DEADLINE_S_MAX:
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, NO_DEADLINE, "the call has no deadline: give it one")
        call = request.call
        if (size := call.ByteSize()) > CALL_BYTES_MAX:
            text = f"the call has {size} bytes, and {CALL_BYTES_MAX} is the limit"
            _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, TOO_LARGE, text)
        return strongroom_vault_pb2.VaultServiceExecuteResponse(
            answer=self._answer(call, min(left_s, CALL_S_MAX), host)
        )

    def _answer(
        self, call: capabilities_pb2.CapabilityRequest, timeout_s: float, host: str
    ) -> capabilities_pb2.CapabilityResponse:
        try:
            answer = invoke(self._capability, call, timeout_s)
        except Exception as raised:
            error = error_of(raised)
            if error.visibility == "Private":
                # By place and never by value: what was raised may hold what was asked for.
                log.error("method %s raised %s at %s", call.method[:100], type(raised).__name__, _place(raised))
            log.info("%s for host %s refused: %s", call.method[:100], host[:16], error.name)
            return capabilities_pb2.CapabilityResponse(error=format_error(error))
        if (size := answer.ByteSize()) > CALL_BYTES_MAX:
            text = f"{TOO_LARGE}: the answer has {size} bytes, and {CALL_BYTES_MAX} is the limit: ask for less"
            return capabilities_pb2.CapabilityResponse(
                error=format_error(CapabilityError("Public", "User", "LimitExceeded", text))
            )
        log.info("%s for host %s answered", call.method[:100], host[:16])
        return answer


def _fingerprint(context: grpc.ServicerContext) -> str:
    """SHA-256 of the certificate of whoever calls, in hex; empty when there is none, which TLS does not let through."""
    auth: Callable[[], Mapping[str, Any]] = context.auth_context  # Any: the library gives lists of bytes
    found = auth().get("x509_pem_cert", [])
    if not found:
        return ""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(bytes(found[0]).decode("ascii"))).hexdigest()


def _place(raised: Exception) -> str:
    last = raised.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last else "nowhere"


def _abort(context: grpc.ServicerContext, status: grpc.StatusCode, code: str, text: str) -> NoReturn:
    context.abort(status, f"{code}: {text}")
    raise AssertionError("gRPC ends a call that was aborted")
