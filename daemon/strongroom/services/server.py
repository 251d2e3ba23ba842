"""The gRPC server of the API: one socket, health, and reflection where it is wanted."""

import os
import socket
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from strongroom.errors import Misconfigured
from strongroom.pb.strongroom.v1 import (
    capability_pb2,
    keys_pb2,
    plugin_pb2,
    run_pb2,
    status_pb2,
    workflow_pb2,
    workspace_pb2,
)
from strongroom.services.interceptor import Guard
from strongroom.telemetry import logs

__all__ = ["SERVICES", "ApiServer"]

SOCKET_PATH_BYTES_MAX: Final = 107
"""The kernel's limit for the path of a Unix socket, without its final NUL."""
SOCKET_MODE: Final = 0o660
"""The owner, and the group that an operator gave the socket to."""
THREADS: Final = 256
"""Calls at once; most of them wait for a run and cost no processor. Waiting calls may take ``WAITING_MAX`` of them."""
END_S: Final = 2.0
"""How long calls that were cancelled may take to be gone. It takes no time, and is the library's doing."""
CONNECT_S: Final = 1.0
"""How long a host that may be at a socket is given to take a connection; the kernel does it for any that listens."""
SERVICES: Final = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (workflow_pb2, "WorkflowService"),
        (run_pb2, "RunService"),
        (capability_pb2, "CapabilityService"),
        (plugin_pb2, "PluginService"),
        (status_pb2, "StatusService"),
        (workspace_pb2, "WorkspaceService"),
        (keys_pb2, "KeysService"),
    )
)
log = logs.get("services")


class ApiServer:
    """Serves on a Unix socket. ``message_bytes_max`` bounds each message in both directions."""

    def __init__(
        self,
        path: Path,
        add_services: Sequence[Callable[[grpc.Server], None]],
        *,
        message_bytes_max: int,
        reflection: bool,
    ) -> None:
        self._socket = path
        self._made: tuple[int, int] | None = None
        self._directory: int | None = None
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

    def check(self) -> None:
        """Raises ``Misconfigured`` when the socket could not be bound now, such as when another host serves on it."""
        path = str(self._socket)
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
            raise Misconfigured(
                "SR-API-005",
                f"the socket path is {len(os.fsencode(path))} bytes, more than {SOCKET_PATH_BYTES_MAX}: {path}",
                why="the kernel allows no longer path for a Unix socket",
                fix="choose a shorter --state-dir, or set the socket (--socket, STRONGROOM_SOCKET)",
                where="socket",
            )
        self._make_room()

    def start(self) -> None:
        """Bind and serve. A socket that nobody serves any more is replaced."""
        self.check()
        try:
            self._bind()
        except RuntimeError as error:
            raise _unbindable(str(self._socket), str(error)) from error
        except OSError as error:
            raise _unbindable(str(self._socket), f"{self._socket.parent}: {error.strerror}") from error

    def set_serving(self, name: str, serving: bool) -> None:
        """Set the health of ``name``; the empty name is the host as a whole."""
        word = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        self._health.set(name, word)

    def stop(self, grace_s: float) -> None:
        """Refuse new calls, let running ones end within ``grace_s``, and remove the socket."""
        self._health.enter_graceful_shutdown()
        if not self._server.stop(grace_s).wait(grace_s + END_S):
            log.warning("calls of clients did not end when they were told to")
        # What stands there by now may be another host's.
        if self._made is not None and _inode(self._socket) == self._made:
            self._socket.unlink(missing_ok=True)
        if self._directory is not None:
            os.close(self._directory)
            self._directory = None

    def _bind(self) -> None:
        """Bind under a name of our own, then give the socket the one that clients know, unless somebody has that.

        gRPC removes whatever stands at the path that it bound, before and afterwards; it does not learn the real one.
        """
        self._directory = os.open(self._socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        own = self._socket.with_name(f".api-{os.getpid()}")
        # Tried beforehand, since gRPC says on stderr and in its own words that a directory takes nothing.
        own.touch()
        own.unlink()
        before = os.umask(0o117)
        try:
            # The path of the directory may be as long as the kernel allows already.
            self._server.add_insecure_port(f"unix:/proc/self/fd/{self._directory}/{own.name}")
            self._server.start()
        finally:
            os.umask(before)
        try:
            own.chmod(SOCKET_MODE)
            os.link(own, self._socket)
            self._made = _inode(own)
        except FileExistsError:
            raise self._in_use() from None
        finally:
            own.unlink(missing_ok=True)

    def _make_room(self) -> None:
        """Remove the socket of a host that was killed; refuse to take that of one that answers."""
        try:
            if not stat.S_ISSOCK(self._socket.lstat().st_mode):
                raise _unbindable(str(self._socket), "what stands there is no socket")
        except OSError:
            # Nothing is there, or binding will say what is wrong.
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(CONNECT_S)
            try:
                client.connect(os.fsencode(self._socket))
            except (ConnectionRefusedError, FileNotFoundError):
                # Nobody listens: it is left over.
                self._socket.unlink(missing_ok=True)
                return
            except TimeoutError:
                # Its queue is full: somebody is there and has no time.
                pass
            except OSError as error:
                raise _unbindable(str(self._socket), str(error)) from error
        raise self._in_use()

    def _in_use(self) -> Misconfigured:
        return Misconfigured(
            "SR-API-009",
            f"somebody serves on the socket {self._socket} already",
            why="its clients would be answered by another host",
            fix="stop that host, or choose another socket (--socket, STRONGROOM_SOCKET)",
            where="socket",
        )


def _inode(path: Path) -> tuple[int, int] | None:
    """What stands at ``path``, told from whatever comes there later."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _unbindable(path: str, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-API-006",
        f"the socket {path} cannot be bound",
        why=why,
        fix="check that its directory exists and is writable",
        where="socket",
    )


def _add_reflection(server: grpc.Server) -> None:
    # Loaded here only: a host without reflection does not pay for it.
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
