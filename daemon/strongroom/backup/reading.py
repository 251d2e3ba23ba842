"""Reads a backup that nobody vouches for yet: every byte is looked at before one is written.

Rule 1: the manifest is authenticated first, then the size of the file held against it; then each part is read to its
end and compared. Only what passed all of that is read once more and taken out.
Rule 2: what is taken out goes to names of our own in a new directory; no name of the file is used.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from strongroom.backup import container
from strongroom.backup.faults import cut, not_a_backup
from strongroom.backup.manifest import LeftOut, Manifest, Part, lacks_key, left_out_of, read_manifest
from strongroom.backup.room import check_room
from strongroom.errors import InvalidInput
from strongroom.keyring.root import RootKeyring
from strongroom.storage.snapshot import new_private_file

__all__ = ["Backup", "Told", "begins_as_a_backup", "given_left_out", "opened_backup", "opened_file"]

Told = Callable[[str, int, int], object]
"""Hears what is being read, and how much of how much is done."""


@dataclass(slots=True)
class Backup:
    """An open file whose every byte is as it was written."""

    manifest: Manifest
    _file: BinaryIO
    _begin: int

    def extract(self, directory: Path, told: Told) -> None:
        """Take every part out, to ``place_of(directory, part)``. Raises ``StorageFault``, ``InvalidInput``."""
        check_room(directory, self.manifest.size)
        self._file.seek(self._begin)
        done = 0
        for part in self.manifest.parts:
            place = self.place_of(directory, part)
            new_private_file(place)
            with place.open("wb") as out:
                for piece in container.read_part(self._file, part):
                    out.write(piece)
                    done += len(piece)
                    told("taking out", done, self.manifest.size)

    @staticmethod
    def place_of(directory: Path, part: Part) -> Path:
        """Where ``extract`` puts a part."""
        return directory / part.name.replace("/", "-")


@contextmanager
def opened_backup(
    source: Path | BinaryIO, root: RootKeyring, told: Told = lambda _what, _done, _total: None
) -> Iterator[Backup]:
    """The backup at ``source``, read to its end once and found to be as it was written; nothing was written.

    A file that is open already is read from its beginning, and left open. Raises ``InvalidInput`` for what is no backup
    or was changed, ``KeyMissing`` naming the key ids that are missing, ``StorageFault`` for one of a newer release,
    ``OSError``.
    """
    with opened_file(source) if isinstance(source, Path) else nullcontext(source) as file:
        untrusted = container.manifest_bytes(file)
        manifest = read_manifest(untrusted, root)
        _check_keys(manifest, root)
        begin = file.tell()
        container.check_size(manifest, len(untrusted), os.fstat(file.fileno()).st_size)
        done = 0
        for part in manifest.parts:
            for piece in container.read_part(file, part):
                done += len(piece)
                told("reading", done, manifest.size)
        if file.read() != container.end():
            raise cut("its end is another one")
        yield Backup(manifest, file, begin)


def given_left_out(path: Path) -> tuple[LeftOut, ...]:
    """Which workspaces are not in the backup at ``path``, which a host has just given: nothing is authenticated.

    Raises ``InvalidInput``, ``OSError``.
    """
    with opened_file(path) as file:
        return left_out_of(container.manifest_bytes(file))


def begins_as_a_backup(path: Path) -> bool:
    """Whether a file with the beginning of a backup is at ``path`` itself, or an empty one. Raises ``OSError``."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return False
    with opened_file(path) as file:
        try:
            container.manifest_bytes(file)
        except InvalidInput:
            return not status.st_size
    return True


@contextmanager
def opened_file(path: Path) -> Iterator[BinaryIO]:
    """The file at ``path``. Raises ``InvalidInput`` for what is no file, ``OSError``."""
    # O_NONBLOCK: opening a named pipe must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    # Looked at first: a directory becomes no file, and an error of that would name a number only.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise not_a_backup("it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        yield file


MISSING_SHOWN: Final = 20


def _check_keys(manifest: Manifest, root: RootKeyring) -> None:
    """Every version that was not retired is needed, under the secret of its day."""
    missing = [
        key.key_id
        for key in manifest.keys
        if not key.retired and (key.version not in root.versions or root.key_id(key.version) != key.key_id)
    ]
    if missing:
        raise lacks_key(", ".join(missing[:MISSING_SHOWN]), root)
