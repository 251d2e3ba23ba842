"""Workflow records: rows whose MAC was checked, with their sealed parts opened.

A row that fails is ``Tampered``: it is listed as such, and nothing of it is routed or executed.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from strongroom.errors import Conflict, KeyMissing, LimitExceeded, NotFound, Tampered, WrongState
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import WORKFLOWS
from strongroom.modules.attributes import Attributes, parse_attributes
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.storage import runs
from strongroom.storage import specs as rows
from strongroom.storage.database import Connection, Database
from strongroom.storage.specs import SpecRow

__all__ = ["ACTIVE", "CHANGED", "PAUSED", "Spec", "Specs", "TamperedSpec"]

ACTIVE: Final = "active"
PAUSED: Final = "paused"
TABLE: Final = "workflow_specs"
ID_CHARACTERS: Final = 64
SHOWN_MAX: Final = 10
"""Ids that an error names: enough to choose from, and not a screenful."""
CHANGED: Final = "SR-WF-021"
"""The code of a record that is not the one any more that was read."""
KNOWN_MAX: Final = 128
"""Records that are kept opened: a busy host starts runs of a few workflows, each of them many times."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A workflow record that passed authentication."""

    row: SpecRow
    attributes: Attributes
    config: bytes = field(repr=False)
    subscriptions: Sequence[sdk_pb2.TriggerSubscription]

    @property
    def workflow_id(self) -> str:
        """64 hex digits."""
        return self.row.workflow_id

    @property
    def position(self) -> tuple[int, str]:
        """Where it stands in a list: time of registration (Unix ms) and id."""
        return self.row.created_at, self.row.workflow_id


@dataclass(frozen=True, slots=True)
class TamperedSpec:
    """What a list shows of a row that failed: its claimed id and name, marked as untrusted."""

    untrusted_id: str
    untrusted_name: str
    position: tuple[int, str]


