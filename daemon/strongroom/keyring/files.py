"""The file that holds a keyring: the text of ``ENCRYPTION_SECRETS``, readable by its owner alone.

Rule 1: one line break at its end is not part of it, so that an editor may add one.
Rule 2: a change is a new file that takes the old one's place once it is on disk; nobody ever reads half of one.
Rule 3: entries that a change does not concern stay byte for byte.
"""

import base64
import fcntl
import os
import secrets
import shlex
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from strongroom.errors import Conflict, LimitExceeded, Misconfigured
from strongroom.keyring.root import SECRET_BYTES_MIN, RootKeyring, parse_secrets
from strongroom.keyring.versions import VERSION_MAX, read_version
from strongroom.private_files import is_open_to_others

__all__ = [
    "append_version",
    "create_dev_keyring",
    "create_keyring",
    "fresh_entry",
    "load_keyring",
    "read_keyring_text",
    "remove_version",
]

FILE_BYTES_MAX: Final = 65_536  # 255 versions of 256 characters; more is not a keyring


def load_keyring(path: Path, *, strict: bool = False) -> RootKeyring:
    """The keyring in the file at ``path``.

    ``strict`` (serve) refuses secrets shorter than 32 bytes. Raises ``Misconfigured`` when the file is missing, may be
    read by group or others, is too big, or is no keyring; each with the command that fixes it.
    """
    text = read_keyring_text(path)
    return parse_secrets(text, where=str(path), secret_bytes_min=SECRET_BYTES_MIN if strict else 1)


def read_keyring_text(path: Path) -> str:
    """What the file at ``path`` holds, unparsed. Raises as ``load_keyring`` does for what is wrong with the file."""
    descriptor = _opened(path)
    try:
        return _text(_checked(descriptor, path), path)
    finally:
        os.close(descriptor)


def create_dev_keyring(path: Path) -> None:
    """Write a keyring with one random secret of 32 bytes as version 1, mode 0600, and sync it.

    Raises ``Misconfigured`` when ``path`` exists: replacing a keyring makes all that it sealed unreadable.
    """
    create_keyring(path, fresh_entry(1))


def create_keyring(path: Path, text: str) -> None:
    """Write ``text`` as a new keyring, mode 0600, and sync it. Raises ``Misconfigured`` when ``path`` exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Misconfigured(
            "SR-KEYRING-006",
            f"there is something at {path} already",
            why="replacing a keyring makes all that it sealed unreadable",
            fix="use it as it is, or choose another path",
            where=str(path),
        ) from None
    _write(descriptor, text)
    # The name must last as long as the bytes: data sealed under a lost keyring is lost.
    _sync_directory(path.parent)


def fresh_entry(version: int) -> str:
    """``version:secret`` with 32 random bytes, as text that needs no quotes anywhere."""
    return f"{version}:{base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b'=').decode()}"


def append_version(path: Path, used: Iterable[int] = ()) -> int:
    """Add a fresh secret to the keyring at ``path`` as its next version, which is returned.

    ``used`` are versions that must not be given again although the file does not hold them, such as retired ones.
    Raises ``Misconfigured`` when the file cannot be replaced, ``LimitExceeded`` when there is no version left.
    """
    added = 0

    def change(text: str) -> str:
        nonlocal added
        added = next_version((*parse_secrets(text, where=str(path)).versions, *used))
        return f"{fresh_entry(added)},{text}"

    _replace(path, change)
    return added


def remove_version(path: Path, version: int) -> bool:
    """Take ``version`` out of the keyring at ``path``; whether it was there.

    Raises ``Conflict`` when it is the only one, ``Misconfigured`` when the file cannot be replaced.
    """
    if version not in parse_secrets(read_keyring_text(path), where=str(path)).versions:
        return False

    def change(text: str) -> str:
        kept = [entry for entry in text.split(",") if read_version(entry.partition(":")[0]) != version]
        if not kept:
            raise Conflict(
                "SR-KEYRING-020",
                f"version {version} is the only one in {path}",
                why="a host without any key cannot start",
                fix="add another version and promote it first",
            )
        return ",".join(kept)

    _replace(path, change)
    return True


def next_version(used: Iterable[int]) -> int:
    """The version after the highest that was ever ``used``. Raises ``LimitExceeded`` after 255."""
    highest = max(used, default=0)
    if highest >= VERSION_MAX:
        raise LimitExceeded(
            "SR-KEYRING-021",
            f"version {VERSION_MAX} is the last one there is",
            why="a workspace value has one byte for its key version",
            fix="export the data and set up a new host",
            size=highest + 1,
            limit=VERSION_MAX,
            setting="key versions",
        )
    return highest + 1


def _replace(path: Path, change: Callable[[str], str]) -> None:
    """Put what ``change`` makes of the file's text in its place, with the same mode and owner."""
    # A link stays a link; what it leads to is replaced.
    path = path.resolve()
    descriptor = _locked(path)
    try:
        status = os.fstat(descriptor)
        text = change(_text(_checked(descriptor, path), path))
        if not status.st_mode & stat.S_IWUSR or not os.access(path.parent, os.W_OK):
            raise _unwritable(path, f"its mode is {stat.S_IMODE(status.st_mode):04o}")
        made = path.with_name(f".{path.name}.new")
        try:
            # What a killed command left is nobody's: whoever changes the file has its lock.
            made.unlink(missing_ok=True)
            _write(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), text, status)
            made.rename(path)
        except OSError as error:
            made.unlink(missing_ok=True)
            raise _unwritable(path, error.strerror or type(error).__name__) from error
        _sync_directory(path.parent)
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int:
    """A descriptor of the file that is at ``path`` while nobody else changes it: two changes at once lose one."""
    while True:
        descriptor = _opened(path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            # It was replaced in this moment; the next look finds the new one.
            pass
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        # O_NONBLOCK: opening a named pipe must not wait for its writer.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise Misconfigured(
            "SR-KEYRING-002",
            f"there is no keyring at {path}",
            why="without a root secret nothing can be sealed or read",
            fix="name the keyring of this state with the setting keyring_file (--set keyring_file=FILE);"
            f" only for a new installation make one: {_command_that_makes(path)}",
            where=str(path),
        ) from None
    except OSError as error:
        raise _unreadable(path, error.strerror or type(error).__name__) from error


