"""What a program consists of, for a user who may not enter the folders above it: a clone below ``mktemp -d``, a home.

Such a folder is made anew for one process and its children, in a mount namespace of their own: everybody may enter it,
and all that is in it stands in its place.
"""

import ctypes
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from shlex import quote

__all__ = ["PROGRAM_PLACES", "closed_above", "open_folders"]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM_PLACES = tuple(
    Path(place)
    for place in dict.fromkeys(
        (
            sys.prefix,
            os.path.realpath(sys.prefix),
            sys.base_prefix,
            os.path.realpath(sys.base_prefix),
            str(ROOT / "daemon"),
            str(ROOT / "plugins"),
        )
    )
)
"""The environment, the interpreter and the sources."""
NEW_MOUNTS = 0x0002_0000
"""CLONE_NEWNS of unshare(2), which Python calls from 3.12 on."""


def closed_above(path):
    """The folders above ``path`` that another user may not enter."""
    return [folder for folder in path.parents if not folder.stat().st_mode & stat.S_IXOTH]


def open_folders():
    """Let every user enter the folders above the program, for this process of root and its children alone.

    Returns why that is impossible, or nothing.
    """
    closed = sorted({folder for path in PROGRAM_PLACES for folder in closed_above(path)})
    if not closed:
        return ""
    if shutil.which("mount") is None:
        return "there is no mount"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_MOUNTS):
        return f"this machine refuses mount namespaces: {os.strerror(ctypes.get_errno())}"
    lines = ["set -e", "mount --make-rprivate /", "mount -t tmpfs -o mode=755 tmpfs /mnt"]
    for number, folder in enumerate(closed):
        before = f"/mnt/{number}"
        lines += [f"mkdir {before}", f"mount --rbind {quote(str(folder))} {before}"]
        lines += [f"mount -t tmpfs -o mode=755 tmpfs {quote(str(folder))}"]
        for each in sorted(folder.iterdir()):
            there, place = quote(f"{before}/{each.name}"), quote(str(each))
            if each.is_symlink():
                lines += [f"cp -P {there} {place}"]
            elif each.is_dir():
                lines += [f"mkdir {place}", f"mount --rbind {there} {place}"]
            elif each.is_file():
                lines += [f"touch {place}", f"mount --bind {there} {place}"]
    # A machine that allows namespaces and fails here is a fault of these lines, and no reason to skip a test.
    subprocess.run(["/bin/sh", "-c", "\n".join(lines)], check=True)
    return ""
