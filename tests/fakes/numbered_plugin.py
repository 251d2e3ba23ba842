"""Plugins that differ by a number alone, in process or as a process: guests call one of them by its own capability id.

``called(binary, number)`` is a guest that calls ``basic-test-action`` with that id replaced by the one of a number.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from strongroom.plugin import Call, Capability, hookimpl
from strongroom.plugin.messages import basic_action_pb2

USUAL = "basic-test-action@1.0.0"


def id_of(number):
    """As long as the usual one, so that it can stand in its place in a module."""
    return f"basic-test-actio{number}@1.0.0"


def called(binary, number):
    """The module ``binary`` with the id of ``number`` wherever the usual one stands."""
    assert USUAL.encode() in binary
    return binary.replace(USUAL.encode(), id_of(number).encode())


@dataclass(slots=True, kw_only=True, eq=False)
class Numbered:
    """``note`` is only there to differ; a call takes ``delay_ms``. With ``calls``, a file that gets a line for each,
    only the first one does."""

    number: int = 0
    note: str = ""
    delay_ms: int = 0
    refuse: str = ""
    calls: str = ""

    def __post_init__(self) -> None:
        if self.delay_ms < 0:
            raise ValueError("delay_ms must not be negative")

    @hookimpl
    def start(self, host: object) -> None:
        if self.refuse:
            raise RuntimeError(self.refuse)

    @hookimpl
    def capabilities(self) -> list[Capability]:
        return [Capability(id=id_of(self.number), methods={"PerformAction": self.act})]

    def act(self, call: Call) -> basic_action_pb2.Outputs:
        inputs = call.unpack(basic_action_pb2.Inputs)
        if self._is_slow():
            time.sleep(self.delay_ms / 1000)
        return basic_action_pb2.Outputs(adapted_thing="true" if inputs.input_thing else "false")

    def _is_slow(self) -> bool:
        if not self.calls:
            return True
        with Path(self.calls).open("a+") as file:
            file.write("called\n")
            file.seek(0)
            return len(file.readlines()) == 1


def entry(number, *, kind="in-process", **config):
    """Its entry of a manifest."""
    how = {"factory": f"{__name__}:Numbered"} if kind == "in-process" else {"command": ["python", __file__]}
    return {"name": f"number-{number}", **how, "config": {"number": number, **config}}


if __name__ == "__main__":
    from strongroom.plugin.serve import serve

    serve(Numbered)
