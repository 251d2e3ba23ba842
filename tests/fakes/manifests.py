"""The shipped manifest without what a test has no use for: each plugin that is a process costs what a host does."""

from pathlib import Path

import yaml

__all__ = ["IN_PROCESS", "shipped_with"]

SHIPPED = Path(__file__).resolve().parents[2] / "plugins.yaml"
IN_PROCESS = ("consensus", "kvstore", "workspace", "cron-trigger", "basic-test")


def shipped_with(directory, *names):
    """Options of a daemon that has these plugins, as they are shipped, and no others."""
    entries = {each["name"]: each for each in yaml.safe_load(SHIPPED.read_text())["plugins"]}
    path = directory / "chosen.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "plugins": [entries[name] for name in names]}))
    return ("--plugins-file", str(path))
