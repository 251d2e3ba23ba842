"""``strongroom demo``: the main job from end to end, on this machine, in a temporary directory."""

import os

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.verbs import verb

__all__ = ["add_to"]


def demo(caller: Caller) -> int:
    """Start a host, register a plain and a confidential workflow, run both, and show where each ran.

    DEMO_JSON=1 in the environment is the same as --json.
    """
    from strongroom.app.demo import run_demo

    return run_demo(as_json=caller.json or os.environ.get("DEMO_JSON", "") not in {"", "0"})


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    verb(app, "demo", example="strongroom demo", online=False)(demo)
