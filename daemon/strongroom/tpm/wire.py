"""One connection to a TPM 2.0, a device file or a UNIX socket: a command goes in, its answer comes out.

Rule 1: one command at a time. Over ``/dev/tpmrm0`` each is one write and its answer one read; a socket may deliver an
answer in pieces.
Rule 2: an answer is bounded before it is read, and must have exactly the length that it says. After one that has not,
or that came too late, the connection is closed: the next answer could be that of another command.
Rule 3: a TPM that is busy or still testing itself is asked again, for a bounded time.
Source: TPM 2.0 Library, part 1, 18 and part 3; contracts/attestation.md 9.3 and 9.4.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from strongroom.attest.tpm_structures import TpmReader
from strongroom.errors import StrongroomError, Unavailable

__all__ = ["PASSWORD", "TpmRefused", "TpmWire", "answer_to", "connected", "policy_session", "sized"]

ANSWER_BYTES_MAX: Final = 4096
COMMAND_BYTES_MAX: Final = 4096
ANSWER_TIMEOUT_MS: Final = 30_000
"""A discrete TPM may take seconds to make a key."""
RETRIES_MAX: Final = 50
RETRY_AFTER_S: Final = 0.002

_BUSY: Final = frozenset({0x922, 0x90A})
"""TPM_RC_RETRY, and TPM_RC_TESTING."""
_NO_SESSIONS: Final = 0x8001
_SESSIONS: Final = 0x8002
_HEADER: Final = struct.Struct(">HII")


def sized(raw: bytes) -> bytes:
    """Bytes behind their length, which has two bytes."""
    return struct.pack(">H", len(raw)) + raw


def policy_session(handle: bytes) -> bytes:
    """An authorisation by a policy session that needs no further secret; the session ends with the command."""
    return handle + sized(b"") + b"\0" + sized(b"")


PASSWORD: Final = policy_session(bytes.fromhex("40000009"))
"""The authorisation by an empty password."""


class TpmRefused(Unavailable):
    """The TPM answered a command with an error. ``response`` is its code (part 2, 6.6)."""

    def __init__(self, command: int, response: int) -> None:
        super().__init__(
            "SR-EVID-005",
            f"the TPM refused command {command:03x}",
            why=f"response code {response:03x}",
            fix="look the code up in TPM 2.0 Library, part 2, 6.6; 902 means that others fill the TPM: use /dev/tpmrm0",
            command=command,
            response=response,
        )
        self.response = response


class TpmWire:
    """An open connection. One thread uses it."""

    __slots__ = ("_answer_timeout_ms", "_descriptor")

    def __init__(self, descriptor: int, *, answer_timeout_ms: int = ANSWER_TIMEOUT_MS) -> None:
        """Take over ``descriptor`` of a device, or of a socket."""
        self._descriptor = descriptor
        self._answer_timeout_ms = answer_timeout_ms

    def close(self) -> None:
        """End the connection. What a TPM without a resource manager holds for it stays there."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def run(self, command: int, *handles: bytes, auth: tuple[bytes, ...] = (), parameters: bytes = b"") -> bytes:
        """The answer to a command behind its header: handles and parameters as part 3 has them for that command.

        Raises ``TpmRefused`` for an error of the TPM and ``Unavailable`` for an answer that is none.
        """
        area = b"".join(auth)
        authorisation = struct.pack(">I", len(area)) + area if auth else b""
        content = b"".join(handles) + authorisation + parameters
        size = _HEADER.size + len(content)
        if size > COMMAND_BYTES_MAX:
            raise self._broken("a command is too large", f"{size} bytes, and {COMMAND_BYTES_MAX} is the limit")
        message = _HEADER.pack(_SESSIONS if auth else _NO_SESSIONS, size, command) + content
        for attempt in range(RETRIES_MAX + 1):
            if attempt:
                time.sleep(RETRY_AFTER_S)
            response, answer = self._exchange(message)
            if response not in _BUSY:
                break
        if response:
            raise TpmRefused(command, response)
        return answer

    def _exchange(self, message: bytes) -> tuple[int, bytes]:
        if self._descriptor < 0:
            raise self._broken("the connection to the TPM is closed", "an earlier answer could not be used")
        try:
            self._write(message)
            return self._read()
        except OSError as error:
            raise self._broken("the connection to the TPM broke", error.strerror or type(error).__name__) from error

    def _write(self, message: bytes) -> None:
        written = os.write(self._descriptor, message)
        if written != len(message):
            raise self._broken("the TPM took a part of a command", f"{written} of {len(message)} bytes")

    def _read(self) -> tuple[int, bytes]:
        deadline = time.monotonic() + self._answer_timeout_ms / 1000
        answer, wanted = b"", _HEADER.size
        while len(answer) < wanted:
            answer += self._read_some(deadline)
            if len(answer) >= _HEADER.size:
                wanted = _HEADER.unpack_from(answer)[1]
                if not _HEADER.size <= wanted <= ANSWER_BYTES_MAX:
                    why = f"it says {wanted} bytes, and {ANSWER_BYTES_MAX} is the limit"
                    raise self._broken("the TPM's answer is malformed", why)
        tag, _, response = _HEADER.unpack_from(answer)
        if len(answer) != wanted or tag not in {_NO_SESSIONS, _SESSIONS}:
            raise self._broken("the TPM's answer is malformed", f"tag {tag:04x}, {len(answer)} of {wanted} bytes")
        return response, answer[_HEADER.size :]

    def _read_some(self, deadline: float) -> bytes:
        left_ms = (deadline - time.monotonic()) * 1000
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if left_ms <= 0 or not poll.poll(left_ms):
            raise self._broken("the TPM did not answer", f"{self._answer_timeout_ms} ms have passed")
        # A device gives its answer to one read only, so the read must have room for all of it, and for one byte more.
        found = os.read(self._descriptor, ANSWER_BYTES_MAX + 1)
        if not found:
            raise self._broken("the TPM's answer is malformed", "it ended early")
        return found

    def _broken(self, what: str, why: str) -> Unavailable:
        self.close()
        return _no_answer(what, why)


@contextmanager
def answer_to(command: str, answer: bytes, *, has_parameters_size: bool = True) -> Iterator[TpmReader]:
    """Read an answer's parameters; those of a command with sessions stand behind their length.

    Raises ``Unavailable`` when the answer ends too early, or is refused by whoever reads it.
    """
    reader = TpmReader(command, answer)
    try:
        if has_parameters_size:
            reader.number(4)
        yield reader
    except Unavailable:
        raise
    except StrongroomError as error:
        raise _no_answer(f"the TPM's answer to {command} is malformed", error.why) from error


def _no_answer(what: str, why: str) -> Unavailable:
    return Unavailable("SR-EVID-006", what, why=why, fix="start again what asked it, and see the TPM's own log")


def connected(path: Path) -> TpmWire:
    """A connection to the TPM that takes connections at the UNIX socket ``path``. Raises ``OSError``."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return TpmWire(connection.detach())
