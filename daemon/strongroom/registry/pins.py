"""Pins of ``plugins.yaml``: the code of a plugin is what the operator pinned, before any of it runs.

Rule 1: every start passes here: of a plugin in this process, of one in a process of its own, again after a crash, and
of a provider of keys. What has no pin passes unseen, unless the manifest requires pins.
Rule 2: what does not fit raises ``PluginFault`` with a code SR-PIN; nothing was imported or started then.
Rule 3: a distribution is checked whole (``pinned_files``), and its modules are loaded from checked bytes
(``pinned_import``). What it depends on is not covered, nor are processes that the plugin starts.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from strongroom.errors import PluginFault
from strongroom.registry import pinned_import
from strongroom.registry.child import PYTHON, find_program
from strongroom.registry.pinned_files import InstalledRecord, check_files, installed_record, refused
from strongroom.registry.pinned_import import PinnedFinder
from strongroom.registry.pinned_program import PinnedProgram
from strongroom.settings.manifest import Pin, PluginEntry

__all__ = ["PIN_CODES", "CheckedCommand", "check_pin", "checked_command", "import_factory_module", "module_of"]

PIN_CODES: Final = "SR-PIN-"
"""How the codes of everything begin that a pin refuses: trying again at once does not help."""


@dataclass(frozen=True, slots=True)
class CheckedCommand:
    """What to start. ``program`` is the descriptor of a pinned program, which is then started through it."""

    words: tuple[str, ...]
    program: int | None = None
    _pinned: PinnedProgram | None = None

    def confirm(self) -> None:
        """Raise ``PluginFault`` if the program was changed while it started. Nothing has been told to it by then."""
        if self._pinned is not None:
            self._pinned.confirm()


def check_pin(entry: PluginEntry) -> str:
    """What was compared, in words; empty without a pin. Raises ``PluginFault``. Nothing of the plugin runs."""
    if entry.pin is None:
        return ""
    _refuse_missing(entry.pin)
    if entry.command is not None and entry.pin.command_sha256:
        with checked_command(entry.command, entry.pin):
            return "the program"
    record, count = _checked(entry.pin, module_of(entry.factory, entry.command))
    return f"{record.name} {record.version}, {count} files"


def import_factory_module(entry: PluginEntry) -> ModuleType:
    """The module of ``factory``, imported under its pin. Raises ``PluginFault``, and whatever the import raises."""
    name = (entry.factory or "").partition(":")[0]
    if entry.pin is None:
        return importlib.import_module(name)
    _install(entry.pin, name)
    module = importlib.import_module(name)
    # Somebody else's hook may have been asked before ours.
    _refuse_loaded(entry.pin)
    return module


@contextmanager
def checked_command(command: Sequence[str], pin: Pin | None) -> Iterator[CheckedCommand]:
    """The command to start, under its pin. ``confirm`` once it runs. Raises ``PluginFault``."""
    words = tuple(command)
    if pin is None:
        yield CheckedCommand(words)
        return
    _refuse_missing(pin)
    if not pin.command_sha256:
        module = module_of(None, words)
        record, _ = _checked(pin, module)
        # As `python -m` would, but from bytes that are hashed as they are loaded.
        checked = (pinned_import.__file__, str(record.path), record.sha256, module, *words[3:])
        yield CheckedCommand((PYTHON, "-P", *checked))
    elif words[0] == PYTHON:
        raise refused(
            "SR-PIN-012",
            "a hash of the interpreter pins no plugin",
            fix="pin distribution, version and record_sha256 of what it runs, or name another program as the command",
        )
    else:
        program = PinnedProgram(find_program(words[0]), pin.command_sha256)
        try:
            yield CheckedCommand(words, program.descriptor, program)
        finally:
            program.close()


def module_of(factory: str | None, command: Sequence[str] | None) -> str:
    """The module that a distribution is pinned for. Raises ``PluginFault`` when this host does not import it itself."""
    if factory is not None:
        return factory.partition(":")[0]
    if command is not None and len(command) > 2 and tuple(command[:2]) == (PYTHON, "-m"):
        return command[2]
    raise refused(
        "SR-PIN-011",
        "a distribution can be pinned for `factory` and for `command: [python, -m, module]` only",
        why="of another program this host does not see what it loads",
        fix="pin it with command_sha256",
    )


def _refuse_missing(pin: Pin) -> None:
    if not pin:
        raise refused(
            "SR-PIN-015",
            "it has no pin",
            why="the manifest says `pins: required`, so that no entry loses its pin unseen",
            fix="look at what is installed, then run `strongroom plugin pin NAME`",
        )


def _checked(pin: Pin, module: str) -> tuple[InstalledRecord, int]:
    _refuse_missing(pin)
    record = installed_record(pin.distribution)
    if record.version != pin.version:
        raise refused(
            "SR-PIN-004",
            f"distribution {record.name} is not the pinned one",
            expected=f"version {pin.version}",
            found=record.version,
        )
    if record.sha256 != pin.record_sha256:
        raise _other_record(record.name, pin.record_sha256, record.sha256)
    count = check_files(record)
    finder = _finder(record)
    if not {module, f"{module}.__main__"} & finder.modules.keys():
        raise refused(
            "SR-PIN-010",
            f"{module} is not in the pinned distribution {record.name}",
            fix="pin the distribution that has it, or correct `factory` or `command`",
        )
    return record, count


def _other_record(name: str, expected: str, found: str) -> PluginFault:
    return refused("SR-PIN-005", f"the RECORD of {name} is not the pinned one", expected=expected, found=found)


def _finder(record: InstalledRecord) -> PinnedFinder:
    try:
        return PinnedFinder(record.path, record.sha256)
    except ImportError as error:
        raise _other_record(record.name, record.sha256, str(error)) from error


def _install(pin: Pin, module: str) -> None:
    """From here on the modules of the distribution come from checked bytes."""
    record, _ = _checked(pin, module)
    finder = _finder(record)
    older = [each for each in sys.meta_path if isinstance(each, PinnedFinder) and each.root == finder.root]
    sys.meta_path.insert(0, finder)
    for each in older:
        if each.modules.keys() & finder.modules.keys():
            sys.meta_path.remove(each)
    try:
        _refuse_loaded(pin)
    except PluginFault:
        sys.meta_path.remove(finder)
        raise


def _refuse_loaded(pin: Pin) -> None:
    for each in [found for found in sys.meta_path if isinstance(found, PinnedFinder)]:
        if each.record_sha256 == pin.record_sha256 and (loaded := each.loaded_otherwise()):
            raise refused(
                "SR-PIN-013",
                f"{loaded[0]} of {pin.distribution} is in memory already, and was not loaded under this pin",
                why="another plugin of that distribution has no pin or had an older one, or the host uses it itself",
                fix="pin every plugin of that distribution alike, and start the host anew",
            )
