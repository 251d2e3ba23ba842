"""What the engine stands on, wired by the application: records, journals, modules, capabilities, secrets, limits."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.auditing import Audit, NoAudit
from strongroom.engine.disk_watch import DiskRoom, EnoughRoom
from strongroom.engine.hooks import Hooks
from strongroom.engine.journal import Journals
from strongroom.engine.limits import EngineLimits
from strongroom.engine.owner_limits import StartRates
from strongroom.engine.run_capability import RunCapability
from strongroom.engine.secrets import SecretReader
from strongroom.engine.selection import Selection
from strongroom.engine.specs import Spec, Specs
from strongroom.engine.stream_reader import StreamReader
from strongroom.engine.stream_steps import StreamSteps
from strongroom.engine.stream_store import StreamStore
from strongroom.errors import Tampered
from strongroom.guest.binary import StoredBinary, decode_upload
from strongroom.guest.ids import name_hash
from strongroom.keyring.records import RecordKeys
from strongroom.modules.capabilities import Capabilities
from strongroom.modules.module import Module, Workflow
from strongroom.modules.route import CONFIDENTIAL, LOCAL, Router, module_name
from strongroom.modules.tees import ProvidedTees
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.telemetry.counts import Counts

__all__ = ["EngineHost"]

ENGINE_VERSION: Final = "v2"


@dataclass(kw_only=True, eq=False)
class EngineHost:
    """The parts that every piece of the engine shares."""

    specs: Specs
    journals: Journals
    keys: RecordKeys
    router: Router
    capabilities: Capabilities
    secrets: SecretReader
    limits: EngineLimits
    audit: Audit = field(default_factory=NoAudit)
    counts: Counts = field(default_factory=Counts)
    selection: Selection = field(init=False)
    hooks: Hooks = field(init=False)
    own: RunCapability = field(init=False)
    disk: DiskRoom = field(default_factory=EnoughRoom)
    starts: StartRates = field(init=False)
    stream_store: StreamStore = field(init=False)
    stream_reader: StreamReader = field(init=False)
    _offers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _modules: dict[tuple[str, bytes, str], Module] = field(default_factory=dict)
    _building: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.selection = Selection(ProvidedTees(self.capabilities))
        self.starts = StartRates(lambda: self.limits.owners)
        self.hooks = Hooks(self.journals, self.limits, self.disk)
        self.stream_store = StreamStore(self.journals, self.limits)
        self.stream_reader = StreamReader(self.journals)
        streams = StreamSteps(self.stream_store, self.disk)
        self.own = RunCapability({**self.hooks.methods(), **streams.methods()})

    def module(self, spec: Spec, name: str = "") -> Module:
        """The module ``name`` of a registered workflow, built once in the life of this host.

        Without a name it is the one of subscribe and pre-hooks. Which name a run has, ``selection`` says.
        """
        key = _key(spec, name)
        module = self._modules.get(key)
        if module is None:
            with self._building:
                module = self._modules.get(key)
                if module is None:
                    module = self.module_for(spec, name)
                    self._modules[key] = module
        return module

    def module_for(self, spec: Spec, name: str = "") -> Module:
        """A started module that is kept nowhere."""
        module = self.router.module(workflow_of(spec), spec.attributes, lambda: self.raw_module(spec), name=name)
        module.start()
        return module

    def keep_module(self, spec: Spec, module: Module) -> None:
        """Use ``module``, which answered subscribe, for the runs of that workflow that go where its subscribe went."""
        with self._building:
            self._modules[_key(spec, "")] = module

    def drop_module(self, spec: Spec) -> None:
        """Close and forget the modules of a workflow that is gone."""
        with self._building:
            modules = [self._modules.pop(_key(spec, name), None) for name in (LOCAL, CONFIDENTIAL)]
        for module in modules:
            if module is not None:
                module.close()

    def raw_module(self, spec: Spec) -> bytes:
        """The WebAssembly module as registered, checked against its hash. Raises ``Tampered``."""
        return decode_upload(self.artifact(spec.row.binary_sha256), self.limits.guest).wasm()

    @contextmanager
    def offered(self, binary: StoredBinary) -> Iterator[None]:
        """Let the artifact relay serve ``binary`` before it is stored: an enclave fetches it to answer subscribe."""
        with self._building:
            count, _ = self._offers.get(binary.sha256, (0, b""))
            self._offers[binary.sha256] = (count + 1, binary.data)
        try:
            yield
        finally:
            with self._building:
                count, data = self._offers.pop(binary.sha256)
                if count > 1:
                    self._offers[binary.sha256] = (count - 1, data)

    def artifact(self, sha256: str) -> bytes:
        """The stored bytes with that hash. Raises ``Tampered`` when they are gone or are others."""
        _, offered = self._offers.get(sha256, (0, None))
        data = offered or self.specs.binary(sha256)
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            raise Tampered("workflow binary", binary_sha256=sha256)
        return data

    def metadata(self, spec: Spec, execution_id: str, *, accepted_unix_ns: int = 0) -> capabilities_pb2.RequestMetadata:
        """What capabilities are told of the workflow on whose behalf they are called.

        The time of a run is when it was accepted: the same however often a call is sent again. A host that is no part
        of a network has no DON id, no registry and no organisation to name; whoever calls adds the reference id.
        """
        row = spec.row
        metadata = capabilities_pb2.RequestMetadata(
            workflow_id=row.workflow_id,
            workflow_execution_id=execution_id,
            workflow_owner=row.workflow_owner,
            workflow_name=name_hash(row.workflow_name),
            decoded_workflow_name=row.workflow_name,
            workflow_tag=row.workflow_tag,
            workflow_don_config_version=1,
            engine_version=ENGINE_VERSION,
        )
        if accepted_unix_ns:
            metadata.execution_timestamp.FromNanoseconds(accepted_unix_ns)
        return metadata


def _key(spec: Spec, name: str) -> tuple[str, bytes, str]:
    """The id does not cover attributes, and attributes choose the module: a record finds only a module of its kind."""
    return spec.workflow_id, spec.row.attributes, name or module_name(spec.attributes)


def workflow_of(spec: Spec) -> Workflow:
    """What a module is told of the workflow."""
    row = spec.row
    return Workflow(
        workflow_id=row.workflow_id,
        owner=row.workflow_owner,
        name=row.workflow_name,
        tag=row.workflow_tag,
        binary_url=row.binary_url,
        binary_sha256=row.binary_sha256,
    )
