"""A small plugin, installed as a wheel would be: files, a RECORD of their hashes, and a pin of it."""

import base64
import hashlib
import itertools
import sys

from strongroom.registry.pinned_import import PinnedFinder
from strongroom.settings.manifest import Pin, PluginEntry

VERSION = "1.2"
_NUMBERS = itertools.count()

PLUGIN = """
import dataclasses
from google.protobuf import wrappers_pb2
from strongroom.plugin import Capability, hookimpl
from {package}.inner import words

@dataclasses.dataclass(eq=False)
class Plugin:
    @hookimpl
    def capabilities(self):
        return [Capability(id="{package}@1.0.0", description="tells", methods={{"Tell": self.tell}})]

    def tell(self, call):
        return wrappers_pb2.StringValue(value=words.WORD)

    @hookimpl
    def key_providers(self):
        return []
"""
SERVED = "from strongroom.plugin.serve import serve\nfrom {package}.plugin import Plugin\nserve(Plugin)\n"


def line_of(path, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(data)}\n"


class InstalledPlugin:
    """``files`` are those of the package by their path in it. Each has a package of its own name."""

    def __init__(self, site, *, distribution=""):
        self.site = site
        self.package = f"made_up_plugin_{next(_NUMBERS)}"
        self.distribution = distribution or self.package.replace("_", "-")
        self.info = site / f"{self.package}-{VERSION}.dist-info"
        self.info.mkdir(parents=True)
        # As a served plugin it must not have the hook of key providers.
        process = PLUGIN.partition("    @hookimpl\n    def key_providers")[0]
        self.files = {
            "__init__.py": "",
            "plugin.py": process.format(package=self.package),
            "keys.py": PLUGIN.format(package=self.package),
            "__main__.py": SERVED.format(package=self.package),
            # No __init__ beside it: a folder of a package is one without.
            "inner/words.py": "WORD = 'good'\n",
        }
        for path, text in self.files.items():
            self.path(path).parent.mkdir(parents=True, exist_ok=True)
            self.path(path).write_text(text)
        metadata = f"Metadata-Version: 2.1\nName: {self.distribution}\nVersion: {VERSION}\n"
        (self.info / "METADATA").write_text(metadata)
        self.record()

    def path(self, inside):
        return self.site / self.package / inside

    @property
    def record_path(self):
        return self.info / "RECORD"

    def record(self, *more):
        """Write the RECORD of what is there now, with ``more`` lines."""
        lines = [line_of(f"{self.package}/{path}", self.path(path).read_bytes()) for path in self.files]
        lines.append(line_of(f"{self.info.name}/METADATA", (self.info / "METADATA").read_bytes()))
        self.record_path.write_text("".join([*lines, *more, f"{self.info.name}/RECORD,,\n"]))

    def pin(self, **changes):
        record = hashlib.sha256(self.record_path.read_bytes()).hexdigest()
        return Pin(**{"distribution": self.distribution, "version": VERSION, "record_sha256": record, **changes})

    def entry(self, **changes):
        own = {"name": "made-up", "factory": f"{self.package}.plugin:Plugin", "config": {}, "pin": self.pin()}
        return PluginEntry(**{**own, "provides": (f"{self.package}@1.0.0",), **changes})

    def process(self, **changes):
        return self.entry(**{"factory": None, "command": ("python", "-m", self.package), **changes})

    def forget(self):
        """Nothing of it is in memory any more."""
        sys.meta_path[:] = [
            each for each in sys.meta_path if not (isinstance(each, PinnedFinder) and each.root == self.site)
        ]
        for name in [name for name in sys.modules if name.partition(".")[0] == self.package]:
            del sys.modules[name]
