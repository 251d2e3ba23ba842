"""Flags that choose settings. A setting that may hold a secret is not among them: arguments are shown to everybody."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import typer

from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data

__all__ = ["Set", "chosen_flags"]

Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any setting, as key=value; may be repeated.", metavar="KEY=VALUE"),
]


def chosen_flags(assignments: list[str] | None, named: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Flags by dotted key: ``--set`` first, over which a flag of its own name wins. Any: values of any setting."""
    from strongroom.settings.sources import known_keys

    flags: dict[str, Any] = {}
    for assignment in assignments or ():
        key, equals, value = assignment.partition("=")
        if not equals:
            raise bad_data("SR-CLI-050", "--set takes key=value", fix="--set log.level=debug", exit_code=Exit.USAGE)
        if key in known_keys() and known_keys()[key].secret:
            raise bad_data(
                "SR-CLI-051",
                f"{key} cannot be a flag",
                why="it may hold a password, and arguments are shown to other processes",
                fix="put it into a file that only the host can read",
                exit_code=Exit.USAGE,
            )
        flags[key] = value
    flags.update({key: value for key, value in (named or {}).items() if value is not None})
    return flags