class Specs:
    """Reads and writes workflow records."""

    def __init__(self, database: Database, keys: RecordKeys) -> None:
        self._database = database
        self._keys = keys
        self._opening = threading.Lock()
        self._known: OrderedDict[str, Spec] = OrderedDict()

    def get(self, workflow_id: str) -> Spec | None:
        """The record, or nothing. Raises ``Tampered``."""
        row = self._database.read(lambda connection: rows.get(connection, workflow_id))
        return self._verified(row) if row else None

    def find(self, owner: str, name_or_id: str) -> Spec:
        """The record with that id, or the newest of ``owner`` with that name. Raises ``NotFound`` or ``Tampered``."""
        spec = self.get(name_or_id) if len(name_or_id) == ID_CHARACTERS else None
        if spec is not None:
            if spec.row.workflow_owner != owner:
                raise _no_workflow(name_or_id, owner)
            return spec
        return self._verified(self._named(owner, name_or_id)[0])

    def only(self, owner: str, name_or_id: str) -> Spec:
        """As ``find``, for what changes a workflow. Raises ``Conflict`` when several have the name."""
        if len(name_or_id) != ID_CHARACTERS:
            found = [row.workflow_id for row in self._named(owner, name_or_id)]
            if len(found) > 1:
                shown = ", ".join(found[:SHOWN_MAX]) + (" and more" if len(found) > SHOWN_MAX else "")
                raise Conflict(
                    "SR-WF-014",
                    f"{len(found)} workflows are called {name_or_id!r}",
                    why=f"newest first: {shown}",
                    fix="name the one that is meant by its id",
                    workflows=",".join(found[:SHOWN_MAX]),
                    count=len(found),
                )
        return self.find(owner, name_or_id)

    def to_start(self, owner: str, name_or_id: str) -> Spec:
        """As ``find``, for a new run: of several of that name the newest active one, if any is active."""
        spec = self.find(owner, name_or_id)
        if spec.row.status == ACTIVE or len(name_or_id) == ID_CHARACTERS:
            return spec
        # Each is verified before its status is believed: nobody can make an older one run by writing "paused".
        others = (self._verified(row) for row in self._named(owner, name_or_id))
        return next((other for other in others if other.row.status == ACTIVE), spec)

    def active_with_name(self, owner: str, name: str) -> list[str]:
        """Ids of the workflows of ``owner`` that are called so and take runs, newest first, as the rows claim."""
        found = self._database.read(lambda connection: rows.find(connection, owner, name))
        return [row.workflow_id for row in found if row.status == ACTIVE]

    def _named(self, owner: str, name: str) -> list[SpecRow]:
        found = self._database.read(lambda connection: rows.find(connection, owner, name))
        if not found:
            raise _no_workflow(name, owner)
        return found

    def page(
        self, owners: Collection[str] | None, before: tuple[int, str] | None, limit: int
    ) -> list[Spec | TamperedSpec]:
        """Up to ``limit`` records of ``owners`` or of all, newest first.

        A row that fails takes its place in the list as ``TamperedSpec``.
        """
        page = self._database.read(lambda connection: rows.page(connection, owners=owners, before=before, limit=limit))
        return [self._verified_or_marked(row) for row in page]

    def count(self) -> int:
        """How many records there are."""
        return self._database.read(rows.count)

    def check_owner(self, owner: str, owner_max: int) -> None:
        """Raises ``LimitExceeded`` when ``owner`` has as many records as one may."""
        self._database.read(lambda connection: _check_owner(connection, owner, owner_max))

    def add(
        self,
        row: SpecRow,
        config: bytes,
        subscriptions: sdk_pb2.TriggerSubscriptionRequest,
        binary: bytes,
        *,
        owner_max: int,
    ) -> Spec:
        """Seal, authenticate and store a new record with its binary; returns after the disk has it.

        Raises ``Conflict`` when it is there, ``LimitExceeded`` when its owner has as many as one may.
        """
        sealed = replace(
            row,
            config=self._keys.seal(WORKFLOWS, (row.workflow_id, "config"), config),
            subscriptions=self._keys.seal(
                WORKFLOWS, (row.workflow_id, "subscriptions"), subscriptions.SerializeToString(deterministic=True)
            ),
            key_version=self._keys.writing_version,
        )
        authentic = self._authenticated(sealed)

        def job(connection: Connection) -> None:
            # Here again, where nobody else's registration comes in between.
            if rows.get_mac(connection, authentic.workflow_id) is None:
                _check_owner(connection, authentic.workflow_owner, owner_max)
            rows.put_binary(connection, authentic.binary_sha256, binary)
            rows.insert(connection, authentic)

        self._database.write(job).result()
        return self._verified(authentic)

    def set_status(self, spec: Spec, status: str) -> Spec:
        """``spec`` with another status; returns after the disk has it.

        Raises ``Conflict`` when the record is not ``spec`` any more: what was registered since, perhaps to run in an
        enclave, must not become again what it was.
        """
        changed = self._authenticated(replace(spec.row, status=status, updated_at=int(time.time() * 1000)))

        def job(connection: Connection) -> None:
            if rows.get_mac(connection, changed.workflow_id) != spec.row.mac:
                raise Conflict(
                    CHANGED,
                    f"workflow {changed.workflow_id} was changed meanwhile",
                    why="somebody else paused, activated, deleted or registered it in the same moment",
                    fix="look at it, and try again",
                    workflow_id=changed.workflow_id,
                )
            rows.replace(connection, changed)

        self._database.write(job).result()
        return self._verified(changed)

    def remove(self, workflow_id: str, *, validate_only: bool) -> None:
        """Forget the record, authentic or not, and its binary when no other record uses it.

        Raises ``WrongState`` while runs of it are unfinished, ``NotFound`` when it is gone already.
        """

        def job(connection: Connection) -> None:
            # In one transaction with the deletion, as the check of a run's acceptance is with its insert.
            row = rows.get(connection, workflow_id)
            if row is None:
                raise _no_workflow(workflow_id)
            busy = runs.count_unfinished(connection, workflow_id)
            if busy:
                raise WrongState(
                    "SR-WF-011",
                    f"workflow {workflow_id} has {busy} unfinished runs",
                    fix="pause it, wait for them or cancel them, then delete",
                    workflow_id=workflow_id,
                    runs=busy,
                )
            if not validate_only:
                rows.delete(connection, workflow_id)
                rows.delete_binary_if_unused(connection, row.binary_sha256)

        self._database.write(job).result()

    def binary(self, sha256: str) -> bytes | None:
        """The stored bytes under that hash, or nothing; whoever uses them hashes them again."""
        return self._database.read(lambda connection: rows.get_binary(connection, sha256))

    def _authenticated(self, row: SpecRow) -> SpecRow:
        return replace(row, mac=self._keys.mac(TABLE, row.columns(), key_version=row.key_version))

    def _verified(self, row: SpecRow) -> Spec:
        """The record of ``row``. What was opened before is opened again when one byte of the row is another now."""
        with self._opening:
            known = self._known.get(row.workflow_id)
            if known is not None and known.row == row:
                self._known.move_to_end(row.workflow_id)
                return known
        spec = self._opened(row)
        with self._opening:
            self._known[row.workflow_id] = spec
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return spec

    def _opened(self, row: SpecRow) -> Spec:
        self._keys.check(TABLE, row.columns(), key_version=row.key_version, mac=row.mac)
        subscriptions = sdk_pb2.TriggerSubscriptionRequest.FromString(
            self._keys.open(WORKFLOWS, (row.workflow_id, "subscriptions"), row.subscriptions)
        )
        return Spec(
            row=row,
            attributes=parse_attributes(row.attributes),
            config=self._keys.open(WORKFLOWS, (row.workflow_id, "config"), row.config),
            subscriptions=subscriptions.subscriptions,
        )

    def _verified_or_marked(self, row: SpecRow) -> Spec | TamperedSpec:
        try:
            return self._verified(row)
        except (Tampered, KeyMissing):
            return TamperedSpec(row.workflow_id, row.workflow_name, (row.created_at, row.workflow_id))


def _check_owner(connection: Connection, owner: str, owner_max: int) -> None:
    count = rows.count_of_owner(connection, owner)
    if count >= owner_max:
        raise LimitExceeded(
            "SR-WF-016",
            f"{count} workflows of owner {owner} are registered",
            fix="delete some, or raise the limit",
            size=count,
            limit=owner_max,
            setting="limits.workflows_per_owner_max",
        )


def _no_workflow(name_or_id: str, owner: str = "") -> NotFound:
    whose = f" of owner {owner}" if owner else ""
    return NotFound(
        "SR-WF-001",
        f"there is no workflow {name_or_id[:80]!r}{whose}",
        fix="list what is registered: strongroom workflow list",
        workflow=name_or_id[:80],
    )
