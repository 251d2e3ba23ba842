"""Links of the documentation site: what leads out of docs/ is named, since a site has pages and no source tree.

MkDocs calls ``on_page_markdown`` for each page (its setting ``hooks``). A link to a file that is not there ends the
build.
"""

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["on_page_markdown"]

LINK: Final = re.compile(r"\[([^\]\[]*(?:\[[^\]]*\][^\]\[]*)*)\]\(([^)\s]+)\)")
FENCED: Final = re.compile(r"^(```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)


class BrokenLinkError(Exception):
    """A page links to a file that the tree has not."""


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # Any: MkDocs has no types
    """The page with links out of docs/ as names of files. Raises ``BrokenLinkError``."""
    del files
    return named(markdown, Path(page.file.abs_src_path), Path(config["docs_dir"]))


def named(markdown: str, source: Path, docs: Path) -> str:
    """``markdown`` of the page ``source``, whose links out of ``docs`` became the names of what they lead to."""
    pieces = FENCED.split(markdown)
    return "".join(
        piece if piece.startswith("```") else LINK.sub(lambda found: _link(found, source, docs), piece)
        for piece in pieces
    )


def _link(found: re.Match[str], source: Path, docs: Path) -> str:
    text, target = found[1], urlsplit(found[2])
    if target.scheme or not target.path:
        return found[0]
    path = (source.parent / target.path).resolve()
    if not path.exists():
        raise BrokenLinkError(f"{source}: {found[2]} is not there")
    if path.is_relative_to(docs.resolve()) and path.is_file():
        return found[0]
    name = str(path.relative_to(docs.resolve().parent))
    return text if name in text else f"{text} (`{name}`)"
