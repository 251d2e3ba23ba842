"""The owner of a development host: signs what the attributes of its workflows list, so that nobody has to by hand.

Only ``strongroom dev`` has one. The vault takes its key for every owner, and only as a store for tests, whose secrets
are for simulations. Elsewhere an owner reads what a workflow asks for before signing a manifest; here nobody does.
"""

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from google.protobuf.message import Message

from strongroom.attest.evidence import NO_ASSURANCE
from strongroom.attest.manifest import Manifest, ManifestGrant, read_manifest, sign_manifest
from strongroom.crypto.signing import SigningKey
from strongroom.engine.catalog import Desk
from strongroom.engine.specs import Spec, Specs
from strongroom.errors import Misconfigured, PluginFault, StrongroomError
from strongroom.modules.capabilities import Capabilities
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2
from strongroom.telemetry import logs

__all__ = ["KEY_NAME", "DevelopmentOwner", "GrantingDesk"]

KEY_NAME: Final = "development-owner.key"
VAULT: Final = "vault@1.0.0"
ANSWER_S: Final = 10.0
PAGE: Final = 200
CLOSE_S: Final = 2.0
DRAFT_S: Final = 600.0
"""No registration takes longer. Meanwhile another one of the same owner must not take its grant away."""
log = logs.get("app")


class DevelopmentOwner:
    """Keeps the manifest of each owner as the registered workflows have it.

    From ``start`` on it looks after them whenever ``wake`` is called: a vault that comes back may have missed a change.
    """

    def __init__(self, key_file: Path, specs: Specs, capabilities: Capabilities) -> None:
        self._key_file = key_file
        self._specs = specs
        self._capabilities = capabilities
        self._signing = threading.Lock()
        self._drafts: dict[str, tuple[float, Spec]] = {}
        self._wanted = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._look_after_all, name="development-owner", daemon=True)

    def start(self) -> None:
        """Look after the manifests from now on, beginning with the workflows that stand."""
        self._wanted.set()
        self._thread.start()

    def close(self) -> None:
        """Sign nothing more."""
        self._closed = True
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_S)

    def wake(self) -> None:
        """A plugin came back, perhaps the vault."""
        self._wanted.set()

    def grant(self, draft: Spec) -> str:
        """Have the secrets that ``draft`` lists granted to it, before it executes anything; a warning when that failed.

        A draft that is not registered after all loses its grant with a change some minutes later.
        """
        if not draft.attributes.vault_don_secrets:
            return ""
        with self._signing:
            self._drafts[draft.workflow_id] = (time.monotonic(), draft)
        return self._signed(draft.row.workflow_owner)

    def renounce(self, gone: Spec) -> None:
        """Take back what was granted to a workflow that is not there any more."""
        with self._signing:
            self._drafts.pop(gone.workflow_id, None)
        if gone.attributes.vault_don_secrets:
            self._signed(gone.row.workflow_owner)

    def _look_after_all(self) -> None:
        while self._wanted.wait() and not self._closed:
            self._wanted.clear()
            try:
                owners = {spec.row.workflow_owner for spec in self._standing(None)}
            except StrongroomError as error:
                log.warning("the workflows could not be read to sign their manifests", extra={"why": str(error)})
                continue
            for owner in sorted(owners):
                self._signed(owner)

    def _signed(self, owner: str) -> str:
        """Empty once the manifest that is in force grants what the workflows list; else why it does not."""
        try:
            with self._signing:
                self._sign(owner, (*self._standing(owner), *self._drafts_of(owner)))
        except (StrongroomError, OSError) as error:
            log.warning("the manifest of an owner was not signed", extra={"owner": owner, "why": str(error)})
            return f"confidential runs get no secrets until the vault has a manifest that grants them: {error}"
        return ""

    def _sign(self, owner: str, specs: Iterable[Spec]) -> None:
        name = f"0x{owner}"
        grants = {grant.sort_key(): grant for spec in specs if (grant := _grant_of(spec)).secrets}
        in_force = self._in_force(name)
        wanted = Manifest(owner=name, serial=1, grants=tuple(grants[key] for key in sorted(grants)))
        if in_force is None and not grants:
            return
        if in_force is not None:
            if in_force.grants == wanted.grants:
                return
            wanted = Manifest(owner=name, serial=in_force.serial + 1, grants=wanted.grants)
        signature = sign_manifest(wanted, self._key())
        put = strongroom_vault_pb2.PutManifestRequest(manifest=wanted.encode(), signature=signature)
        self._ask("vault.manifests.put", put, strongroom_vault_pb2.PutManifestResponse())
        log.info("signed a manifest", extra={"owner": owner, "serial": wanted.serial, "grants": len(wanted.grants)})

    def _drafts_of(self, owner: str) -> Iterator[Spec]:
        """What is being registered, or was a moment ago."""
        oldest_s = time.monotonic() - DRAFT_S
        self._drafts = {name: kept for name, kept in self._drafts.items() if kept[0] > oldest_s}
        return (draft for _, draft in self._drafts.values() if draft.row.workflow_owner == owner)

    def _in_force(self, name: str) -> Manifest | None:
        asked = strongroom_vault_pb2.GetManifestRequest(owner=name)
        found = strongroom_vault_pb2.GetManifestResponse()
        self._ask("vault.manifests.get", asked, found)
        return read_manifest(found.manifest) if found.manifest else None

    def _ask(self, method: str, request: Message, answer: Message) -> None:
        """Fill ``answer`` with what the vault answers to ``request``."""
        call = capabilities_pb2.CapabilityRequest(method=method, capabilityId=VAULT)
        call.payload.Pack(request)
        answered = self._capabilities.get_executable(VAULT).execute(call, timeout_s=ANSWER_S)
        if not answered.payload.Unpack(answer):
            raise PluginFault(
                "SR-APP-009",
                f"the vault answered {method} with {answered.payload.type_url or 'nothing'}",
                fix="confidential workflows need the vault plugin of this release",
                plugin="vault",
            )

    def _key(self) -> SigningKey:
        try:
            return SigningKey.load(self._key_file)
        except FileNotFoundError:
            raise Misconfigured(
                "SR-APP-010",
                f"the development owner has no key: {self._key_file} is not there",
                fix="the vault plugin of a development host makes it beside vault.key, which is to be in keys_dir",
                where=str(self._key_file),
            ) from None

    def _standing(self, owner: str | None) -> Iterator[Spec]:
        """The registered workflows that list secrets, of ``owner`` or of everybody."""
        owners = None if owner is None else {owner}
        before: tuple[int, str] | None = None
        while page := self._specs.page(owners, before, PAGE):
            for spec in page:
                if isinstance(spec, Spec) and spec.attributes.vault_don_secrets:
                    yield spec
            before = page[-1].position


