"""The program in this process, with its streams swapped: what it printed, what it said, what it ended with."""

import io
import json
import sys
from dataclasses import dataclass
from typing import Any

from strongroom.cli.main import run


@dataclass(frozen=True)
class Ended:
    """One command that came to its end. ``data`` is stdout as bytes."""

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        """stdout as text."""
        return self.data.decode()

    @property
    def document(self) -> Any:
        """stdout, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error of the JSON document on stderr, which is its last one."""
        return json.loads(self.err[self.err.index("{") :])["error"]


class _Input(io.TextIOWrapper):
    def __init__(self, raw: bytes, terminal: bool) -> None:
        super().__init__(io.BytesIO(raw), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


class _Output(io.TextIOWrapper):
    def __init__(self, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def strongroom(*arguments: str, stdin: bytes = b"", terminal: bool = False, shown: bool = False) -> Ended:
    """Run ``strongroom`` with ``arguments``. ``terminal`` says whether stdin is one, ``shown`` whether stdout is."""
    saved = sys.stdin, sys.stdout, sys.stderr
    out, err = _Output(shown), io.TextIOWrapper(io.BytesIO(), "utf-8")
    sys.stdin, sys.stdout, sys.stderr = _Input(stdin, terminal), out, err
    try:
        code = run(arguments)
    finally:
        sys.stdin, sys.stdout, sys.stderr = saved
    out.flush()
    err.flush()
    return Ended(code, out.buffer.getvalue(), err.buffer.getvalue().decode())
