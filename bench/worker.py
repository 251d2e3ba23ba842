"""A process of its own for one side of a comparison, so that its threads do not share an interpreter with the other.

It is asked with a line on its standard input and answers with one line of JSON. Times are taken inside it: what the
pipe costs is no part of them.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["ROOT", "Worker", "answer"]

ROOT: Final = Path(__file__).resolve().parent.parent


class Worker:
    """``python -m MODULE ARGUMENTS``, or a ``command`` in another language, ready when this is constructed."""

    def __init__(self, module: str = "", *arguments: str, command: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            command or [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.ready = self._line()

    def ask(self, text: str = "") -> Any:  # Any: whatever JSON the worker answers with
        """The answer to one question."""
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        return self._line()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _line(self) -> Any:  # Any: as above
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with status {self._process.wait()}; its words are above")
        return json.loads(line)


def answer(act: Callable[[str], Any], ready: Any = True) -> None:  # Any: what JSON can carry
    """The worker's side: say ready, then answer each line with what ``act`` makes of it, until the input ends."""
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(act(line.strip())), flush=True)
