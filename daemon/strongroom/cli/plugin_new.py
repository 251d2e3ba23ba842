"""``strongroom plugin new``: a plugin that works and is tested, to be changed into the one that is wanted."""

import importlib.util
import keyword
import os
import re
import shlex
import shutil
import sys
import tempfile
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import DryRun, a_path

__all__ = ["Kind", "new"]

TEMPLATE: Final = Path(__file__).resolve().parent / "plugin_template"
SUFFIX: Final = ".tmpl"
NAME_CHARS_MAX: Final = 50  # it becomes part of capability ids, which have 128, and of thread names
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


class Kind(StrEnum):
    """What the capability of the new plugin is."""

    ACTION = "action"
    TRIGGER = "trigger"


def new(
    caller: Caller,
    name: Annotated[str, typer.Argument(help="Name of the plugin, such as price-feed.", metavar="NAME")],
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the directory of the plugin is made.", metavar="DIR", parser=a_path)
    ] = Path(),
    kind: Annotated[Kind, typer.Option("--kind", help="What its capability is.")] = Kind.ACTION,
    process: Annotated[bool, typer.Option("--process", help="Load it as a process instead of in the host.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Write a new plugin: a Python project that works, with tests that run the conformance suite."""
    module = _module_of(name)
    target = directory.absolute() / name
    if os.path.lexists(target):
        raise bad_data(
            "SR-CLI-046",
            f"{target} exists",
            why="nothing is written over",
            fix="choose another name or --dir",
            exit_code=Exit.CANNOT_CREATE,
        )
    files = _files(name, module, kind, process=process)
    if not dry_run:
        _make(target, files)
    commands = [
        f"cd {shlex.quote(str(target))} && {_python()} -m pip install --no-build-isolation -e '.[test]'",
        f"{_python()} -m pytest",
        f"strongroom dev --state-dir ~/{name}-try --plugins-file plugins.yaml",
    ]
    document = {
        "name": name,
        "directory": str(target),
        "kind": str(kind),
        "process": process,
        "files": sorted(files),
        "next": commands,
        "dry_run": dry_run,
    }
    caller.emit("plugin-new", document, "\n".join(str(target / path) for path in sorted(files)))
    for line in ["nothing was written"] if dry_run else ["next:", *(f"  {command}" for command in commands)]:
        caller.note(line)


def _module_of(name: str) -> str:
    """The package of a plugin of that name. Raises ``Failure`` for a name that cannot be one."""
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        why = f"a name is words of a-z and 0-9 with - between them, at most {NAME_CHARS_MAX} characters"
    elif keyword.iskeyword(module) or keyword.issoftkeyword(module):
        why = "Python has that word for itself"
    elif importlib.util.find_spec(module) is not None:
        why = f"there is a package {module} already, and one of them would hide the other"
    else:
        return module
    raise bad_data(
        "SR-CLI-045",
        f"{name[: NAME_CHARS_MAX + 1]!r} cannot be the name of a plugin",
        why=why,
        fix="choose a name such as price-feed",
        exit_code=Exit.USAGE,
    )


def _files(name: str, module: str, kind: Kind, *, process: bool) -> dict[str, str]:
    """The text of each file by its path below the directory of the plugin."""
    class_name = "".join(word.capitalize() for word in name.split("-"))
    loaded = f"    command: [python, -m, {module}]" if process else f"    factory: {module}.plugin:{class_name}"
    words = {
        "name": name,
        "module": module,
        "class": class_name,
        "loaded": loaded,
        "strongroom": _requirement(metadata.version("strongroom")),
    }
    files = {}
    for part in ("both", str(kind)):
        for path in sorted((TEMPLATE / part).rglob(f"*{SUFFIX}")):
            at = str(path.relative_to(TEMPLATE / part)).removesuffix(SUFFIX).replace("__module__", module)
            text = path.read_text()
            for word, value in words.items():
                text = text.replace("{{" + word + "}}", value)
            files[at] = text
    return files


def _requirement(version: str) -> str:
    """This release and those that promise to be compatible: before 1.0 those of its minor version."""
    major, minor, *_ = version.split(".")
    below = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return f"strongroom>={version},<{below}"


def _make(target: Path, files: dict[str, str]) -> None:
    try:
        _write(target, files)
    except OSError as error:
        raise bad_data(
            "SR-CLI-015",
            f"{target} cannot be made",
            why=str(error.strerror),
            fix="give --dir a directory that you may write to",
            exit_code=Exit.CANNOT_CREATE,
        ) from error


def _write(target: Path, files: dict[str, str]) -> None:
    """All of it or nothing: written beside the target and then moved there. Raises ``OSError``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for at, text in files.items():
            path = made / at
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        made.chmod(0o755)
        made.rename(target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _python() -> str:
    """The interpreter of this program, by its short name if that leads to it."""
    return "python" if shutil.which("python") == sys.executable else shlex.quote(sys.executable)
