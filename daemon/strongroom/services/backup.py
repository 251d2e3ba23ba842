"""``strongroom.v1.BackupService``."""

import threading
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import grpc

from strongroom.errors import InvalidInput, LimitExceeded, NotFound, StrongroomError, Unavailable
from strongroom.pb.strongroom.v1 import backup_pb2, backup_pb2_grpc

__all__ = ["BackupService", "Desk", "MadeBackup"]

PART_BYTES_MAX: Final = 1 << 20
PATH_CHARS_MAX: Final = 4_096
TELL_S: Final = 0.25
"""Between two messages about how far it is."""
Answer = backup_pb2.BackupServiceCreateResponse


class MadeBackup(Protocol):
    """A backup whose parts are made."""

    @property
    def backup_id(self) -> str:
        """Its id."""

    @property
    def size(self) -> int:
        """About how many bytes it has."""

    def pieces(self) -> Iterator[bytes]:
        """The bytes of its file."""

    def close(self) -> None:
        """Take away what was made for it."""


class Desk(Protocol):
    """Makes backups."""

    def make(self, told: Callable[[str, int, int], object]) -> MadeBackup:
        """The parts of one; ``told`` may raise to end it."""

    def confirm(self, backup_id: str) -> bool:
        """Note that one is kept; ``False`` for an id that is none of this host's newest."""


class BackupService(backup_pb2_grpc.BackupServiceServicer):
    """Backups of this host."""

    def __init__(self, desk: Desk, *, is_ending: Callable[[], bool]) -> None:
        self._desk = desk
        self._is_ending = is_ending
        self._one = threading.Lock()

    def Create(self, request: backup_pb2.BackupServiceCreateRequest, context: grpc.ServicerContext) -> Iterator[Answer]:
        """Make one, and stream it."""
        _check_path(request.path)
        if not self._one.acquire(blocking=False):
            raise Unavailable(
                "SR-BACKUP-013",
                "a backup is being made already",
                why="two at once would take twice the room and the time",
                fix="wait until it has ended",
            )
        try:
            yield from self._created(context)
        finally:
            self._one.release()

    def Confirm(
        self, request: backup_pb2.BackupServiceConfirmRequest, context: grpc.ServicerContext
    ) -> backup_pb2.BackupServiceConfirmResponse:
        """Take note that it is on a disk."""
        _check_path(request.path)
        if not self._desk.confirm(request.backup_id):
            raise NotFound(
                "SR-BACKUP-018",
                "this host knows of no such backup",
                why="it was started again since, or the backup is of another host",
                fix="the file is a backup all the same: strongroom backup verify",
            )
        return backup_pb2.BackupServiceConfirmResponse()

    def _created(self, context: grpc.ServicerContext) -> Iterator[Answer]:
        making = _Making(self._desk, lambda: not context.is_active() or self._is_ending())
        try:
            yield from making.progress()
        finally:
            # Whoever leaves takes the next backup its room and its turn, unless this one has ended.
            made = making.ended()
        if isinstance(made, BaseException):
            raise made
        try:
            first = True
            for part in _parts(made.pieces()):
                if self._is_ending():
                    raise _ending()
                yield Answer(part=part, backup_id=made.backup_id, size=made.size) if first else Answer(part=part)
                first = False
        finally:
            made.close()


class _Making:
    """A backup that is made by a thread, so that whoever asked hears how far it is."""

    def __init__(self, desk: Desk, is_over: Callable[[], bool]) -> None:
        self._desk = desk
        self._is_over = is_over
        self._is_given_up = False
        self._newest: Answer | None = None
        self._result: MadeBackup | BaseException | None = None
        self._thread = threading.Thread(target=self._make, name="backup", daemon=True)
        self._thread.start()

    def progress(self) -> Iterator[Answer]:
        """How far it is, until it is made. Whoever does not listen to the end gives it up."""
        is_whole = False
        try:
            while self._thread.is_alive():
                self._thread.join(TELL_S)
                newest, self._newest = self._newest, None
                if newest is not None:
                    yield newest
            is_whole = True
        finally:
            self._is_given_up = not is_whole

    def ended(self) -> MadeBackup | BaseException:
        """What was made, or why it was not; waits for the end of it."""
        self._thread.join()
        if self._is_given_up and self._result is not None and not isinstance(self._result, BaseException):
            self._result.close()
        return self._result or _ending()

    def _make(self) -> None:
        try:
            self._result = self._desk.make(self._tell)
        except BaseException as error:  # whoever asked gets it
            self._result = error

    def _tell(self, doing: str, done: int, total: int) -> None:
        if self._is_given_up or self._is_over():
            raise _ending()
        self._newest = Answer(doing=doing, done=done, total=total)


def _parts(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in messages of one size: headers of small files do not travel alone."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PART_BYTES_MAX:
            yield bytes(held[:PART_BYTES_MAX])
            del held[:PART_BYTES_MAX]
    yield bytes(held)


def _ending() -> StrongroomError:
    return Unavailable("SR-BACKUP-019", "the backup was given up", why="the host stops, or nobody waits for it")


def _check_path(path: str) -> None:
    if len(path) > PATH_CHARS_MAX:
        raise LimitExceeded(
            "SR-BACKUP-020",
            "the path is too long",
            fix="name a shorter one",
            size=len(path),
            limit=PATH_CHARS_MAX,
            setting="path",
        )
    if "\0" in path:
        raise InvalidInput("SR-BACKUP-021", "the path holds a NUL character", fix="name a file", field="path")
