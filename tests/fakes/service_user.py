"""The user that a service runs as, and processes that are forked for what a test must not do to its own."""

import json
import os
import sys
import traceback

import pytest

from strongroom.errors import StrongroomError
from tests.fakes.open_folders import open_folders

__all__ = ["SERVICE", "as_service", "in_child", "root_only"]

SERVICE = 65_534
"""Every machine has it, and the PostgreSQL of tests lets it in."""
REFUSED = "other users cannot read the program"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run this as root")


def in_child(act):
    """What ``act`` returns in a process of its own, as JSON has it; of an error of ours its code and its text.

    Root that becomes another user there still reads the program, wherever it lies.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            refused = open_folders() if os.geteuid() == 0 else ""
            try:
                said = {REFUSED: refused} if refused else act()
            except StrongroomError as error:
                said = {"code": error.code, "text": f"{error} {error.why} {error.fix}"}
            os.write(writing, json.dumps(said).encode())
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    assert said, "the process ended without an answer; what it died of is above"
    said = json.loads(said)
    if isinstance(said, dict) and REFUSED in said:
        pytest.skip(f"another user may not read the program here, and {said[REFUSED]}")
    return said


def as_service(act):
    """What ``act`` returns to a process of the service."""

    def became():
        os.setgroups([]) if os.geteuid() == 0 else None
        os.setresgid(SERVICE, SERVICE, SERVICE)
        os.setresuid(SERVICE, SERVICE, SERVICE)
        return act()

    return in_child(became)
