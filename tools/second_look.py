"""Run what failed once more, alone: a race, or a wait that is too short, is told from what is broken.

``make test`` comes here when its tests failed, and has failed whatever is found: a fault that shows under load only is
a fault. A few that pass alone are named as unsteady, which says where to look.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["failed_before", "main"]

ROOT: Final = Path(__file__).resolve().parent.parent
FAILED: Final = Path(".pytest_cache/v/cache/lastfailed")
TESTS_MAX: Final = 3
"""More than so many do not become unsteady at once, and say enough by themselves."""
FAILED_STATUS: Final = 1
"""What pytest ends with when tests failed; anything else, such as an interrupt, is no matter for this."""


def failed_before(root: Path) -> list[str]:
    """The ids of the tests that failed in the last run of pytest in ``root``."""
    found = root / FAILED
    return sorted(json.loads(found.read_text())) if found.exists() else []


def main(words: list[str], *, root: Path = ROOT) -> int:
    """``words`` are the status of the run before, and options for pytest. Returns that status, whatever it finds."""
    status, *options = words
    tests = failed_before(root)
    if int(status) != FAILED_STATUS or not 0 < len(tests) <= TESTS_MAX:
        return int(status)
    print(f"\n{len(tests)} failed beside the others, and alone:", flush=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, *tests]
    if subprocess.run(command, cwd=root, check=False).returncode == 0:
        print("\nUNSTEADY, passed alone only; mend the race, or the wait that is too short:")
        print("\n".join(f"  {test}" for test in tests), flush=True)
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
