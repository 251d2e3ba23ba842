"""Write the reference parts of docs/cli.md, docs/settings.md and docs/api.md from the program itself.

Only what stands between the two marks of a page is generated; the rest of a page is written by people. A test compares
the pages with what this prints.
"""

import ast
import enum
import inspect
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import typer

from strongroom.cli.exits import MEANINGS
from strongroom.cli.main import NOUNS, build
from strongroom.settings.places import built_in
from strongroom.settings.schema import Key, environment_name, keys
from tools.api_reference import api_reference

ROOT: Final = Path(__file__).resolve().parent.parent
BEGIN: Final = "<!-- generated from the program: `python -m tools.generate_reference` -->"
CODE: Final = re.compile(r"SR-[A-Z]+-\d{3}")
END: Final = "<!-- end of the generated part -->"


def pages() -> dict[Path, str]:
    """The generated part of every page."""
    return {
        ROOT / "docs" / "cli.md": "\n".join([*exit_codes(), "", *error_codes("cli"), "", *commands()]).rstrip(),
        ROOT / "docs" / "settings.md": "\n".join([*settings(), "", *error_codes("settings")]),
        ROOT / "docs" / "api.md": "\n".join(api_reference()).rstrip(),
    }


def with_part(page: str, part: str) -> str:
    """``page`` with its generated part replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{after}"


def exit_codes() -> Iterator[str]:
    """The table of exit codes."""
    yield from ("## Exit codes", "", "| code | meaning |", "| --- | --- |")
    for code, meaning in MEANINGS.items():
        yield f"| {int(code)} | {meaning} |"


def error_codes(package: str) -> Iterator[str]:
    """The table of the stable codes that ``package`` raises itself, with what each says."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "daemon" / "strongroom" / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                code = node.args[0].value
                if isinstance(code, str) and CODE.fullmatch(code):
                    found.setdefault(code, set()).add(_said(node.args[1]) if len(node.args) > 1 else "")
    yield from ("## Error codes", "", "| code | what it says |", "| --- | --- |")
    for code in sorted(found):
        yield f"| `{code}` | {' · '.join(sorted(found[code]))} |"


def _said(node: ast.expr) -> str:
    """The text of a literal, with an ellipsis for what is only known when it is said."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


def commands() -> Iterator[str]:
    """Every command with its arguments and options."""
    root: Any = typer.main.get_command(build(list(NOUNS)))  # Any: typer keeps the classes of its commands to itself
    yield from ("## Commands", "")
    for title, command in leaves("strongroom", root):
        yield from _command(title, command)


def leaves(title: str, command: Any) -> Iterator[tuple[str, Any]]:  # Any: as above
    """Every command that does something, with its words; groups only hold others, some of them groups again."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield title, command
        return
    for name, each in inner.items():
        yield from leaves(f"{title} {name}", each)


def _command(title: str, command: Any) -> Iterator[str]:  # Any: as above
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    example, _, description = text.partition("\n\n")
    yield from (f"### `{title}`", "", "```sh", example.removeprefix("Example: "), "```", "", description, "")
    yield from ("| argument or option | what |", "| --- | --- |")
    for param in command.params:
        is_argument = param.param_type_name == "argument"
        if not is_argument and "--help" in param.opts:
            continue
        spelled = [param.metavar or param.name.upper()] if is_argument else [*param.opts, *param.secondary_opts]
        default = "" if param.default in (None, "", False, []) else f" Default `{param.default}`."
        choices = ", ".join(f"`{choice}`" for choice in _choices(param.type_descriptor.annotation))
        one_of = f" One of {choices}." if choices else ""
        required = " Required." if param.required else ""
        yield f"| {', '.join(f'`{word}`' for word in spelled)} | {param.help}{one_of}{default}{required} |"
    yield ""


def _choices(annotation: Any) -> Iterator[str]:  # Any: annotations have no common type
    """What may stand there, where that is a list."""
    for each in (annotation, *typing.get_args(annotation)):
        if isinstance(each, type) and issubclass(each, enum.Enum):
            yield from (str(choice.value) for choice in each)


def settings() -> Iterator[str]:
    """The table of settings."""
    places = {mode: built_in(mode, Path("/STATE") if mode == "dev" else None, {}) for mode in ("dev", "serve")}
    yield from ("| key, variable | kind | default | new value | why |", "| --- | --- | --- | --- | --- |")
    for dotted, key in keys().items():
        default = _default(key, {mode: values.get(dotted) for mode, values in places.items()})
        kind = " or ".join(f"`{choice}`" for choice in key.choices) or key.kind
        secret = " Never shown." if key.secret else ""
        taken = "reload" if key.at_reload else "restart"
        place = f"`{dotted}`<br>`{environment_name(dotted)}`"
        yield f"| {place} | {kind} | {default} | {taken} | {key.description}{secret} |"


def _default(key: Key, places: Mapping[str, Path | None]) -> str:
    if key.dotted == "plugins_file":
        places_of_service = "`plugins.yaml` in `/etc/strongroom` or `/usr/lib/strongroom`, else that of the package"
        return f"`dev`: the one in the package; `serve`: {places_of_service}"
    if key.dotted == "limits.runners_max":
        return "processors + 2"
    if places["dev"] is not None:
        dev = str(places["dev"]).removeprefix("/STATE").lstrip("/")
        return f"`dev`: {f'`{dev}` in the state directory' if dev else 'a temporary one'}; `serve`: `{places['serve']}`"
    if key.default in (None, "", ()):
        return "none"
    return f"`{key.default:_}`" if isinstance(key.default, int) else f"`{key.default}`"


def main() -> int:
    """Write the pages."""
    for path, part in pages().items():
        path.write_text(with_part(path.read_text(), part))
    return 0


if __name__ == "__main__":
    sys.exit(main())
