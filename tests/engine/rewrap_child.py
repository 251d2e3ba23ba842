"""Seals everything again until it is killed or done. Run by ``test_rotation_killed.py`` with a URL and a directory."""

import sys
from pathlib import Path

from strongroom.storage.database import Database
from tests.fakes.key_rig import KeyRig


def main(url: str, directory: str) -> None:
    rig = KeyRig(Database.open(url), Path(directory))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    rig.desk.rotation.start(rate=4000)
    for progress in rig.desk.rotation.follow(0.005, is_wanted=lambda: True):
        sys.stdout.write(f"{progress.state} {progress.done}\n")
        sys.stdout.flush()


main(*sys.argv[1:])
