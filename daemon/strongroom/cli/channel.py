"""The way to the host: which socket, a channel to it, one deadline per call, and every answer that is an error.

gRPC costs a third of the time a short command may take, so it is imported when there is a call to make.
"""

import os
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from strongroom.cli.caller import Caller
from strongroom.cli.exits import Exit, exit_for_status
from strongroom.cli.failure import Failure, unavailable
from strongroom.cli.ways import Channels, find_way
from strongroom.errors import StrongroomError
from strongroom.settings.sockets import SOCKET_NAME

__all__ = ["Host", "connect", "find_socket"]

# The largest message is a registration; what the host sends is far smaller.
MESSAGE_BYTES_MAX: Final = 128_000_000
# So gRPC says that a request never left. Anything else is taken for a cut, since then it may have arrived.
NEVER_CONNECTED: Final = "failed to connect"
# What Linux has room for in `sockaddr_un`, without the byte that ends it.
SOCKET_BYTES_MAX: Final = 107
USE_ANOTHER: Final = "to use one that runs, export the line that it showed at its start, or name its --socket"
# A host for development, begun by hand where the service has its socket, would keep it from starting.
SERVICE_PLACES: Final = (Path("/run/strongroom"), Path("/var/lib/strongroom"))
DETAILS_KEY: Final = "grpc-status-details-bin"
DOMAIN: Final = "strongroom"
Answer = TypeVar("Answer")


def find_socket(caller: Caller) -> Path:
    """The socket that most calls go through."""
    return find_way(caller).socket


class Host:
    """One connection. ``call`` is the only way through it, so that no call goes out without its deadline."""

    def __init__(self, channels: Channels, caller: Caller, socket: Path) -> None:
        self._channels = channels
        self._caller = caller
        self._socket = socket

    def stub(self, kind: Callable[[Any], Answer]) -> Answer:  # Any: the channel
        """A generated stub on this connection."""
        return kind(self._channels)

    def call(self, method: Callable[..., Answer], request: object, *, timeout_s: float | None = None) -> Answer:
        """The answer to ``request``, within ``timeout_s`` or as long as calls may take. Raises ``Failure``."""
        import grpc

        try:
            return method(request, timeout=timeout_s or self._caller.timeout_s)
        except grpc.RpcError as error:
            raise self._failure(error) from error

    def stream(self, method: Any, request: object, *, timeout_s: float | None = None) -> Iterator[Any]:
        """The answers to ``request`` as they come, for ``timeout_s`` or as long as calls may take.

        Any: what a generated method streams has no type that it shares with an iterator. Raises ``Failure``.
        """
        import grpc

        answers = method(request, timeout=timeout_s or self._caller.timeout_s)
        try:
            yield from answers
        except grpc.RpcError as error:
            raise self._failure(error) from error
        finally:
            # Whoever stops listening tells the host, which has a thread for this.
            answers.cancel()

    def _failure(self, error: Any) -> Failure:  # Any: a grpc.RpcError is also a grpc.Call, which its type does not say
        status = error.code().name
        code, details = _details(error)
        if status == "UNAVAILABLE" and not code:
            if NEVER_CONNECTED in (error.details() or ""):
                return _not_there(self._socket, "nothing answers on its socket")
            return unavailable(
                "SR-CLI-023",
                "the connection to the host was cut before its answer",
                why="the host was ended, or is being started again",
                fix="it may have done what was asked: look before you ask again",
            )
        if status == "DEADLINE_EXCEEDED" and not code:
            return Failure(
                StrongroomError(
                    "SR-CLI-021",
                    f"no answer within {self._caller.timeout_s:g} s",
                    why="the host is still at it, or overloaded",
                    fix="ask again with a longer --timeout; what was begun goes on",
                ),
                exit_for_status(status, "", {}),
            )
        why = details.pop("why", "")
        fix = details.pop("fix", "")
        what = error.details() or status.lower().replace("_", " ")
        if status == "UNKNOWN" and not code:
            # The text of an exception that a server did not expect; nobody has looked whether it may be shown.
            what, fix = "the host failed and did not say why", "its log says more"
        # The text of a status repeats the reason for clients that do not read details.
        what = what.removesuffix(f": {why}") if why else what
        return Failure(
            StrongroomError(code or f"SR-GRPC-{error.code().value[0]:03}", what, why=why, fix=fix),
            exit_for_status(status, code, details),
            details=details,
        )


