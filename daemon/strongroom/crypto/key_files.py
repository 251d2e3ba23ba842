"""Files with private keys: made for their owner alone, and read only when nobody else could have read them.

Rule 1: what others can read is no secret any more, so such a file is refused; so are links and what is no file.
Rule 2: a key file is never overwritten, and is on disk when writing it returns.
"""

import os
import stat
from pathlib import Path

from strongroom.errors import Misconfigured
from strongroom.private_files import is_open_to_others

__all__ = ["read_private_file", "write_private_file"]


def read_private_file(path: Path, *, bytes_max: int, code: str, what: str) -> bytes:
    """The bytes of the file, at most ``bytes_max`` and one more, so that the caller sees what is too long.

    Raises ``FileNotFoundError``, or ``Misconfigured`` with ``code`` for a file that must not be used; ``what`` is what
    people call it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = error.strerror or "it cannot be read"
        raise _refused(code, what, path, why, "give a regular file, not a link") from None
    try:
        # Before anything is made of it: what is no file, such as a directory, would be left open.
        _check_access(descriptor, path, code, what)
        content = b""
        while len(content) <= bytes_max and (chunk := os.read(descriptor, bytes_max + 1 - len(content))):
            content += chunk
        return content
    finally:
        os.close(descriptor)


def write_private_file(path: Path, content: bytes) -> None:
    """Write a new file with mode 0600, synced with its directory. Raises ``FileExistsError`` rather than replace one,
    and other ``OSError``."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _check_access(descriptor: int, path: Path, code: str, what: str) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _refused(code, what, path, "it is not a regular file", f"give a file that holds a {what}")
    if status.st_uid not in {os.geteuid(), 0}:
        fix = "give it to the user of this process, or to root"
        raise _refused(code, what, path, f"it belongs to user {status.st_uid}", fix)
    if is_open_to_others(descriptor):
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise _refused(code, what, path, f"others can read it (mode {mode})", f"chmod 600 {path}")


def _refused(code: str, what: str, path: Path, why: str, fix: str) -> Misconfigured:
    return Misconfigured(code, f"{what} file {path} cannot be used", why=why, fix=fix, where=str(path))
