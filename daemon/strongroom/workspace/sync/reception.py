"""What the relay does with a request once it is read: into a room, or one answer of one.

Both ways in, over the network and in memory, come through here.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from strongroom.errors import StrongroomError
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.admission import Asked, RequestHeaders, admitted, ask
from strongroom.workspace.sync.channel import Channel
from strongroom.workspace.sync.close_codes import CloseCode, life_over
from strongroom.workspace.sync.connection import Connection, Surroundings
from strongroom.workspace.sync.dialect_epicenter import EpicenterConnection
from strongroom.workspace.sync.dialect_strongroom import StrongroomConnection
from strongroom.workspace.sync.halls import Halls
from strongroom.workspace.sync.limits import OWNER_HELD_BYTES_MAX
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.sync.tokens import Grant, TokenFile
from strongroom.workspace.yjs.http_body import decode_body

__all__ = ["Reception"]


class Reception:
    """The connections of one relay. Used on its loop."""

    def __init__(self, halls: Halls, tokens: TokenFile, around: Surroundings) -> None:
        self.tokens = tokens
        self.around = around
        self._halls = halls
        self._connections: set[Connection] = set()
        self._of_owner: Counter[str] = Counter()

    @property
    def origins(self) -> Sequence[str]:
        """Web pages that may ask."""
        return self.around.settings.origins

    @property
    def count(self) -> int:
        """Connections of now."""
        return self._of_owner.total()

    def check(self, asked: Asked) -> Asked:
        """Refuse before the handshake what can be refused in HTTP. A token that is not known cannot: see ``server``.

        Raises ``Forbidden``, ``InvalidInput`` and ``LimitExceeded``.
        """
        if asked.grant is not None:
            admitted(asked)
            if not asked.device_id:
                raise faults.device_missing()
            self._check_place(asked.address.owner_id)
        return asked

    async def serve(self, channel: Channel, asked: Asked, grant: Grant, *, checked: bool = True) -> None:
        """Be connected until either side ends it. ``checked`` connections are held against the file of tokens."""
        owner_id = asked.address.owner_id
        self._of_owner[owner_id] += 1
        try:
            # Others may have come while the handshake went on.
            self._check_place(owner_id, here=1)
            await self._be_in_room(channel, asked, grant, checked=checked)
        except StrongroomError as fault:
            self.around.refused[fault.code] += 1
            await channel.close(CloseCode.TRY_LATER, f"{fault.code} {fault.what}"[:100])
        finally:
            self._of_owner[owner_id] -= 1

    async def _be_in_room(self, channel: Channel, asked: Asked, grant: Grant, *, checked: bool) -> None:
        hall = await self._halls.enter(asked.address)
        kind = EpicenterConnection if asked.dialect is Dialect.EPICENTER else StrongroomConnection
        connection = kind(channel, hall, asked.device_id, grant, self.around)
        if checked:
            self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._halls.leave(asked.address)

    async def full_state(self, target: str, headers: RequestHeaders) -> bytes:
        """The answer to GET: all of the document, in V2. Raises what ``ask`` and ``admitted`` do."""
        asked = ask(target, headers, self.tokens, self.origins)
        admitted(asked)
        hall = await self._halls.enter(asked.address)
        try:
            return await hall.room.missing(b"\x00", Dialect.EPICENTER)
        finally:
            self._halls.leave(asked.address)

    def check_post(self, target: str, headers: RequestHeaders, length: int) -> str:
        """The owner whose workspace a POST is for, before its body is read. Raises as ``full_state`` does, and
        ``LimitExceeded`` where too much is held for that owner already."""
        asked = ask(target, headers, self.tokens, self.origins)
        admitted(asked)
        owner_id = asked.address.owner_id
        if not self.around.budget.has_place(owner_id, length):
            raise faults.too_many("bytes of this owner in memory", OWNER_HELD_BYTES_MAX, "")
        return owner_id

    async def sync_once(self, target: str, headers: RequestHeaders, body: bytes) -> bytes:
        """The answer to POST: what the asker lacks, in V2, nothing if it lacks nothing. Raises as above, and
        ``InvalidInput`` for a body that cannot be read."""
        asked = ask(target, headers, self.tokens, self.origins)
        grant = admitted(asked)
        request = decode_body(body)
        hall = await self._halls.enter(asked.address)
        try:
            if request.update_v2:
                if not grant.may_write:
                    raise faults.read_only()
                await hall.room.take(request.update_v2, Dialect.EPICENTER, None)
            return await hall.room.missing_or_nothing(request.state_vector, Dialect.EPICENTER)
        finally:
            self._halls.leave(asked.address)

    async def watch_tokens(self) -> None:
        """Hold every connection against the file of tokens, for ever."""
        while True:
            await asyncio.sleep(self.around.times.tokens_s)
            for connection in tuple(self._connections):
                now = self.tokens.find(connection.grant.digest)
                if now is None or now.owner_id != connection.grant.owner_id:
                    connection.end(CloseCode.NOT_ADMITTED, faults.not_admitted().what)
                    continue
                if now.may_write and not connection.grant.may_write:
                    # What was refused so far comes with the next handshake, and not otherwise.
                    connection.end(life_over(connection.dialect), "its token may write now: come again")
                connection.grant = now

    def _check_place(self, owner_id: str, here: int = 0) -> None:
        settings = self.around.settings
        if self._of_owner.total() - here >= settings.connections_max:
            raise faults.too_many("connections", settings.connections_max, "relay.connections_max")
        if self._of_owner[owner_id] - here >= settings.connections_per_owner_max:
            limit = settings.connections_per_owner_max
            raise faults.too_many("connections of this owner", limit, "relay.connections_per_owner_max")
