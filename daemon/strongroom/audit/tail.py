"""The newest lines of an audit log, read from the end of its files."""

import os

from strongroom.audit.audit_log import AuditLog
from strongroom.audit.log_start import LINE_BYTES_MAX

__all__ = ["newest"]


def newest(log: AuditLog, records: int) -> list[bytes]:
    """The last ``records`` lines that are synced, oldest first, without their ends."""
    if records == 0:
        return []
    snapshot = log.snapshot()
    lines: list[bytes] = []
    if snapshot.file is not None:
        with snapshot.file as file:
            size = min(snapshot.size, os.fstat(file.fileno()).st_size)
            lines = _last(os.pread(file.fileno(), *_window(size, records)), records, is_whole=_is_whole(size, records))
    for path in reversed(snapshot.before):
        if len(lines) >= records:
            break
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            missing = records - len(lines)
            found = os.pread(file.fileno(), *_window(size, missing))
            lines = _last(found, missing, is_whole=_is_whole(size, missing)) + lines
    return lines


def _window(size: int, records: int) -> tuple[int, int]:
    """How many bytes to read from where, so that ``records`` lines are in them."""
    length = min(size, (records + 1) * LINE_BYTES_MAX)
    return length, size - length


def _is_whole(size: int, records: int) -> bool:
    return _window(size, records)[1] == 0


def _last(raw: bytes, records: int, *, is_whole: bool) -> list[bytes]:
    lines = raw.split(b"\n")
    # What stands behind the last end of a line is none; what was read from the middle begins with a part of one.
    lines = lines[:-1] if is_whole else lines[1:-1]
    return lines[-records:]
