"""``strongroom completion``: scripts for shells. They ask the program itself, and no host."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.verbs import verb

__all__ = ["add_to"]

# The variable and its values are typer's protocol; what it prints is words for the shell.
SCRIPTS: Final = {
    "bash": """\
_strongroom_completion() {
    local IFS=$'\\n'
    local words="${COMP_WORDS[*]}"
    COMPREPLY=( $(env COMP_WORDS="$words" COMP_CWORD="$COMP_CWORD" _STRONGROOM_COMPLETE=complete_bash strongroom) )
}
complete -o default -F _strongroom_completion strongroom
""",
    "zsh": """\
#compdef strongroom
_strongroom_completion() {
    eval "$(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _STRONGROOM_COMPLETE=complete_zsh strongroom)"
}
compdef _strongroom_completion strongroom
""",
    "fish": """\
complete --command strongroom --no-files \\
    --condition "env _STRONGROOM_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=is-args \\
_TYPER_COMPLETE_ARGS=(commandline -cp) strongroom" \\
    --arguments "(env _STRONGROOM_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \\
_TYPER_COMPLETE_ARGS=(commandline -cp) strongroom)"
""",
}


class Shell(StrEnum):
    """Shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    caller: Caller, shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.", metavar="SHELL")]
) -> None:
    """Print the completion script of a shell.

    Put it where the shell looks, or: source <(strongroom completion bash)
    """
    script = SCRIPTS[shell.value]
    caller.emit("completion", {"shell": shell.value, "script": script}, script.rstrip("\n"))


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    verb(app, "completion", example="strongroom completion bash", online=False)(completion)
