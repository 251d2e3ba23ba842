"""The program: which commands there are, and what becomes of an error.

Only the noun that was named is imported, since its libraries cost more than everything else a short command does.
"""

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, NoReturn

import typer

from strongroom.cli import completion, demo, dev, doctor, host, measure, reload, serve, top
from strongroom.cli.caller import ReaderGone
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data, of_error
from strongroom.cli.streams import dropped, open_standard_streams
from strongroom.cli.verbs import group
from strongroom.errors import Internal, StrongroomError

__all__ = ["NOUNS", "build", "command", "main", "run", "serve_main"]

PROGRAM: Final = "strongroom"
COMPLETE_VARIABLE: Final = "_STRONGROOM_COMPLETE"
# Module below `strongroom.cli` -> what the root's help says; the module says the same of itself.
NOUNS: Final[Mapping[str, str]] = {
    "workflow": "Register workflows, look at them, pause and delete them.",
    "run": "Start runs, look at them, stop them, repeat them.",
    "hook": "Answer runs that wait for somebody outside.",
    "receipt": "Take receipts of confidential runs out of the host, and check them anywhere.",
    "attest": "Verify evidence of enclaves, and see why it is refused; offline.",
    "policy": "Test, compare and sign policies of a vault; offline.",
    "capability": "List capabilities and call them.",
    "secret": "Give secrets to the vault, list their names, delete them.",
    "vault": "Run a vault of its own, see who a vault is, and grant secrets to workflows.",
    "keys": "Make, add, promote and retire the root secrets of a host.",
    "callers": "Make tokens for callers, and check who may call.",
    "workspace": "Mount a project's encrypted workspaces, read and write them, watch them.",
    "backup": "Take backups of a host, verify them anywhere, restore them where nothing is.",
    "db": "Look at the database of a host, and bring its schema to this release's.",
    "audit": "See who did what on a host, and check that the record of it holds.",
    "plugin": "See what plugins run, check and change the manifest.",
    "config": "Check the settings, and show where each comes from.",
    "service": "Install the units of a host, and take them away.",
}
HELP: Final = """\b
Example:
  strongroom dev --state-dir ./state
  strongroom workflow register hello.wasm --name hello
  strongroom run execute hello --payload '{"who": "x"}'

strongroom registers WebAssembly workflows and runs them, in a local sandbox or in an enclave, sealing what it stores.
"""


def build(nouns: Sequence[str]) -> typer.Typer:
    """The program with the commands of ``nouns``; other nouns are there by name only."""
    app = group(HELP)
    for module in (dev, demo, serve, host, top, doctor, reload, measure, completion):
        module.add_to(app)
    for noun, help_text in NOUNS.items():
        part = importlib.import_module(f"strongroom.cli.{noun}").app if noun in nouns else group(help_text)
        app.add_typer(part, name=noun)
    return app


@cache
def command(noun: str) -> Any:
    """``build`` for one noun, or for "", which is none, as it is run; made once for all commands of a process."""
    return typer.main.get_command(build([noun]))


def main() -> NoReturn:
    """Entry point ``strongroom``."""
    open_standard_streams()
    _end(run(sys.argv[1:]))


def serve_main() -> NoReturn:
    """Entry point ``strongroomd``, which is ``strongroom serve``."""
    open_standard_streams()
    arguments = sys.argv[1:]
    _end(run(arguments if arguments == ["--version"] else ["serve", *arguments]))


def _end(code: int) -> NoReturn:
    """Exit; a host, which alone has loaded how it ends, does so without waiting for its threads."""
    ending = sys.modules.get("strongroom.app.ending")
    if ending is not None and ending.is_host():
        ending.leave(code)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """The exit code of one command."""
    as_json = "--json" in arguments
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign gets its number; a command must not fail of it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _invoke(arguments)
    except Failure as failure:
        return _say(failure, as_json=as_json)
    except StrongroomError as error:
        return _say(of_error(error), as_json=as_json)
    except typer.TyperException as error:
        return _say_usage(error, as_json=as_json)
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        return Exit.INTERRUPTED
    except ReaderGone:
        dropped(sys.stdout)
        return Exit.OK
    except OSError as error:
        return _refused_by_system(error, as_json=as_json)
    except UnicodeEncodeError as error:
        return _say(_not_text(arguments) or _bug(error), as_json=as_json)
    except Exception as error:  # the border of the program: nothing may end in a traceback
        return _say(_bug(error), as_json=as_json)


