"""An engine on a real database with real keys, and modules that a test scripts instead of guests."""

import threading
from dataclasses import dataclass, field

from google.protobuf import any_pb2

from strongroom.engine.engine import Engine
from strongroom.engine.host import EngineHost
from strongroom.engine.journal import Journals
from strongroom.engine.limits import EngineLimits
from strongroom.engine.registration import Owners, Registration, Wish
from strongroom.engine.secrets import SecretReader
from strongroom.engine.specs import Specs
from strongroom.errors import Exhausted
from strongroom.guest.pool import CompiledModule, ModuleInfo
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.run_keys import RunEncryptor
from strongroom.modules.module import LOCAL
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.values.v1 import values_pb2
from tests.fakes.capabilities import ScriptedCapabilities

OWNER = "0" * 39 + "1"
WASM = b"\x00asm\x01\x00\x00\x00"


def value(text):
    return sdk_pb2.ExecutionResult(value=values_pb2.Value(string_value=text))


def subscriptions(*ids):
    request = sdk_pb2.TriggerSubscriptionRequest(
        subscriptions=[sdk_pb2.TriggerSubscription(id=i, method="Trigger", payload=any_pb2.Any()) for i in ids]
    )
    return sdk_pb2.ExecutionResult(trigger_subscriptions=request)


@dataclass
class ScriptedModule:
    """Answers subscribe with its subscriptions and a trigger with whatever ``on_trigger`` does."""

    on_trigger: object
    on_subscribe: object
    executed: list = field(default_factory=list)
    terms: list = field(default_factory=list)
    on_pre_hook: object = None

    def start(self):
        pass

    def execute(self, request, helper, terms=None):
        if request.WhichOneof("request") == "subscribe":
            return self.on_subscribe(request, helper)
        self.terms.append(terms)
        if request.WhichOneof("request") == "pre_hook":
            return self.on_pre_hook(request, helper)
        self.executed.append(helper.execution_id)
        return self.on_trigger(request, helper)

    def backend(self):
        return LOCAL

    def cut_off(self):
        """End as a crash would, once the disk has what was handed to it."""
        self.engine.dispatcher.close()
        self.database.write(lambda connection: None).result()

    def close(self):
        pass


class ScriptedRouter:
    """Gives every workflow the same scripted module."""

    def __init__(self):
        self.module_of_all = ScriptedModule(
            on_trigger=lambda request, helper: value("done"),
            on_subscribe=lambda request, helper: subscriptions("http-trigger@1.0.0-alpha"),
        )
        self.routed = []

    def module(self, workflow, attributes, wasm, *, name=""):
        self.routed.append((workflow, attributes))
        return self.module_of_all


class Compiler:
    def __init__(self):
        self.compiled = []

    def compile(self, wasm):
        self.compiled.append(wasm)
        return CompiledModule("key", ModuleInfo("version_v2", 2), "")


class ScriptedDisk:
    """A disk that is low while ``is_low`` is set."""

    def __init__(self):
        self.is_low = False

    def check(self, what, needed_bytes=0, *, at=None):
        if self.is_low:
            details = {"size": needed_bytes, "limit": 0, "setting": "disk.low_bytes", "retry_ms": 2_000}
            raise Exhausted("SR-DISK-001", f"there is no room for {what}", why="the disk is low", **details)


class WorkflowHost:
    """Everything between the API and the database, with scripted modules."""

    def __init__(self, database, *, limits=None, secret="1:" + "s" * 43, available=()):
        root = parse_secrets(secret)
        self.database = database
        self.keys = RecordKeys(root)
        self.router = ScriptedRouter()
        self.capabilities = ScriptedCapabilities()
        self.compiler = Compiler()
        self.disk = ScriptedDisk()
        self.host = EngineHost(
            disk=self.disk,
            specs=Specs(database, self.keys),
            journals=Journals(database, RunEncryptor(root, "deployment"), self.keys),
            keys=self.keys,
            router=self.router,
            capabilities=self.capabilities,
            secrets=SecretReader(self.capabilities),
            limits=limits or EngineLimits(),
        )
        self.engine = Engine(self.host)
        self.registration = Registration(self.host, self.compiler, Owners(OWNER), lambda i: i in available)

    @property
    def module(self):
        return self.router.module_of_all

    def register(self, name="wf", attributes=b"", config=b"", binary=WASM, **rest):
        return self.registration.register(Wish(binary=binary, name=name, attributes=attributes, config=config, **rest))

    def cut_off(self):
        """End as a crash would, once the disk has what was handed to it."""
        self.engine.dispatcher.close()
        self.database.write(lambda connection: None).result()

    def close(self):
        self.engine.dispatcher.drain(0.5)
        self.engine.dispatcher.close()


class Gate:
    """A trigger handler that waits until the test lets it go, or until it is cancelled."""

    def __init__(self):
        self.entered, self.release, self.reason = threading.Event(), threading.Event(), None

    def __call__(self, request, helper):
        helper.on_cancel(self._cancelled)
        self.entered.set()
        assert self.release.wait(10)
        return value("released")

    def _cancelled(self, reason, grace_ms=-1):
        self.reason = reason
        self.release.set()
