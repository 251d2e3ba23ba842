"""``Relay``: where the devices of an owner meet. It merges updates that it cannot open, and holds no keys.

It runs on a thread of its own, with a loop of its own; work on documents and disks is done by a few worker threads.
Source: contracts/workspace-encryption.md 12.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from strongroom.settings.relay import RelaySettings
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.admission import Asked
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.sync.connection import Surroundings
from strongroom.workspace.sync.halls import Halls
from strongroom.workspace.sync.limits import RelayTimes
from strongroom.workspace.sync.listening import Listening, listening
from strongroom.workspace.sync.local_socket import LocalChannel, LocalSocket
from strongroom.workspace.sync.reception import Reception
from strongroom.workspace.sync.room_url import RoomAddress, is_guid
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.sync.tokens import Grant, TokenFile

if TYPE_CHECKING:
    from websockets.asyncio.server import Server

__all__ = ["Relay", "RelayStatus"]

WORKERS: Final = 8
"""Rooms that are worked on at the same time: a few slow ones leave room for the others."""
START_S_MAX: Final = 30
STOP_S_MAX: Final = 30
"""Every peer gets a few seconds to answer the close, and every room is made into one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayStatus:
    """How the relay stands. ``address`` is HOST:PORT, empty without a socket. ``refused`` counts by code."""

    running: bool
    address: str
    connections: int
    rooms: int
    refused: Mapping[str, int]


class Relay:
    """One relay. Safe for any thread. Without ``settings.listen`` it serves this daemon's own mounts alone."""

    def __init__(self, settings: RelaySettings, state_dir: Path, *, times: RelayTimes | None = None) -> None:
        """Nothing happens yet. Raises ``Misconfigured`` for settings that cannot be."""
        self._settings = settings
        self._listening = listening(settings)
        self._tokens = TokenFile(settings.tokens_file)
        self._directory = state_dir / "relay"
        self._times = times or RelayTimes()
        self._refused: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._running: _Running | None = None
        self._address = ""

    def start(self) -> None:
        """Listen. Raises ``Misconfigured`` for a file of tokens that cannot be used, ``Unavailable`` if the address is
        taken."""
        if self._listening is not None:
            self._tokens.check()
        started: Future[_Running] = Future()
        self._thread = threading.Thread(target=self._live, args=(started,), name="relay", daemon=True)
        self._thread.start()
        self._running = started.result(START_S_MAX)

    def stop(self) -> None:
        """Close every connection and every room. Twice is fine."""
        running, self._running = self._running, None
        if running is not None and self._thread is not None:
            running.loop.call_soon_threadsafe(running.stopping.set)
            self._thread.join(STOP_S_MAX)

    def status(self) -> RelayStatus:
        """How it stands now."""
        running = self._running
        return RelayStatus(
            running=running is not None,
            address=self._address if running else "",
            connections=running.reception.count if running else 0,
            rooms=running.halls.count if running else 0,
            refused=dict(self._refused),
        )

    def connect_local(self, owner_id: str, guid: str, device_id: str) -> LocalSocket:
        """A connection of this daemon's own, in memory. Raises ``InvalidInput``, ``Unavailable`` if it is stopped."""
        running = self._running
        if not owner_id or not is_guid(guid):
            raise faults.no_room()
        if not device_id:
            raise faults.device_missing()
        if running is None:
            raise faults.relay_stopped()
        asked = Asked(RoomAddress(owner_id, guid), device_id, Dialect.STRONGROOM, Grant(b"", owner_id, True))
        connecting = asyncio.run_coroutine_threadsafe(running.open_local(asked), running.loop)
        return connecting.result(START_S_MAX)

    def _live(self, started: "Future[_Running]") -> None:
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="relay-room") as workers:
            asyncio.run(self._serve(started, workers))

    async def _serve(self, started: "Future[_Running]", workers: ThreadPoolExecutor) -> None:
        around = Surroundings(self._settings, self._times, self._refused)
        halls = Halls(self._directory, self._settings, self._times, workers)
        reception = Reception(halls, self._tokens, around)
        try:
            server = await _listen(self._listening, reception)
        except BaseException as fault:
            started.set_exception(fault)
            return
        if server is not None:
            host, port, *_ = server.sockets[0].getsockname()
            self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        running = _Running(asyncio.get_running_loop(), asyncio.Event(), halls, reception, set())
        watching = asyncio.create_task(reception.watch_tokens())
        started.set_result(running)
        await running.stopping.wait()
        watching.cancel()
        for task in tuple(running.local):
            task.cancel()
        if server is not None:
            server.close()
            await server.wait_closed()
        await asyncio.gather(*running.local, return_exceptions=True)
        await halls.close()


async def _listen(listening: Listening | None, reception: Reception) -> "Server | None":
    if listening is None:
        return None
    # Loaded here only: a host that listens nowhere does not pay for the library.
    from strongroom.workspace.sync.server import serve_relay

    return await serve_relay(listening, reception)


@dataclass(slots=True)
class _Running:
    """What there is while the relay runs."""

    loop: asyncio.AbstractEventLoop
    stopping: asyncio.Event
    halls: Halls
    reception: Reception
    local: set["asyncio.Task[None]"]

    async def open_local(self, asked: Asked) -> LocalSocket:
        """Join a room in memory."""
        channel = LocalChannel(Dialect.STRONGROOM)
        assert asked.grant is not None  # noqa: S101 - made by ``connect_local``
        task = asyncio.create_task(self.reception.serve(channel, asked, asked.grant, checked=False))
        self.local.add(task)
        task.add_done_callback(self.local.discard)
        # Also for a task that was cancelled before it began.
        task.add_done_callback(lambda _: channel.socket.closed_by_peer(CloseCode.GOING_AWAY, ""))
        return channel.socket