def _checked(descriptor: int, path: Path) -> bytes:
    """The bytes of an open file that nobody else can read."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(path, "it is no regular file")
    mode = stat.S_IMODE(status.st_mode)
    if is_open_to_others(descriptor):
        raise Misconfigured(
            "SR-KEYRING-004",
            f"the keyring at {path} may be read by others",
            why=f"its mode is {mode:04o}",
            fix=f"chmod 600 {path}",
            where=str(path),
        )
    raw = b""
    while len(raw) <= FILE_BYTES_MAX and (piece := os.read(descriptor, FILE_BYTES_MAX + 1 - len(raw))):
        raw += piece
    if len(raw) > FILE_BYTES_MAX:
        raise Misconfigured(
            "SR-KEYRING-005",
            f"the keyring at {path} is larger than {FILE_BYTES_MAX} bytes",
            why="a keyring is a line of text",
            fix="check that the path names the keyring",
            where=str(path),
            limit=FILE_BYTES_MAX,
        )
    return raw


def _write(descriptor: int, text: str, like: os.stat_result | None = None) -> None:
    """Write ``text`` and a line break, sync and close; with the mode and owner of ``like``, where that is given."""
    with os.fdopen(descriptor, "wb") as file:
        if like is not None:
            os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode))
            if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
        file.write(text.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _command_that_makes(path: Path) -> str:
    """A line of shell that makes the keyring with nothing but what every machine has."""
    directory, file = shlex.quote(str(path.parent)), shlex.quote(str(path))
    return (
        f"mkdir -p -m 700 {directory} && (umask 077; printf '1:%s\\n' \"$(head -c 32 /dev/urandom | base64)\" > {file})"
    )


def _unreadable(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-KEYRING-003",
        f"the keyring at {path} cannot be read",
        why=why,
        fix="give the path of a file that the user of the daemon owns",
        where=str(path),
    )


def _unwritable(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-KEYRING-022",
        f"the keyring at {path} cannot be replaced",
        why=why,
        fix="give a file of mode 0600 in a directory that you may write to; for a credential leave --key-file out",
        where=str(path),
    )


def _text(raw: bytes, path: Path) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Misconfigured(
            "SR-KEYRING-007",
            f"the keyring at {path} is not UTF-8 text",
            fix="check that the path names the keyring",
            where=str(path),
        ) from None
    return text.removesuffix("\n").removesuffix("\r")
