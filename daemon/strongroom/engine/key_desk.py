"""What people ask of the keys of a host: how they stand, promote, seal again, retire.

Rule 1: nothing is retired that one blob anywhere still needs, as far as this host knows: its tables, its mounts, the
projects that are not mounted now and the exports. Each is named, with its number.
Rule 2: a copy that is out of reach is left out of account only when a person names it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.engine.key_life import KeyLife, VersionInfo
from strongroom.engine.rotation import Progress, Rotation
from strongroom.engine.rotation_check import Checked, check_all
from strongroom.engine.rotation_mounts import OpenWorkspaces
from strongroom.engine.rotation_things import SealedThing
from strongroom.errors import NotFound, StrongroomError, WrongState
from strongroom.telemetry import logs

__all__ = ["Holding", "KeyDesk", "KeyStatus"]

NAMED_MAX: Final = 20
"""Things that a refusal names; with more, the rest is a number."""
log = logs.get("keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One thing that is sealed, and its blobs by key version; ``problem`` says why it could not be counted."""

    name: str
    kind: str
    counts: Mapping[int, int]
    stays: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """How the keys of a host stand."""

    versions: Sequence[VersionInfo]
    writing_version: int
    is_promoted: bool
    holdings: Sequence[Holding]
    rewrap: Progress


class KeyDesk:
    """Answers for the keys of one host."""

    def __init__(
        self,
        life: KeyLife,
        rotation: Rotation,
        things: Callable[[], Sequence[SealedThing]],
        workspaces: OpenWorkspaces | None = None,
    ) -> None:
        self._life = life
        self.rotation = rotation
        self._things = things
        self._workspaces = workspaces

    def status(self) -> KeyStatus:
        """Everything, counted now."""
        return KeyStatus(
            versions=self._life.versions(),
            writing_version=self._life.writing_version,
            is_promoted=self._life.is_promoted,
            holdings=self.holdings(),
            rewrap=self.rotation.progress(),
        )

    def holdings(self) -> list[Holding]:
        """Everything that is sealed. What cannot be counted is in the list with its problem."""
        return [_holding(thing) for thing in self._things()]

    def reload(self) -> list[int]:
        """Take the keyring as it is now; the versions that are new."""
        return self._life.reload()

    def promote(self, version: int) -> None:
        """Write under ``version`` from now on. Raises ``WrongState``."""
        self._life.promote(version)

    @property
    def writing_version(self) -> int:
        """The version that writes now."""
        return self._life.writing_version

    @property
    def writing_key_id(self) -> str:
        """The name of the key that writes now."""
        return self._life.key_id(self._life.writing_version)

    def is_offered(self, version: int) -> bool:
        """Whether the keyring that was read last has ``version``, retired or not."""
        return self._life.is_offered(version)

    def check_rewrap(self, workspace: str = "") -> list[Checked]:
        """Open everything that sealing again would seal again; of one workspace, or of all. Nothing is changed.

        Raises ``NotFound`` for a workspace that is not open.
        """
        things = self._things()
        if workspace:
            self.rotation.check_open(workspace)
            things = [thing for thing in things if thing.name == f"workspace {workspace}"]
        return check_all(things)

    def blobs_to_rewrap(self) -> int:
        """Blobs that are not under the version that writes, and that sealing again would bring there."""
        return sum(
            count
            for holding in self.holdings()
            if not holding.stays
            for version, count in holding.counts.items()
            if version not in {0, self.writing_version}
        )

    def retire(self, version: int, *, forget: Sequence[str] = (), dry_run: bool = False) -> bool:
        """Retire ``version``; whether it was not before. ``forget`` names copies that are not counted any more.

        Raises ``WrongState`` naming what needs it, ``NotFound`` for a copy that is not known.
        """
        left_out = self._known_copies(forget)

        def refuse(needed: int) -> None:
            self._refuse_needed(needed, left_out)

        if dry_run:
            return self._life.may_retire(version, refuse)
        done = self._life.retire(version, refuse)
        if self._workspaces is not None:
            for name in forget:
                self._workspaces.forget(name)
                log.warning("a copy is not counted any more", extra={"copy": name, "key_version_retired": version})
        return done

    def _known_copies(self, names: Sequence[str]) -> frozenset[str]:
        """The names of the things that ``names`` mean. Only copies out of reach can be left out (rule 2)."""
        copies = (
            {copy.name: f"{copy.kind} {copy.name}" for copy in self._workspaces.copies()} if self._workspaces else {}
        )
        for name in names:
            if name not in copies:
                raise NotFound(
                    "SR-KEY-029",
                    f"no project or export {name[:80]!r} is known that is out of reach",
                    why="only those can be forgotten",
                    fix="strongroom keys status names them",
                    copy=name[:80],
                )
        return frozenset(copies[name] for name in names)

    def _refuse_needed(self, version: int, left_out: frozenset[str]) -> None:
        needing = [
            holding
            for holding in self.holdings()
            if holding.name not in left_out and (holding.problem or holding.counts.get(version, 0))
        ]
        if not needing:
            return
        named = [_needs(holding, version) for holding in needing[:NAMED_MAX]]
        if len(needing) > NAMED_MAX:
            named.append(f"and {len(needing) - NAMED_MAX} more")
        stays = sorted({holding.stays for holding in needing if holding.stays})
        first = "" if all(holding.stays for holding in needing) else "seal them again: strongroom keys rewrap --wait"
        if any(holding.kind == "workspace" for holding in needing):
            stays.insert(0, "what of a workspace cannot be opened: strongroom workspace discard N --dry-run")
        raise WrongState(
            "SR-KEY-024",
            f"key version {version} is still needed",
            why=", ".join(named),
            fix="; ".join(filter(None, [first, *stays])),
            key_version=version,
            blobs=sum(holding.counts.get(version, 0) for holding in needing),
        )


def _holding(thing: SealedThing) -> Holding:
    try:
        counts = dict(thing.counts())
    except StrongroomError as error:
        return Holding(name=thing.name, kind=thing.kind, counts={}, stays=thing.stays, problem=str(error))
    return Holding(name=thing.name, kind=thing.kind, counts=counts, stays=thing.stays)


def _needs(holding: Holding, version: int) -> str:
    if holding.problem:
        return f"{holding.name} cannot be counted ({holding.problem})"
    return f"{holding.counts[version]} blobs of {holding.name}"
