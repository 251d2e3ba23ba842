"""Who works in the place of a restore, or of a migration: nobody works for root where somebody else changes names.

Rule 1: what belongs to another user is written as that user. Root becomes it for good, so whatever a process of that
user puts in the way, a link or another directory, leads nowhere that it could not go itself.
Rule 2: root stays root only where root alone decides what each name on the way means.
"""

import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from strongroom.errors import StorageFault
from strongroom.storage.directories import private_directory

__all__ = ["check_only_root_leads_to", "work_in"]

LATE: Final = ("alembic.command", "alembic.config", "psycopg", "sqlalchemy.dialects.postgresql.psycopg")
"""What is imported when it is needed, and may lie where only root can read it."""
LINKS_MAX: Final = 40
"""As many as the kernel follows."""
PROGRAM: Final = Path(__file__).parents[1]
"""Steps of a migration are read from there when they are taken."""


def work_in(state_dir: Path, others: Sequence[Path] = ()) -> None:
    """Become the owner of ``state_dir``, or of where it is to be, and make it. ``others`` are made elsewhere later.

    What root alone may open is opened before. Raises ``StorageFault`` where that user cannot work there, or root not
    safely; ``Misconfigured`` for a state directory that a host would refuse.
    """
    if os.geteuid() == 0:
        owner = _there(state_dir).stat()
        if owner.st_uid != 0:
            _check_links(state_dir, owner.st_uid)
            _become(owner.st_uid, owner.st_gid)
    check_only_root_leads_to(state_dir)
    _check_writable(state_dir)
    private_directory(state_dir, "state_dir")
    for place in others:
        check_only_root_leads_to(place, and_into=True)
        _check_writable(place)


def _become(uid: int, gid: int) -> None:
    for name in LATE:
        import_module(name)
    groups: list[int] = []
    try:
        known = pwd.getpwuid(uid)
    except KeyError:
        # The group of root would be a right of root's.
        gid = gid or uid
        os.environ.pop("HOME", None)
    else:
        gid = gid or known.pw_gid
        groups = os.getgrouplist(known.pw_name, known.pw_gid)
        # Where the library of PostgreSQL looks for certificates and passwords.
        os.environ["HOME"] = known.pw_dir
    try:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise StorageFault(
            "SR-BACKUP-028",
            f"nothing can be written as user {uid}, whose state directory it is",
            why=error.strerror or type(error).__name__,
            fix="run this as that user; nothing was written",
        ) from error
    if not os.access(PROGRAM, os.R_OK | os.X_OK):
        raise StorageFault(
            "SR-BACKUP-032",
            f"user {uid}, whose state directory it is, cannot read strongroom itself",
            why=f"{PROGRAM} lies where only root may look",
            fix="install it where that user can read it, such as below /opt; nothing was written",
        )


def check_only_root_leads_to(place: Path, *, and_into: bool = False) -> None:
    """Raise ``StorageFault`` where root works here, and somebody else may change what ``place`` means, or what stands
    in it."""
    if os.geteuid() != 0:
        return
    for path in filter(os.path.lexists, _on_the_way(place, and_into=and_into)):
        found = path.lstat()
        is_open = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
        if found.st_uid != 0 or is_open:
            raise _changeable(
                place, f"{path} " + ("may be written by everybody" if is_open else f"belongs to user {found.st_uid}")
            )


def _check_links(place: Path, owner: int) -> None:
    """Raise ``StorageFault`` where a third user chose whose directory ``place`` is."""
    for path in _on_the_way(place):
        if path.is_symlink() and (found := path.lstat()).st_uid not in {0, owner}:
            raise _changeable(place, f"{path} is a link of user {found.st_uid} to what belongs to user {owner}")


def _changeable(place: Path, why: str) -> StorageFault:
    return StorageFault(
        "SR-BACKUP-027",
        f"root does not write to {place}: others may change what that name means",
        why=why,
        fix="give the state directory to the user of the host, or name a place (--state-dir, --audit-file,"
        " --workspaces-dir, --scratch-dir) below directories of root; nothing was written",
    )


def _on_the_way(place: Path, *, and_into: bool = False) -> Iterator[Path]:
    """The directory of each name that the kernel looks up on its way to ``place``, each link, and what is there where
    it goes ``and_into`` that."""
    here, names, links = Path("/"), list(place.absolute().parts[1:]), 0
    while names and links <= LINKS_MAX:
        yield here
        found = here / names.pop(0)
        if found.is_symlink():
            yield found
            names[:0] = found.readlink().parts
            links += 1
        else:
            here = found
    if and_into:
        yield here


def _check_writable(place: Path) -> None:
    """Raise ``StorageFault`` where this user cannot make ``place``: found out now, and not when the rest is done."""
    try:
        there = _there(place)
        directory = there if there.is_dir() else there.parent
        if os.access(directory, os.R_OK | os.W_OK | os.X_OK):
            return
        why = f"user {os.geteuid()} may not write there"
    except OSError as error:
        directory, why = place, f"user {os.geteuid()}: {error.strerror or type(error).__name__}"
    raise StorageFault(
        "SR-BACKUP-029",
        f"nothing can be written in {directory}",
        why=f"{why}, and what is there belongs to the owner of the state directory",
        fix="give it to that user, below directories that it may enter, or name another place; nothing was written",
    )


def _there(path: Path) -> Path:
    """``path``, or the nearest above it that is there. Raises ``OSError``."""
    while not path.exists():
        path = path.parent
    return path
