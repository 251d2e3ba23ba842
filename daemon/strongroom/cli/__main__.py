"""``python -m strongroom.cli`` is the same as ``strongroom``."""

from strongroom.cli.main import main

main()
