"""Deployment manifests: what each owner grants to which workflow. The owner signs; the vault keeps the newest.

Rule 1: a manifest is checked when it comes and again when it is used: keys of owners change in the configuration.
Rule 2: serials only grow, so nobody brings back what an owner took away.
Source: contracts/attestation.md 14.1 step 4.5.
"""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from strongroom.attest.codes import NOT_AUTHORISED
from strongroom.attest.manifest import Manifest, check_serial, open_manifest, read_manifest
from strongroom.plugin import Call, CapabilityError, EvidenceRejected
from strongroom.plugin.messages import strongroom_vault_pb2
from strongroom_vault.admission import caller_of, managing_caller_of
from strongroom_vault.audit_log import append_audit
from strongroom_vault.clock import Clock
from strongroom_vault.names import SecretRefused, normal_owner
from strongroom_vault.owners import OwnerKeys
from strongroom_vault.state import State

__all__ = ["ManifestRoom"]

_SERIAL_BYTES: Final = 8
_OWNER: Final = re.compile(r"0x[0-9a-f]{40}")


class ManifestRoom:
    """The manifests of this vault."""

    def __init__(self, state: State, owners: OwnerKeys, clock: Clock, log: logging.Logger) -> None:
        self._state = state
        self._owners = owners
        self._clock = clock
        self._log = log

    def methods(self) -> Mapping[str, Callable[[Call], Any]]:
        """Method name to function."""
        return {"vault.manifests.put": self.put, "vault.manifests.get": self.get}

    def put(self, call: Call) -> strongroom_vault_pb2.PutManifestResponse:
        """Put a manifest in force. Raises ``EvidenceRejected``."""
        request = call.unpack(strongroom_vault_pb2.PutManifestRequest)
        caller = managing_caller_of(call, "")
        untrusted = read_manifest(request.manifest)
        if not _OWNER.fullmatch(untrusted.owner):
            wanted = "0x and 40 lower-case hex digits"
            raise EvidenceRejected(NOT_AUTHORISED, "manifest owner", got=untrusted.owner, wanted=wanted)
        owner = untrusted.owner.removeprefix("0x")
        if caller and caller != owner:
            raise EvidenceRejected(NOT_AUTHORISED, "manifest owner", got=untrusted.owner, wanted=f"0x{caller}")
        manifest = self._opened(request.manifest, request.signature, owner)
        self._store(manifest, request.manifest, request.signature)
        self._log.info("manifest in force", extra={"owner": owner, "serial": manifest.serial})
        return strongroom_vault_pb2.PutManifestResponse(serial=manifest.serial)

    def get(self, call: Call) -> strongroom_vault_pb2.GetManifestResponse:
        """The manifest in force of an owner, with its signature."""
        request = call.unpack(strongroom_vault_pb2.GetManifestRequest)
        caller = caller_of(call)
        try:
            owner = normal_owner(request.owner or caller)
        except SecretRefused as refusal:
            raise CapabilityError("Public", "User", "InvalidArgument", str(refusal)) from None
        if caller and owner != caller:
            raise CapabilityError(
                "Public", "User", "PermissionDenied", "owner is not the owner of the calling workflow"
            )
        row = self._row(owner)
        if row is None:
            return strongroom_vault_pb2.GetManifestResponse()
        return strongroom_vault_pb2.GetManifestResponse(manifest=row[1], signature=row[2])

    def of(self, owner: str) -> Manifest | None:
        """The manifest of ``owner`` (40 lower-case hex digits), None where there is none. Raises ``EvidenceRejected``
        when its owner's key is another one by now."""
        row = self._row(owner)
        return self._opened(row[1], row[2], owner) if row is not None else None

    def _opened(self, untrusted: bytes, signature: bytes, owner: str) -> Manifest:
        public = self._owners.key_of(owner)
        if public is None:
            wanted = "an owner whose public key stands in the vault's configuration, under owners"
            raise EvidenceRejected(NOT_AUTHORISED, "manifest owner", got=f"0x{owner}", wanted=wanted)
        return open_manifest(untrusted, signature, owner_public=public, owner=f"0x{owner}")

    def _row(self, owner: str) -> tuple[int, bytes, bytes] | None:
        statement = "SELECT serial, body, signature FROM manifests WHERE owner = ?"
        with self._state.transaction() as database:
            row = database.execute(statement, (owner,)).fetchone()
        return (int.from_bytes(row[0], "big"), bytes(row[1]), bytes(row[2])) if row is not None else None

    def _store(self, manifest: Manifest, body: bytes, signature: bytes) -> None:
        owner = manifest.owner.removeprefix("0x")
        now_s = self._clock.now_s()
        with self._state.transaction() as database:
            row = database.execute("SELECT serial, body FROM manifests WHERE owner = ?", (owner,)).fetchone()
            stored_serial = int.from_bytes(row[0], "big") if row is not None else 0
            check_serial(manifest, stored_serial=stored_serial)
            if row is not None and manifest.serial == stored_serial:
                if bytes(row[1]) == body:
                    return
                got, wanted = f"another manifest with serial {stored_serial}", f"at least {stored_serial + 1}"
                raise EvidenceRejected(NOT_AUTHORISED, "manifest serial", got=got, wanted=wanted)
            # All eight bytes are a serial, and SQLite's numbers are shorter by one bit.
            serial = manifest.serial.to_bytes(_SERIAL_BYTES, "big")
            database.execute("INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?)", (owner, serial, body, signature))
            fields = {"owner": manifest.owner, "serial": manifest.serial, "manifest_sha256": manifest.sha256()}
            append_audit(database, "manifest", now_s, fields)
