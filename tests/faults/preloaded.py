"""Libraries that stand between a program and the system, compiled with the compiler that guests are built with."""

import hashlib
import subprocess
import sys

from tests.guests.build import ROOT, built

__all__ = ["preloaded"]


def preloaded(source):
    """The library that ``source`` makes; compiled again when it changes."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    return built(f"{source.stem.replace('_', '-')}-{digest}.so", lambda path: _compile(source, path))


def _compile(source, path):
    arguments = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", "-o", str(path), str(source), "-ldl"]
    subprocess.run(arguments, check=True, cwd=ROOT)
