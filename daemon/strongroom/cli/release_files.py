"""The program files of a release: out of its wheels, or of what is installed here. Nothing of it is executed.

Rule 1: a wheel is read as an archive that anybody may have made: sizes and counts are limited before anything is
unpacked, and no path in it becomes a path on disk.
"""

import ast
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.attest.measurement import RUNNER_PACKAGES, is_measured
from strongroom.cli.failure import Failure, bad_data
from strongroom.plugin.installed import installed_distribution, program_files

__all__ = ["Release", "installed_release", "release_in"]

WHEELS_MAX: Final = 64
WHEEL_BYTES_MAX: Final = 64 * 1024 * 1024
FILES_MAX: Final = 20_000
FILE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of one file and of all that are measured, unpacked: the program has about a hundredth of it."""
RUNNER: Final = "strongroom-confidential-workflows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Program files by path, which version of the runner they are, and where they came from.

    ``svn`` and ``build`` are those that the runner gives itself, None and empty where they cannot be read.
    """

    files: Mapping[str, bytes]
    version: str
    origins: tuple[str, ...]
    build: str
    svn: int | None


def installed_release() -> Release:
    """What is installed here. Raises ``Misconfigured`` where the runner is not."""
    files = program_files(RUNNER_PACKAGES)
    return _release(files, installed_distribution(RUNNER).version, ("this installation",))


def release_in(paths: Sequence[Path]) -> Release:
    """What wheels hold, or the wheels in one folder. Raises ``Failure``."""
    wheels = sorted(paths[0].glob("*.whl")) if len(paths) == 1 and paths[0].is_dir() else list(paths)
    if len(wheels) > WHEELS_MAX:
        raise _bad(str(paths[0]), f"there are {len(wheels)} wheels, and at most {WHEELS_MAX} are read")
    files: dict[str, bytes] = {}
    origins: dict[str, Path] = {}
    for wheel in wheels:
        name = wheel.name.split("-")[0].lower()
        if name not in RUNNER_PACKAGES:
            continue
        if name in origins:
            raise _bad(str(wheel), f"{origins[name].name} is of the same package: leave one of them out")
        origins[name] = wheel
        files |= _measured_files(wheel, name)
    missing = [each for each in RUNNER_PACKAGES if each not in origins]
    if missing:
        raise bad_data(
            "SR-CLI-106",
            f"there is no wheel of {' and '.join(missing)}",
            why="an enclave runner is the program of both packages",
            fix="name the folder that `make dist` filled, or both wheels; without any this installation is measured",
        )
    version = origins[RUNNER_PACKAGES[1]].name.split("-")[1]
    return _release(files, version, tuple(each.name for each in origins.values()))


def _measured_files(wheel: Path, package: str) -> dict[str, bytes]:
    try:
        if wheel.stat().st_size > WHEEL_BYTES_MAX:
            raise _bad(str(wheel), f"it has more than {WHEEL_BYTES_MAX} bytes")
        with zipfile.ZipFile(wheel) as archive:
            return _unpacked(wheel, archive, package)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise _bad(str(wheel), "it is no wheel, or a broken one") from error
    except OSError as error:
        raise _bad(str(wheel), error.strerror or "it cannot be read") from error


def _unpacked(wheel: Path, archive: zipfile.ZipFile, package: str) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > FILES_MAX:
        raise _bad(str(wheel), f"it has more than {FILES_MAX} files")
    found: dict[str, bytes] = {}
    left = FILE_BYTES_MAX
    for entry in entries:
        if not is_measured(entry.filename) or not entry.filename.startswith(f"{package}/"):
            continue
        if entry.filename in found:
            raise _bad(str(wheel), f"{entry.filename[:200]} is in it twice")
        with archive.open(entry) as file:
            # What the archive says of sizes is not believed.
            content = file.read(left + 1)
        left -= len(content)
        if left < 0:
            raise _bad(str(wheel), f"its program has more than {FILE_BYTES_MAX} bytes")
        found[entry.filename] = content
    return found


def _release(files: Mapping[str, bytes], version: str, origins: tuple[str, ...]) -> Release:
    build, svn = _named_build(files)
    return Release(files=files, version=version, origins=origins, build=build, svn=svn)


def _named_build(files: Mapping[str, bytes]) -> tuple[str, int | None]:
    """What the runner calls itself: the one ``RunnerBuild(build=…, svn=…)`` in its program, which is read, not run."""
    found = set()
    for path, source in files.items():
        if path.startswith(f"{RUNNER_PACKAGES[1]}/enclave/") and b"RunnerBuild(" in source:
            try:
                tree = ast.parse(source)
            except (SyntaxError, ValueError, RecursionError):
                continue
            found |= {each for node in ast.walk(tree) if (each := _constants(node)) is not None}
    return next(iter(found)) if len(found) == 1 else ("", None)


def _constants(node: ast.AST) -> tuple[str, int] | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "RunnerBuild":
        return None
    values = {each.arg: each.value.value for each in node.keywords if isinstance(each.value, ast.Constant)}
    build, svn = values.get("build"), values.get("svn")
    return (build, svn) if isinstance(build, str) and type(svn) is int else None


def _bad(what: str, why: str) -> Failure:
    return bad_data("SR-CLI-107", f"{what} cannot be measured", why=why, fix="give the wheels as they were built")
