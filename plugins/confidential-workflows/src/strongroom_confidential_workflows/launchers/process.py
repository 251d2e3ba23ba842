"""Launcher ``process``: a runner is a process of this machine that seals itself off. No tool is needed for it."""

import sys
from collections.abc import Callable
from typing import Final

from strongroom_confidential_workflows.launchers.runner import STATEMENT
from strongroom_confidential_workflows.messages import Configure, encode
from strongroom_confidential_workflows.runner_process import RunnerProcess

__all__ = ["MODULE", "NAME", "ProcessStarter", "runner_command"]

NAME: Final = "process"
MODULE: Final = "strongroom_confidential_workflows.enclave"


def runner_command(*descriptors: int) -> list[str]:
    """The program with the descriptor of its link and, when it gets no message to configure it, of its configuration.

    ``-I``: what is imported depends on neither the environment nor the working directory.
    """
    return [sys.executable, "-I", "-m", MODULE, *map(str, descriptors)]


class ProcessStarter:
    """Starts them. ``configure`` gives the first message for each."""

    name = NAME
    statement = STATEMENT
    protections: tuple[str, ...] = ()

    def __init__(self, configure: Callable[[], Configure]) -> None:
        """Nothing is started yet."""
        self._configure = configure

    def start(self) -> RunnerProcess:
        """See ``Starter``."""
        return RunnerProcess(runner_command, encode(self._configure()))
