"""Memory of a daemon and its children, as the kernel counts it."""

from pathlib import Path

__all__ = ["family", "proportional_bytes", "resident_bytes"]


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    children = [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]
    return [pid] + [grand for child in children for grand in family(child)]


def resident_bytes(pid: int) -> int:
    """Resident memory of one process (VmRSS)."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:")


def proportional_bytes(pids: list[int]) -> int:
    """Memory of several processes, with what they share counted once (the sum of their Pss)."""
    return sum(_field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") for pid in pids)


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{path} has no {name}")
