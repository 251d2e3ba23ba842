"""Completion: printed offline, and really understood by the shells that are here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.terminal import strongroom

BINARY = str(Path(sys.executable).with_name("strongroom"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_offline(shell):
    ended = strongroom("completion", shell)
    assert ended.code == 0
    assert "_STRONGROOM_COMPLETE" in ended.out
    assert ended.err == ""


@pytest.mark.parametrize(
    ("line", "expected"), [("strongroom ", "workflow"), ("strongroom run ", "execute")], ids=["nouns", "verbs"]
)
def test_bash_gets_its_words_from_the_program(line, expected):
    words = line.split(" ")
    environment = {
        "PATH": os.environ["PATH"],
        "_STRONGROOM_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    ended = subprocess.run([BINARY], capture_output=True, text=True, env=environment, check=False)
    assert expected in ended.stdout.split()
