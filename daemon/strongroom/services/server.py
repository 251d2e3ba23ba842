"""The gRPC server of the API: one socket, health, and reflection where it is wanted."""

import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import quote

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from strongroom.errors import Misconfigured
from strongroom.pb.strongroom.v1 import capability_pb2, plugin_pb2, run_pb2, status_pb2, workflow_pb2
from strongroom.services.interceptor import Guard

__all__ = ["SERVICES", "ApiServer"]

SOCKET_PATH_BYTES_MAX: Final = 107
"""The kernel's limit for the path of a Unix socket, without its final NUL."""
SOCKET_MODE: Final = 0o660
"""The owner, and the group that an operator gave the socket to."""
THREADS: Final = 256
"""Calls at once; most of them wait for a run and cost no processor. Waiting calls may take ``WAITING_MAX`` of them."""
SERVICES: Final = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (workflow_pb2, "WorkflowService"),
        (run_pb2, "RunService"),
        (capability_pb2, "CapabilityService"),
        (plugin_pb2, "PluginService"),
        (status_pb2, "StatusService"),
    )
)


class ApiServer:
    """Serves on a Unix socket. ``message_bytes_max`` bounds each message in both directions."""

    def __init__(
        self,
        socket: Path,
        add_services: Sequence[Callable[[grpc.Server], None]],
        *,
        message_bytes_max: int,
        reflection: bool,
    ) -> None:
        self._socket = socket
        self._health = health.HealthServicer()
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS, thread_name_prefix="api"),
            interceptors=[Guard()],
            options=[
                ("grpc.max_receive_message_length", message_bytes_max),
                ("grpc.max_send_message_length", message_bytes_max),
                ("grpc.so_reuseport", 0),
            ],
        )
        for add in add_services:
            add(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if reflection:
            _add_reflection(self._server)

    def start(self) -> None:
        """Bind and serve. Whoever holds the state directory's lock may replace a socket that nobody serves any more."""
        path = str(self._socket)
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
            raise Misconfigured(
                "SR-API-005",
                f"the socket path is {len(os.fsencode(path))} bytes, more than {SOCKET_PATH_BYTES_MAX}: {path}",
                why="the kernel allows no longer path for a Unix socket",
                fix="choose a shorter --state-dir, or set the socket (--socket, STRONGROOM_SOCKET)",
                where="socket",
            )
        if self._socket.exists() and stat.S_ISSOCK(self._socket.stat().st_mode):
            self._socket.unlink()
        before = os.umask(0o117)
        try:
            # The target is a URI: a path with a percent or question mark must not be read as one.
            self._server.add_insecure_port(f"unix:{quote(os.fsencode(path))}")
            self._server.start()
        except RuntimeError as error:
            raise Misconfigured(
                "SR-API-006",
                f"the socket {path} cannot be bound",
                why=str(error),
                fix="check that its directory exists and is writable",
                where="socket",
            ) from error
        finally:
            os.umask(before)
        self._socket.chmod(SOCKET_MODE)

    def set_serving(self, name: str, serving: bool) -> None:
        """Set the health of ``name``; the empty name is the host as a whole."""
        word = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        self._health.set(name, word)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let running ones end within ``grace_s``, and remove the socket."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_s).wait()
        self._socket.unlink(missing_ok=True)


def _add_reflection(server: grpc.Server) -> None:
    # Loaded here only: a host without reflection does not pay for it.
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
