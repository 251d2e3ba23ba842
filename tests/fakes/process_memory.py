"""What a process holds: its memory, open files, environment and arguments, as root on its machine sees them.

Of memory, this is every readable mapping but what was never touched and what is as it is in a file that has a name.
"""

import mmap
import os
import re
import stat
from array import array
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from tests.fakes.canary import ENCODED_BYTES_MAX
from tests.fakes.process_tree import told_of

PIECE_BYTES = 4 << 20
"""So much is searched at once; pieces overlap, so that what lies across their border is found."""
PAGE_BYTES = mmap.PAGESIZE
PRESENT = 3 << 62
"""Bits of /proc/PID/pagemap: in memory or in swap."""
OF_A_FILE = 1 << 61
"""As it is in a file, or shared."""
MAPPING = re.compile(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)")
UNREADABLE = ("[vvar", "[vsyscall]")
"""Pages of the kernel that nobody can read through the file."""
OPEN_FILE_BYTES_MAX = 64 << 20


def mappings(pid):
    """Start, end, name, and whether it is of a file with a name: each mapping that the process could read."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        start, end, rights, name = MAPPING.fullmatch(line).groups()
        if rights[0] == "r" and not name.startswith(UNREADABLE):
            is_of_a_file = name.startswith("/") and not name.endswith(" (deleted)")
            yield int(start, 16), int(end, 16), f"{start}-{end} {rights} {name}", is_of_a_file


def memory_of(pid):
    """Name and bytes of the process's memory in pieces. Raises ``PermissionError`` when nobody lets us."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end, name, is_of_a_file in mappings(pid):
            for place, stop in _written_parts(pid, start, end, is_of_a_file=is_of_a_file):
                yield from ((name, piece) for piece in _pieces(memory.fileno(), place, stop))


def _written_parts(pid, start, end, *, is_of_a_file):
    pages = array("Q")
    with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
        size = (end - start) // PAGE_BYTES * pages.itemsize
        pages.frombytes(os.pread(pagemap.fileno(), size, start // PAGE_BYTES * pages.itemsize))
    wanted = [bool(page & PRESENT) and not (is_of_a_file and page & OF_A_FILE) for page in pages]
    place = start
    for is_wanted, group in groupby(wanted):
        size = sum(1 for _ in group) * PAGE_BYTES
        if is_wanted:
            yield place, place + size
        place += size


def _pieces(memory, place, end):
    while place < end:
        try:
            data = os.pread(memory, min(PIECE_BYTES, end - place), place)
        except OSError:
            # The rest of a file that is shorter than its mapping, or memory that is gone by now.
            return
        yield data
        if place + len(data) >= end or len(data) <= ENCODED_BYTES_MAX:
            return
        place += len(data) - ENCODED_BYTES_MAX


def open_files_of(pid):
    """Name and bytes of each regular file that the process holds open, also of those that have no name any more."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError, OSError):
            if stat.S_ISREG(descriptor.stat().st_mode):
                with descriptor.open("rb") as opened:
                    yield f"descriptor of {descriptor.readlink()}", opened.read(OPEN_FILE_BYTES_MAX)


def words_of(pid):
    """Name and bytes of its arguments and of its environment."""
    for name in ("cmdline", "environ"):
        yield name, Path(f"/proc/{pid}/{name}").read_bytes()


def core_bytes_max(pid):
    """What the process may leave as a core file, and what it may raise that to; ``None`` when it has ended."""
    limits = told_of(pid, "limits").decode()
    return next(iter(re.findall(r"^Max core file size +(\S+) +(\S+)", limits, re.MULTILINE)), None)
