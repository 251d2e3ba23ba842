"""A file that a command makes in one step: it is there when it is whole and on the disk, and not before."""

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data

__all__ = ["replaced_file"]

MayReplace = Callable[[Path], bool]
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


@contextmanager
def replaced_file(path: Path, may_replace: MayReplace | None = None) -> Iterator[Callable[[bytes], object]]:
    """What writes the file that takes the place ``path`` when the block ends, readable by its owner only.

    What is there already is replaced when ``may_replace`` says so of it, and never without that. When the block
    fails, it is as before. Raises ``Failure``.
    """
    _check(path, may_replace)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a file name"
        raise bad_data(
            "SR-CLI-015",
            f"{path} cannot be made",
            why=str(why),
            fix="give PATH in a directory that is there and that you may write to",
            exit_code=Exit.CANNOT_CREATE,
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        # What is there now need not be what was there: writing took its time.
        _check(path, may_replace)
        _take_place(beside, path, may_replace=may_replace is not None)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise bad_data(
                "SR-CLI-016",
                f"{path} cannot be written",
                why=str(error.strerror),
                fix="nothing of it is left: make room, or give PATH another place",
                exit_code=Exit.IO,
            ) from error
        raise


def _check(path: Path, may_replace: MayReplace | None) -> None:
    if not os.path.lexists(path):
        return
    if may_replace is None:
        raise _is_there(path)
    if not may_replace(path):
        raise bad_data(
            "SR-CLI-183",
            f"{path} is none of the files that may be replaced",
            why="--force replaces a file that such a command made before, never a link, a device or another file",
            fix="give PATH a new name; nothing was changed",
            exit_code=Exit.CANNOT_CREATE,
        )


def _take_place(beside: Path, path: Path, *, may_replace: bool) -> None:
    if may_replace:
        beside.replace(path)
    else:
        # A link is made only where nothing is, whoever came first.
        try:
            os.link(beside, path)
        except FileExistsError:
            raise _is_there(path) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Such a file system has no step that makes and never replaces.
            if os.path.lexists(path):
                raise _is_there(path) from None
            beside.replace(path)
        beside.unlink(missing_ok=True)
    directory = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _is_there(path: Path) -> Exception:
    return bad_data(
        "SR-CLI-014",
        f"{path} is there already",
        why="a file is not written over unless you say so",
        fix="give PATH a new name, or say --force",
        exit_code=Exit.CANNOT_CREATE,
    )
