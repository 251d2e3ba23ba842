"""The gRPC servers of the API: one for each way in, with the same services; on sockets also health and reflection."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from strongroom.pb.strongroom.v1 import (
    audit_pb2,
    capability_pb2,
    hook_pb2,
    host_pb2,
    keys_pb2,
    plugin_pb2,
    run_pb2,
    status_pb2,
    stream_pb2,
    workflow_pb2,
    workspace_pb2,
    world_pb2,
)
from strongroom.services.access import Access, users_socket
from strongroom.services.call_share import CallShares
from strongroom.services.call_threads import CallThreads
from strongroom.services.interceptor import Guard
from strongroom.services.message_budget import MessageBudget
from strongroom.services.tls_port import TlsPort
from strongroom.services.unix_socket import UnixSocket
from strongroom.telemetry import logs

__all__ = ["SERVICES", "AddService", "ApiServer", "ApiServers"]

AddService: TypeAlias = Callable[[grpc.Server], None]
"""Has a server answer for a service."""

THREADS: Final = 320
"""Calls at once; most of them wait for a run and cost no processor. Waiting calls may take ``WAITING_MAX`` of them."""
MESSAGES_BYTES_MAX: Final = 512_000_000
"""Of a server that was told nothing else."""
METADATA_BYTES_MAX: Final = 8_192
"""Of one call: a token, and what tracers add."""
END_S: Final = 2.0
"""How long calls that were cancelled may take to be gone. It takes no time, and is the library's doing."""
SERVICES: Final = tuple(
    service.full_name
    for file in (
        audit_pb2,
        capability_pb2,
        hook_pb2,
        host_pb2,
        keys_pb2,
        plugin_pb2,
        run_pb2,
        status_pb2,
        stream_pb2,
        workflow_pb2,
        workspace_pb2,
        world_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
)
"""Ours. Each method of each of them stands in ``services/roles.py``."""
log = logs.get("services")


class ApiServer:
    """Serves at one place. ``message_bytes_max`` bounds each message in both directions.

    ``access`` says who may come in there; as it is left out, whoever may open the socket has the roles of users.
    """

    def __init__(
        self,
        place: Path | UnixSocket | TlsPort,
        add_services: Sequence[AddService],
        *,
        message_bytes_max: int,
        reflection: bool,
        access: Access | None = None,
        hidden: Callable[[str], str] = str,
        budget: MessageBudget | None = None,
    ) -> None:
        """``budget`` is what messages may take of the memory, of all servers together where they have the same."""
        self._place = UnixSocket(place) if isinstance(place, Path) else place
        self._health = health.HealthServicer()
        budget = budget or MessageBudget(MESSAGES_BYTES_MAX)
        self._shares = CallShares(CallThreads(THREADS, "api", budget), budget)
        self._server = grpc.server(
            self._shares.threads,
            interceptors=[Guard(access or users_socket(), self._shares, hidden)],
            options=[
                ("grpc.max_receive_message_length", message_bytes_max),
                ("grpc.max_send_message_length", message_bytes_max),
                ("grpc.max_metadata_size", METADATA_BYTES_MAX),
                ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
                ("grpc.so_reuseport", 0),
            ],
        )
        for add in add_services:
            add(self._server)
        # What answers without asking who asks is on this machine only.
        if isinstance(self._place, UnixSocket):
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
            if reflection:
                _add_reflection(self._server)

    def check(self) -> None:
        """Raises ``Misconfigured`` when it could not be served there now, such as when another host is there."""
        self._place.check()

    def start(self) -> None:
        """Bind and serve."""
        if isinstance(self._place, TlsPort):
            self._place.bind(self._server.add_secure_port)
            self._server.start()
        else:
            self._place.bind(self._listen)

    def _listen(self, address: str) -> None:
        self._server.add_insecure_port(address)
        self._server.start()

    def set_serving(self, name: str, serving: bool) -> None:
        """Set the health of ``name``; the empty name is the host as a whole."""
        word = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        self._health.set(name, word)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let running ones end within ``grace_s``, and remove the socket."""
        self.begin_stop(grace_s)()

    def begin_stop(self, grace_s: float) -> Callable[[], None]:
        """As ``stop``, which waits only when what is returned is called."""
        self._health.enter_graceful_shutdown()
        self._shares.close()
        stopped = self._server.stop(grace_s)

        def end() -> None:
            if not stopped.wait(grace_s + END_S):
                log.warning("calls of clients did not end when they were told to")
            self._place.release()

        return end


class ApiServers:
    """The servers of one host, as one."""

    def __init__(self, servers: Sequence[ApiServer]) -> None:
        self._servers = servers

    def check(self) -> None:
        """Raises ``Misconfigured`` for the first that could not be served now."""
        for server in self._servers:
            server.check()

    def start(self) -> None:
        """Serve at each place. Raises ``Misconfigured``."""
        for server in self._servers:
            server.start()

    def set_serving(self, name: str, serving: bool) -> None:
        """Set the health of ``name`` wherever it can be asked."""
        for server in self._servers:
            server.set_serving(name, serving)

    def stop(self, grace_s: float) -> None:
        """Stop all of them at the same time."""
        for end in [server.begin_stop(grace_s) for server in self._servers]:
            end()


def _add_reflection(server: grpc.Server) -> None:
    # Loaded here only: a host without reflection does not pay for it.
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
