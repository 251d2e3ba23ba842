"""Processes and what they started, as the kernel tells of them. Who ends while it is looked at is not there."""

from contextlib import suppress
from pathlib import Path


def descendants(pid):
    """The children of a process, and theirs."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread or a whole process may end between its listing and this line.
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, path.read_text().split())
    return found + [grand for child in found for grand in descendants(child)]


def told_of(pid, name):
    """A file of a process in /proc; nothing when the process has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def started(pid):
    """When it was, in ticks of the kernel; 0 when it has ended."""
    fields = told_of(pid, "stat").decode().rpartition(")")[2].split()
    return int(fields[19]) if fields else 0
