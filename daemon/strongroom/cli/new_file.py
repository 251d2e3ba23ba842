"""A file that a command makes: new, readable by its owner only, whole or not there."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data

__all__ = ["new_file"]


@contextmanager
def new_file(path: Path, option: str = "--output") -> Iterator[Callable[[bytes], object]]:
    """What writes into the new file at ``path``, which ``option`` named. When the block fails, nothing is left of it.

    Raises ``Failure``.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise bad_data(
            "SR-CLI-014",
            f"{path} is there already",
            why="a file is never written over",
            fix=f"give {option} a new name",
            exit_code=Exit.CANNOT_CREATE,
        ) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a file name"
        raise bad_data(
            "SR-CLI-015",
            f"{path} cannot be made",
            why=str(why),
            fix=f"give {option} a place in a directory that is there and that you may write to",
            exit_code=Exit.CANNOT_CREATE,
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise bad_data(
                "SR-CLI-016",
                f"{path} cannot be written",
                why=str(error.strerror),
                fix=f"nothing of it is left: make room, or give {option} another place",
                exit_code=Exit.IO,
            ) from error
        raise
