"""The relay's WebSockets: who connects, what they are answered in HTTP, and which class speaks with them.

Rule 1: nothing that a request says is logged; its target may hold a token.
Rule 2: a token that is not known is answered in WebSocket, with 4401: a browser learns the reason of no other refusal,
and would try for ever.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from strongroom.errors import StrongroomError
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.admission import Asked, admitted, ask
from strongroom.workspace.sync.channel import ChannelClosed
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.sync.dial import silent
from strongroom.workspace.sync.http_answers import REASONS, answer, refusal
from strongroom.workspace.sync.http_post import BadRequest, PostReader
from strongroom.workspace.sync.limits import CONNECTING_MAX, MESSAGE_BYTES_MAX
from strongroom.workspace.sync.listening import Listening
from strongroom.workspace.sync.reception import Reception
from strongroom.workspace.sync.subprotocols import chosen

__all__ = ["serve_relay"]

POST = b"POST "
OCTETS = "application/octet-stream"
BACKLOG = 1_024
"""Connections that the kernel holds until they are accepted: after a restart every device comes at once."""


class WebSocketChannel:
    """A ``Channel`` over a WebSocket."""

    def __init__(self, connection: ServerConnection, close_s: float) -> None:
        self._connection = connection
        self._close_s = close_s

    async def receive(self) -> bytes | str:
        """See ``Channel``."""
        try:
            return await self._connection.recv()
        except ConnectionClosed:
            raise ChannelClosed from None

    async def send(self, message: bytes | str) -> None:
        """See ``Channel``."""
        try:
            await self._connection.send(message)
        except ConnectionClosed:
            raise ChannelClosed from None

    async def close(self, code: int, reason: str) -> None:
        """See ``Channel``. A peer that does not read in time does not learn why."""
        try:
            async with asyncio.timeout(self._close_s):
                await self._connection.close(code, reason)
        except TimeoutError:
            self._connection.transport.abort()


async def serve_relay(listening: Listening, reception: Reception) -> Server:
    """Listen. Raises ``Unavailable`` if the address is taken."""
    times, settings = reception.around.times, reception.around.settings

    class RelayConnection(_Connection):
        def __init__(self, *arguments: Any, **named: Any) -> None:  # Any: the library's own
            super().__init__(*arguments, **named)
            self.reception = reception

    try:
        return await serve(
            _handle,
            listening.host,
            listening.port,
            ssl=listening.tls,
            backlog=BACKLOG,
            select_subprotocol=_select,
            compression=None,
            process_request=_process,
            server_header=None,
            open_timeout=settings.handshake_timeout_ms / 1000,
            ping_interval=times.ping_s,
            ping_timeout=times.ping_s,
            close_timeout=times.close_s,
            max_size=MESSAGE_BYTES_MAX,
            # One message is worked on, one waits: what else a peer sends stays with it.
            max_queue=2,
            logger=silent("strongroom.relay.server"),
            create_connection=RelayConnection,
        )
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise faults.address_taken(f"{listening.host}:{listening.port}", why) from None


class _Connection(ServerConnection):
    """One TCP connection: a WebSocket, unless its first word is POST."""

    reception: Reception
    asked: Asked | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._first = b""
        self._post: PostReader | None = None
        self._answering: asyncio.Task[None] | None = None
        self._refused: StrongroomError | None = None
        self._held: tuple[str, int] | None = None
        limit = self.reception.around.settings.connections_max + CONNECTING_MAX
        if len(self.server.handler_tasks) >= limit:
            self.reception.around.refused["too many"] += 1
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._post is None and self._first != POST:
            self._first += data
            if len(self._first) < len(POST) and POST.startswith(self._first):
                return
            data, self._first = self._first, POST
            if not data.startswith(POST):
                super().data_received(data)
                return
            self._post = PostReader(self._may_post)
        if self._post is None:
            super().data_received(data)
        elif self._answering is None:
            self._read_post(self._post, data)

    def eof_received(self) -> bool | None:  # type: ignore[override] # asyncio keeps the socket open for an answer if it is true
        # Without the rest of its body a request waits for nothing.
        return self._answering is not None if self._post is not None else super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        held, self._held = self._held, None
        if held is not None:
            self.reception.around.budget.take(held[0], -held[1])

    def _may_post(self, post: PostReader, length: int) -> bool:
        """Whether the body may come into memory: nobody's does without a token."""
        try:
            owner_id = self.reception.check_post(post.target, post, length)
        except StrongroomError as fault:
            self.reception.around.refused[fault.code] += 1
            self._refused = fault
            return False
        self._held = (owner_id, length)
        self.reception.around.budget.take(owner_id, length)
        return True

    def _read_post(self, post: PostReader, data: bytes) -> None:
        try:
            if not post.feed(data):
                return
            if self._refused is not None:
                self._write(*refusal(self._refused), "text/plain")
            else:
                self._answering = self.loop.create_task(self._answer(post))
        except BadRequest as bad:
            self._write(bad.status, REASONS[bad.status].encode() + b"\n", "text/plain")

    async def _answer(self, post: PostReader) -> None:
        try:
            body = await self.reception.sync_once(post.target, post, post.body)
            self._write(200 if body else 204, body, OCTETS)
        except StrongroomError as fault:
            self._write(*refusal(fault), "text/plain")

    def _write(self, status: int, body: bytes, content_type: str) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS[status]}"]
        lines += [f"{name}: {value}" for name, value in answer(status, body, content_type=content_type)]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()


def _select(connection: ServerConnection, offers: Sequence[Subprotocol]) -> Subprotocol | None:
    del connection
    dialect = chosen(offers)
    return Subprotocol(dialect.value) if dialect is not None else None


async def _process(connection: ServerConnection, request: Request) -> Response | None:
    """Answer in HTTP, or let the handshake go on."""
    assert isinstance(connection, _Connection)  # noqa: S101 - made by RelayConnection alone
    reception = connection.reception
    try:
        if "Upgrade" not in request.headers:
            return _response(200, await reception.full_state(request.path, request.headers), OCTETS)
        connection.asked = reception.check(ask(request.path, request.headers, reception.tokens, reception.origins))
    except StrongroomError as fault:
        reception.around.refused[fault.code] += 1
        return _response(*refusal(fault), "text/plain; charset=utf-8")
    return None


async def _handle(connection: ServerConnection) -> None:
    assert isinstance(connection, _Connection)  # noqa: S101 - as above
    asked = connection.asked
    if asked is None or asked.grant is None:
        fault = faults.not_admitted()
        connection.reception.around.refused[fault.code] += 1
        await connection.close(CloseCode.NOT_ADMITTED, f"{fault.code} {fault.what}")
        return
    channel = WebSocketChannel(connection, connection.reception.around.times.close_s)
    await connection.reception.serve(channel, asked, admitted(asked))


def _response(status: int, body: bytes, content_type: str) -> Response:
    return Response(status, REASONS[status], Headers(answer(status, body, content_type=content_type)), body)
