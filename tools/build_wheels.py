"""Build the wheel of strongroom and one per plugin into the folder that the first argument names.

The same sources give the same bytes: times inside the archives are fixed, and modes come from the build backend. That
backend is the one that is installed here, so no network is needed. Beside the wheels lie the bill of materials that the
wheel of strongroom carries too, and `SHA256SUMS` of all of it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["PROJECTS", "ROOT", "SUMS", "build"]

ROOT: Final = Path(__file__).resolve().parent.parent
PLUGINS: Final = (
    "basic-test",
    "confidential-workflows",
    "consensus",
    "cron-trigger",
    "http-actions",
    "http-trigger",
    "kvstore",
    "vault",
    "workspace",
)
PROJECTS: Final = (".", *(f"plugins/{name}" for name in PLUGINS))
# Any fixed time does; archives cannot hold one before 1980.
FIXED_TIME: Final = "1577836800"
SBOM: Final = "strongroom.cdx.json"
SUMS: Final = "SHA256SUMS"


def build(target: Path, *, root: Path = ROOT) -> list[Path]:
    """The wheels, in ``target``, which is made when it is missing. Other wheels there are removed first."""
    target = target.resolve()
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.whl"):
        old.unlink()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", FIXED_TIME)}
    for project in PROJECTS:
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)],
            cwd=root / project,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    wheels = sorted(target.glob("*.whl"))
    sbom = shutil.copyfile(root / "requirements" / SBOM, target / SBOM)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in [*wheels, sbom]]
    (target / SUMS).write_text("".join(sums))
    return wheels


if __name__ == "__main__":
    for wheel in build(Path(sys.argv[1])):
        print(f"{wheel.name}: {wheel.stat().st_size} bytes")