class GrantingDesk:
    """The desk of triggers, behind which a workflow that is gone also loses what was granted to it."""

    def __init__(self, desk: Desk, owner: DevelopmentOwner) -> None:
        self._desk = desk
        self._owner = owner

    def enrol(self, spec: Spec) -> None:
        """Handed on."""
        self._desk.enrol(spec)

    def pause(self, spec: Spec) -> None:
        """Handed on; a workflow that is paused keeps its grant."""
        self._desk.pause(spec)

    def forget(self, workflow_id: str, spec: Spec | None = None) -> None:
        """Handed on. A record that nobody could read names no secrets."""
        self._desk.forget(workflow_id, spec)
        if spec is not None:
            self._owner.renounce(spec)


def _grant_of(spec: Spec) -> ManifestGrant:
    """What the attributes of ``spec`` list, for this binary and this config."""
    names = {(name.namespace, name.key) for name in spec.attributes.vault_don_secrets}
    return ManifestGrant(
        workflow_id=spec.workflow_id,
        binary_sha256=bytes.fromhex(spec.row.binary_sha256),
        config_sha256=hashlib.sha256(spec.config).digest(),
        secrets=dict.fromkeys(sorted(names, key=_by_bytes), NO_ASSURANCE),
    )


def _by_bytes(name: tuple[str, str]) -> tuple[bytes, bytes]:
    return name[0].encode(), name[1].encode()
