"""A keyring in a file beside a real database, opened as a host opens it, without the rest of a host."""

from pathlib import Path

from strongroom.app.keys import key_desk
from strongroom.app.stores import SealedStore
from strongroom.engine.key_life import KeyLife
from strongroom.engine.specs import Specs
from strongroom.keyring.files import load_keyring
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.sources import SecretSource
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.storage import key_checks, meta
from tests.fakes.rows import spec_row

SECRETS = {version: f"{version}:" + f"secret-{version}-".ljust(43, "s") for version in range(1, 10)}


def text_of(*versions):
    """A keyring of these versions; each always has the same secret."""
    return ",".join(SECRETS[version] for version in versions)


class Copies:
    """What a host knows of workspaces: mounts that are open, and copies that are out of reach."""

    def __init__(self):
        self.mounts, self.known = [], []

    def opened(self):
        return self.mounts

    def copies(self):
        return self.known

    def forget(self, name):
        before = len(self.known)
        self.known = [copy for copy in self.known if copy.name != name]
        return len(self.known) < before


class KeyRig:
    """One start of a host, as far as its keys go. ``versions`` are written into its keyring file first."""

    def __init__(self, database, directory: Path, *versions):
        self.file = directory / "keyring"
        self.write(*versions) if versions else None
        self.source = SecretSource("file", str(self.file))
        self.database = database
        self.root = load_keyring(self.file)
        self.life = KeyLife(self.root, database, offered=lambda: self.source.read(strict=False), clock_ms=lambda: 7)
        self.life.open()
        self.keys = RecordKeys(self.root)
        self.specs = Specs(database, self.keys)
        self.store = SealedStore("plugin", database, self.keys)
        self.workspaces = Copies()
        self.desk = key_desk(self.life, database, self.keys, self.workspaces)

    def write(self, *versions):
        """Another text in the keyring file."""
        self.file.write_text(text_of(*versions))
        self.file.chmod(0o600)

    def add_workflow(self, number=0, config=b"config"):
        """A registered workflow, sealed under the version that writes."""
        row = spec_row(number, attributes=b"{}")
        subscriptions = sdk_pb2.TriggerSubscriptionRequest(subscriptions=[sdk_pb2.TriggerSubscription(id="cron@1.0.0")])
        return self.specs.add(row, config, subscriptions, b"\0asm", owner_max=1000)

    def state(self):
        """What the database says about key versions."""
        return self.database.read(lambda c: (key_checks.all(c), meta.get(c, "key_state"), meta.get(c, "deployment_id")))


def roots(*versions):
    """A keyring of these versions in memory."""
    return parse_secrets(text_of(*versions))
