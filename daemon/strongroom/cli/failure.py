"""How a command says that it failed: what, why, what to do, the stable code; on stderr, in words or as JSON."""

import json
from collections.abc import Mapping

from strongroom.cli.exits import Exit, exit_for
from strongroom.errors import InvalidInput, Refused, StrongroomError, Unavailable
from strongroom.telemetry.redaction import printable

__all__ = ["Failure", "bad_data", "of_error", "unavailable"]


class Failure(Exception):
    """The command ends with ``exit_code``, and says ``error``."""

    def __init__(self, error: StrongroomError, exit_code: Exit, *, details: Mapping[str, str] | None = None) -> None:
        super().__init__(error.what)
        self.error = error
        self.exit_code = exit_code
        self.details = details or {name: str(value) for name, value in error.details.items()}

    def text(self) -> str:
        """For people: a line for each thing to say, and no character that a terminal would obey."""
        lines = [f"error: {printable(self.error.what)} ({printable(self.error.code)})"]
        if self.error.why:
            lines.append(f"  why: {printable(self.error.why)}")
        field = self.details.get("field", "")
        if field and field != self.error.what.split(" ", 1)[0]:
            lines.append(f"  in:  {printable(field)}")
        if self.error.fix:
            lines.append(f"  do:  {printable(self.error.fix)}")
        return "\n".join(lines)

    def document(self) -> str:
        """For programs: one JSON document."""
        error = {
            "code": self.error.code,
            "what": self.error.what,
            "why": self.error.why,
            "fix": self.error.fix,
            "details": dict(self.details),
            "exit_code": int(self.exit_code),
        }
        return json.dumps({"schema": "strongroom.error/v1", "error": error}, indent=2)


def of_error(error: StrongroomError) -> Failure:
    """A failure of an error that was raised in this process."""
    return Failure(error, exit_for(error))


def bad_data(code: str, what: str, *, why: str = "", fix: str = "", exit_code: Exit = Exit.DATA) -> Failure:
    """Something that the person gave is wrong."""
    kind = InvalidInput if exit_code is Exit.DATA else Refused
    return Failure(kind(code, what, why=why, fix=fix), exit_code)


def unavailable(code: str, what: str, *, why: str = "", fix: str = "") -> Failure:
    """Nobody is there to ask."""
    return Failure(Unavailable(code, what, why=why, fix=fix), Exit.UNAVAILABLE)