@contextmanager
def connect(caller: Caller) -> Iterator[Host]:
    """A connection to the host. Raises ``Failure`` at once when nothing is there."""
    way = find_way(caller)
    _check_socket(way.socket)
    channels = Channels(way, _opened)
    try:
        yield Host(channels, caller, way.socket)
    finally:
        channels.close()


def _opened(socket: Path) -> Any:  # Any: grpc is imported when it is needed
    import grpc

    options = [
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.enable_retries", 0),
        ("grpc.default_authority", "localhost"),
        # A host that was started again is on the same machine: there is nothing to be gentle with.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    ]
    # gRPC reads an address as a URI, in which a path may not hold every character that a path may hold.
    return grpc.insecure_channel(f"unix:{quote(os.fsencode(socket))}", options=options)


def _check_socket(socket: Path) -> None:
    size = len(os.fsencode(socket))
    if size > SOCKET_BYTES_MAX:
        raise _never_there(
            socket, f"the path of a Unix socket has at most {SOCKET_BYTES_MAX} bytes, this one has {size}"
        )
    try:
        mode = socket.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise _not_there(socket, "its socket does not exist") from None
    except OSError as error:
        raise _not_there(socket, error.strerror or type(error).__name__) from None
    if not stat.S_ISSOCK(mode):
        raise _never_there(socket, "that is not a socket")
    if not os.access(socket, os.W_OK):
        raise Failure(
            StrongroomError(
                "SR-CLI-022",
                f"{socket} may not be used",
                why="you are not in the group that may use this host",
                fix="ask its operator to add you to the group of the socket",
            ),
            Exit.PERMISSION,
        )


def _not_there(socket: Path, why: str) -> Failure:
    if socket.parent in SERVICE_PLACES:
        start = "systemctl start strongroom (systemctl status strongroom says why it ended)"
    elif _is_of_a_service(socket.parent):
        start = (
            f"strongroom serve, as it was before; {socket.parent} is the state of a host that was no development one"
        )
    elif socket.name == SOCKET_NAME:
        start = f"strongroom dev --state-dir {shlex.quote(str(socket.parent))}"
    else:
        start = f"strongroom dev --socket {shlex.quote(str(socket))}"
    return unavailable("SR-CLI-020", f"no host at {socket}", why=why, fix=f"start it with: {start}; {USE_ANOTHER}")


def _is_of_a_service(state_dir: Path) -> bool:
    """Whether a host was here that is none for development: that one makes its keys below its state."""
    from strongroom.storage.state_lock import STATE_LOCK_NAME

    return os.access(state_dir / STATE_LOCK_NAME, os.F_OK) and not os.access(state_dir / "keys", os.F_OK)


def _never_there(socket: Path, why: str) -> Failure:
    """No host can be at this path, so nobody is told to start one there."""
    return unavailable("SR-CLI-020", f"no host at {socket}", why=why, fix=USE_ANOTHER)


def _details(error: Any) -> tuple[str, dict[str, str]]:  # Any: as above
    """Our stable code and the facts beside it; empty when the answer did not come from our host."""
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2

    for key, value in error.trailing_metadata() or ():
        if key != DETAILS_KEY or not isinstance(value, bytes):
            continue
        status = status_pb2.Status()
        try:
            status.MergeFromString(value)
            for detail in status.details:
                info = error_details_pb2.ErrorInfo()
                if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
                    return info.reason, dict(info.metadata)
        except (ValueError, DecodeError):
            # Details that cannot be read take nothing from the status, which came by itself.
            break
    return "", {}
