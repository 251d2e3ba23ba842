"""The commands of a page of the documentation, as one script for bash: what a reader types, in the order of the page.

A comment before a block says what is special about it:

``<!-- run: exit 65 -->`` it ends with that code. ``<!-- run: host -->`` a test has such a host running already.
``<!-- not run: REASON -->`` nobody can run it everywhere; the reason is one of ``REASONS``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>(?:not )?run: [^\n]*?) -->\n)?^```sh\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
REASONS = frozenset(
    {
        "it needs root and systemd",
        "it takes hours",
        "it needs the wheels of a release",
        "it needs a TPM",
        "it needs another machine",
        "it needs a registry",
        "it needs a vault for production",
        "it goes on until it is interrupted",
        "it installs into the Python that runs the tests",
        "the test has it already",
    }
)
PLACES = (
    ("~/strongroom-try", "$STRONGROOM_STATE_DIR"),
    ("~/strongroom-quickstart", "$STRONGROOM_STATE_DIR"),
    ("127.0.0.1:9464", "$OBSERVE"),
    ("/etc/strongroom", "$HOME/etc/strongroom"),
    ("/run/strongroom", "$STRONGROOM_STATE_DIR"),
    ("/var/lib/strongroom", "$STRONGROOM_STATE_DIR"),
    ("/run/keyring", "$HOME/run-keyring"),
    ("/backups/", "backups/"),
)
"""What stands on pages and is elsewhere in a test: nobody may write to /etc, and run ids are made anew."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of commands."""

    line: int
    text: str
    mark: str

    @property
    def is_run(self):
        return not self.mark.startswith("not run") and self.mark != "run: host"

    @property
    def exit_code(self):
        found = re.fullmatch(r"run: exit (\d+)", self.mark)
        return int(found[1]) if found else 0


def blocks_of(page):
    text = page.read_text()
    return [
        Block(text.count("\n", 0, found.start("text")), found["text"], found["mark"] or "")
        for found in BLOCK.finditer(text)
    ]


def meant(text):
    """``text`` with the places and the run of a test."""
    for said, here in PLACES:
        text = text.replace(said, here)
    return re.sub(r"wrun_[0-9A-Z]{26}", '"$RUN"', text)


def script_of(blocks, before):
    """Blocks in order in one shell; on failure, stderr says at which line of the page it ended.

    ``before`` has what was done before the block with that number, counted from 0 without those that are not run.
    """
    parts = ["set -eo pipefail"]
    for number, block in enumerate(blocks):
        parts.append(before.get(number, ""))
        text = meant(block.text)
        parts.append(f"LINE={block.line}; trap 'echo \"at line $LINE of the page\" >&2' EXIT")
        if block.exit_code:
            parts.append(f"set +e; (\n{text}); code=$?; set -e; test $code -eq {block.exit_code}")
        else:
            parts.append(text)
    return "\n".join([*parts, "trap - EXIT"])
