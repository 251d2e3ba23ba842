"""How a command is declared: its own parameters in its signature, the common ones added to every command alike.

A command is a function whose first parameter is the ``Caller``. What it returns is its exit code; None is success.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import typer

from strongroom.cli.caller import Caller

__all__ = ["DryRun", "Function", "Owner", "Yes", "a_path", "group", "verb"]

Function: TypeAlias = Callable[..., int | None]
# A deadline of zero would never be met, and nothing here takes longer than a day.
TIMEOUT_S_MAX: Final = 86_400.0


def a_path(text: str) -> Path:
    """``text`` as a path. An empty one would silently be the working directory, and is what an unset variable gives."""
    if not text:
        raise typer.BadParameter("it is empty; is a variable of your shell not set?")
    return Path(text)


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree beforehand; scripts need it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, change nothing.")]
Owner = Annotated[str, typer.Option("--owner", help="Owner, 40 hex digits; the host's own if not given.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document with its schema.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")]
_NoInput = Annotated[bool, typer.Option("--no-input", "--non-interactive", help="Fail instead of asking.")]
_Socket = Annotated[Path | None, typer.Option("--socket", help="Socket of the host.", metavar="PATH", parser=a_path)]
_StateDir = Annotated[
    Path | None, typer.Option("--state-dir", help="State directory of the host.", metavar="DIR", parser=a_path)
]
_Timeout = Annotated[
    float, typer.Option("--timeout", help="Seconds to wait for the host.", min=0.001, max=TIMEOUT_S_MAX, metavar="S")
]
_TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", help="File with a token that gives more than the socket.", metavar="FILE", parser=a_path
    ),
]
_LOCAL: Final[dict[str, tuple[Any, Any]]] = {  # Any: typer reads annotations of any form
    "as_json": (_Json, False),
    "quiet": (_Quiet, False),
    "no_input": (_NoInput, False),
}
_ONLINE: Final[dict[str, tuple[Any, Any]]] = {
    "socket": (_Socket, None),
    "state_dir": (_StateDir, None),
    "timeout_s": (_Timeout, 60.0),
    "token_file": (_TokenFile, None),
}


def group(help_text: str) -> typer.Typer:
    """A noun: a group of commands."""
    return typer.Typer(
        help=help_text,
        # Given, it is wrapped where it is listed; taken from the help, it would be cut to one line.
        short_help=help_text.split("\n\n")[0],
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    )


def verb(
    app: typer.Typer, name: str, *, example: str, online: bool = True, more_words: bool = False
) -> Callable[[Function], Function]:
    """Add the decorated function to ``app``. ``online`` commands also take where the host is and how long to wait.

    ``more_words`` leaves words that no argument takes to the function, in its ``typer.Context``.
    """
    common = {**_LOCAL, **(_ONLINE if online else {})}

    def decorate(function: Function) -> Function:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        added = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for key, (annotation, default) in common.items()
        ]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + added

        def call(**given: Any) -> int | None:  # Any: what typer parsed
            shared = {key: given.pop(key) for key in common}
            caller = Caller(json=shared.pop("as_json"), **shared)
            return function(caller, **given)

        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads the signature
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        description = inspect.getdoc(function) or ""
        add = app.command(
            name,
            help=f"\b\nExample: {example}\n\n{description}",
            short_help=" ".join(description.split("\n\n")[0].split("\n")),
            context_settings={"allow_extra_args": more_words},
        )
        add(call)
        return function

    return decorate
