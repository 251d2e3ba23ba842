"""The programs that the units start: where they are installed, and whether a unit can start them there.

The units hide the homes of users and the temporary directories, so that a program in one of them would not be found.
"""

import re
import sys
from pathlib import Path
from typing import Final

from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data

__all__ = ["PROGRAMS", "bin_dir"]

PROGRAMS: Final = ("strongroom", "strongroomd", "strongroom-runner")
PATH_BYTES_MAX: Final = 1_000
"""A line of a unit file may be longer; no path that somebody chose is."""
HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - places that a unit does not see
# What a unit file takes as it stands: no space, quote, backslash, %, $ or ;.
_PLAIN: Final = re.compile(r"/[A-Za-z0-9/._+,:=@~-]*")


def bin_dir(root: Path | None) -> Path:
    """The directory of the programs as the units name it: below ``root`` where this Python is in there.

    Raises ``Failure`` where a program is missing, or a unit could not name it or not start it.
    """
    here = Path(sys.executable).parent
    missing = [name for name in PROGRAMS if not (here / name).is_file()]
    if missing:
        raise bad_data(
            "SR-SVC-001",
            f"there is no {missing[0]} in {here}",
            why="the units start the programs that were installed beside this one",
            fix="install strongroom with pip, and call the program that pip made",
            exit_code=Exit.CONFIGURATION,
        )
    is_inside = root is not None and here.is_relative_to(root)
    named = Path("/") / here.relative_to(root) if root is not None and is_inside else here
    text = str(named)
    if _PLAIN.fullmatch(text) is None or len(text) > PATH_BYTES_MAX:
        raise bad_data(
            "SR-SVC-002",
            f"a unit cannot name the programs in {text}",
            why="the path holds a space, or a sign that means something else in a unit file, or is too long",
            fix="install into a directory such as /opt/strongroom",
            exit_code=Exit.CONFIGURATION,
        )
    if root is None:
        _refuse_hidden(here)
    return named


def _refuse_hidden(here: Path) -> None:
    """Raises ``Failure`` when the programs, or the Python that they need, are where no unit sees them."""
    for place in (here, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve()):
        hidden = next((each for each in HIDDEN if place.is_relative_to(each)), None)
        if hidden is not None:
            raise bad_data(
                "SR-SVC-003",
                f"the units cannot start what is in {place}",
                why=f"they see nothing of {hidden}: homes and temporary files are no business of a service",
                fix="install with a Python of the system, into a directory such as /opt/strongroom",
                exit_code=Exit.CONFIGURATION,
            )
