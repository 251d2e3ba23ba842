"""One connection of a client: the handshake, what comes in, what goes out, and whether the relay is still there.

Source: contracts/workspace-encryption.md 12.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from strongroom.errors import LimitExceeded, StrongroomError
from strongroom.plugin.mounts import WebSocket
from strongroom.workspace.document import Document
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.careful import apply_carefully
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.sync.cut import cut_update
from strongroom.workspace.sync.limits import MALFORMED_MAX, MESSAGE_BYTES_MAX, RECEIVED_BYTES_MAX, STATE_BYTES_MAX
from strongroom.workspace.sync.outbox import Answer, Change, Outbox, Outgoing
from strongroom.workspace.sync.pace import Pace
from strongroom.workspace.sync.reach import lacking, reach
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.yjs import frames
from strongroom.workspace.yjs.convert import v1_to_v2
from strongroom.workspace.yjs.limits import UpdateLimits
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.untrusted import from_untrusted_v2

__all__ = ["ClientSession"]

PING_S: Final = 60
DEAD_S: Final = 90
LEAVE_S_MAX: Final = 2
"""What is left to be sent when a mount is closed gets this long; the next handshake finds the rest."""
UPDATE_BYTES_MAX: Final = MESSAGE_BYTES_MAX // 2
"""Parts into which a large change is cut: the other encoding may take more bytes."""
_RECEIVED: Final = UpdateLimits(bytes_max=RECEIVED_BYTES_MAX, v1_bytes_max=2 * RECEIVED_BYTES_MAX)
ASKS_PER_SECOND: Final = 1
"""How often the relay is asked for what an update waits for."""
# The code for a socket that is closed and does not say why (RFC 6455, 7.4.1).
ABNORMAL: Final = 1006
_log = logging.getLogger("strongroom.sync")


class ClientSession:
    """One connection. ``origin`` marks what it brings into the document; ``on_heard`` is called when it works."""

    def __init__(
        self,
        document: Document,
        socket: WebSocket,
        dialect: Dialect,
        origin: object,
        now_s: Callable[[], float],
        on_heard: Callable[[], None],
    ) -> None:
        self.heard = False
        self.problem = ""
        self._document = document
        self._socket = socket
        self._upstream = dialect is Dialect.EPICENTER
        self._origin = origin
        self._now_s = now_s
        self._on_heard = on_heard
        self._outbox = Outbox()
        self._refused = 0
        self._room_bytes = 0
        self._asking = Pace(ASKS_PER_SECOND, now_s)
        self._sender = threading.Thread(target=self._send_all, name=f"sync-send-{document.guid}", daemon=True)

    def run(self) -> StrongroomError:
        """Talk until the connection ends; why it did."""
        end_updates = self._document.on_update(self._changed)
        self._sender.start()
        self._ask()
        try:
            return self._receive_all()
        finally:
            end_updates()
            self._outbox.close()
            self._close()
            self._sender.join(LEAVE_S_MAX)

    def leave(self) -> None:
        """Send what waits, for a moment, and close."""
        self._outbox.close()
        if self._sender.is_alive():
            self._sender.join(LEAVE_S_MAX)
        self._close()

    def _changed(self, update: bytes, origin: object) -> None:
        """Runs with the document's lock held."""
        if origin is not self._origin:
            self._outbox.put(Change(update))

    def _receive_all(self) -> StrongroomError:
        heard_s = self._now_s()
        pinged = False
        while True:
            try:
                message = self._socket.recv(DEAD_S - PING_S if pinged else PING_S)
            except TimeoutError:
                if pinged and self._now_s() - heard_s >= DEAD_S:
                    return faults.closed(ABNORMAL, "the relay is silent")
                if self._now_s() - heard_s >= PING_S:
                    pinged = True
                    self._ping()
                continue
            except StrongroomError as fault:
                return fault
            except Exception as fault:  # a plugin's socket raises what it likes; only its kind is shown
                return faults.closed(ABNORMAL, type(fault).__name__)
            heard_s, pinged = self._now_s(), False
            if self._outbox.overflowed:
                return faults.closed(ABNORMAL, "more was changed than the relay took; the next handshake tells it all")
            try:
                self._take(message)
            except StrongroomError as fault:
                self.problem = f"{fault.code} {fault.with_fix()}"
                _log.warning("%s %s", fault.code, fault.what, extra={"workspace": self._document.guid})
                self._refused += fault.code != faults.READ_ONLY
                if self._refused > MALFORMED_MAX:
                    return faults.closed(CloseCode.REFUSED, "most of what this relay says cannot be taken")

    def _take(self, message: bytes | str) -> None:
        if isinstance(message, str):
            return
        frame = frames.decode(message) if self._upstream else frames.decode_y(message)
        match frame:
            case frames.Step1(state_vector):
                decode_state_vector(state_vector)  # refused by name: the library takes some that nobody writes
                self._outbox.put(Answer(self._document.update_since(state_vector)))
            case frames.Step2(update) | frames.Update(update):
                self._apply(update)
                if not self.heard:
                    self.heard = True
                    self._on_heard()
            case frames.Denied():
                raise faults.read_only()

    def _apply(self, update: bytes) -> None:
        if self._upstream:
            update = from_untrusted_v2(update, _RECEIVED)[0]
        self._make_room(len(update))
        apply_carefully(self._document, update, origin=self._origin, limits=_RECEIVED)
        # A relay that lacks it too would be asked for ever.
        if lacking(reach(update), self._document.state_vector()) and not self._asking.wait_s():
            self._ask()

    def _make_room(self, size: int) -> None:
        """Raise ``LimitExceeded`` where the workspace may not grow by ``size`` bytes. Its size is seldom asked for."""
        if self._room_bytes < size:
            self._room_bytes = STATE_BYTES_MAX - len(self._document.update_since())
        if self._room_bytes < size:
            raise faults.workspace_too_large(STATE_BYTES_MAX)
        self._room_bytes -= size

    def _ask(self) -> None:
        """Have the relay send what is lacking here."""
        self._outbox.put((frames.step1 if self._upstream else frames.y_step1)(self._document.state_vector()))

    def _ping(self) -> None:
        """Have the relay say something: it answers STEP1 in any dialect, and ``ping`` upstream."""
        if self._upstream:
            self._outbox.put("ping")
        else:
            self._ask()

    def _send_all(self) -> None:
        try:
            while (item := self._outbox.take()) is not None:
                for message in self._messages(item):
                    self._socket.send(message)
        except LimitExceeded as fault:
            self.problem = f"{fault.code} {fault.with_fix()}"
            _log.error("%s %s", fault.code, fault.what, extra={"workspace": self._document.guid})
        except Exception as fault:  # a plugin's socket raises what it likes; the reader learns of the end as well
            _log.debug("sending to a relay ended: %s", type(fault).__name__)
            self._close()

    def _messages(self, item: Outgoing) -> Iterator[bytes | str]:
        """The frames that say ``item``. Raises ``LimitExceeded`` for a value that no message can carry."""
        if isinstance(item, bytes | str):
            yield item
            return
        for number, part in enumerate(cut_update(item.update, UPDATE_BYTES_MAX)):
            asked = isinstance(item, Answer) and number == 0
            if self._upstream:
                yield (frames.step2 if asked else frames.update)(v1_to_v2(part))
            else:
                yield (frames.y_step2 if asked else frames.y_update)(part)

    def _close(self) -> None:
        with suppress(Exception):  # as above; it is closed either way
            self._socket.close()
