"""A program that seals itself but for what it needs, and prints what then works and what does not.

Its arguments are a directory in which directories may be removed, and one beside it. There is no way back.
"""

import errno
import fcntl
import json
import os
import sys
import termios
from pathlib import Path

from strongroom.guest import sandbox
from strongroom.guest.needs import Needs


def said(attempt):
    """The name of the error, or ``done``."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


def main():
    """Seal, attempt, report."""
    inside, beside = Path(sys.argv[1]), Path(sys.argv[2])
    for folder in (inside, beside):
        (folder / "entry").mkdir()
    (inside / "file").touch()
    reading, writing = os.pipe()
    folder = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    other = os.open(beside, os.O_PATH | os.O_DIRECTORY)
    needs = Needs(ioctls=frozenset({(reading, termios.FIONREAD)}), removes_in=folder)
    report = sandbox.apply(needs=needs)
    attempts = {
        "the request on its descriptor": lambda: fcntl.ioctl(reading, termios.FIONREAD, bytearray(4)),
        "the request on another one": lambda: fcntl.ioctl(writing, termios.FIONREAD, bytearray(4)),
        "another request on its descriptor": lambda: fcntl.ioctl(reading, termios.TIOCSTI, bytearray(4)),
        "remove an entry": lambda: os.rmdir("entry", dir_fd=folder),
        "remove an entry through the descriptor of another place": lambda: os.rmdir("entry", dir_fd=other),
        "remove an entry of another place by its path": lambda: os.rmdir(beside / "entry", dir_fd=folder),
        "remove an entry without a descriptor": lambda: os.rmdir(inside / "entry"),  # noqa: PTH106 - what is tried
        "remove a file": lambda: os.unlink("file", dir_fd=folder),
        "make an entry": lambda: os.mkdir("more", dir_fd=folder),
        "read a file": lambda: os.open("file", os.O_RDONLY, dir_fd=folder),
    }
    outcome = {name: said(attempt) for name, attempt in attempts.items()}
    sys.stdout.write(json.dumps({"outcome": outcome, "protections": report.protections, "missing": report.missing}))


if __name__ == "__main__":
    main()