def _invoke(arguments: Sequence[str]) -> int:
    if COMPLETE_VARIABLE in os.environ:
        # A shell that completes names its words in the environment, and may ask about any noun.
        _know_shells()
        program = typer.main.get_command(build(list(NOUNS)))
    else:
        word = next((word for word in arguments if not word.startswith("-")), "")
        program = command(word if word in NOUNS else "")
    try:
        result = program.main(
            args=["version"] if list(arguments) == ["--version"] else list(arguments),
            prog_name=PROGRAM,
            standalone_mode=False,
        )
    except SystemExit:
        # So typer ends when nobody reads its help any more. Its code would mean that a run failed.
        raise ReaderGone from None
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGone from None
    return result if isinstance(result, int) else Exit.OK


def _know_shells() -> None:
    """Make typer know bash, zsh and fish, which it does only when it may add options of its own, or is asked so."""
    from typer.completion import get_completion_inspect_parameters

    get_completion_inspect_parameters()


def _refused_by_system(error: OSError, *, as_json: bool) -> int:
    """What the operating system refused. Help, which is not printed here, may find a stdout that takes nothing."""
    stdout_lost = dropped(sys.stdout)
    name = error.filename or ("stdout" if stdout_lost else "input or output")
    code = Exit.PERMISSION if isinstance(error, PermissionError) else Exit.IO
    what = f"{name}: {error.strerror or type(error).__name__}"
    at_stdout = name == "stdout"
    why = "nothing can be printed" if at_stdout else "the operating system refused it"
    fix = (
        "give stdout a terminal, a pipe or a file with room" if at_stdout else "look at the path, its mode and the disk"
    )
    return _say(bad_data("SR-CLI-060", what, why=why, fix=fix, exit_code=code), as_json=as_json)


def _say(failure: Failure, *, as_json: bool) -> int:
    try:
        sys.stderr.write((failure.document() if as_json else failure.text()) + "\n")
    except OSError:
        # Nobody hears it, and the exit code says it all the same.
        dropped(sys.stderr)
    return int(failure.exit_code)


def _say_usage(error: typer.TyperException, *, as_json: bool) -> int:
    """Fault of the command line itself; ``strongroom`` alone shows its help here."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(message + "\n")
        return Exit.USAGE
    fix = f"{context.command_path} --help shows how" if context is not None else "strongroom --help shows how"
    code = Exit.USAGE if error.exit_code == Exit.USAGE else Exit.IO
    # typer says of its own checks that they raised a ValueError.
    message = " ".join(message.replace(": Value error, ", ": ").split()).rstrip(".")
    return _say(bad_data("SR-CLI-001", message, fix=fix, exit_code=code), as_json=as_json)


def _not_text(arguments: Sequence[str]) -> Failure | None:
    """Which word of the command is no text. Paths may hold any bytes; everything else goes into messages."""
    for number, word in enumerate(arguments, 1):
        try:
            word.encode()
        except UnicodeEncodeError:
            return bad_data(
                "SR-CLI-019",
                f"word {number} after {PROGRAM} is not UTF-8",
                why="only paths of files may hold other bytes",
                fix="write it in UTF-8",
                exit_code=Exit.USAGE,
            )
    return None


def _bug(error: Exception) -> Failure:
    """Where it happened, and never its text: that may hold what a person wanted kept secret."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        place = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
        trace = trace.tb_next
    return Failure(
        Internal(
            "SR-CLI-070",
            "strongroom has a fault of its own",
            why=f"{type(error).__name__} at {place}",
            fix="please report it with this line and the command",
        ),
        Exit.BUG,
    )
