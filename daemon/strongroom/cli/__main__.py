"""``python -m strongroom.cli`` is the same as ``strongroom``."""

from strongroom.cli.entry import main

main()
