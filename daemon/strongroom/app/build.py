"""Wires every object of the daemon by hand, in the order in which data flows. Nothing else creates them."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal

from strongroom.app.auditing import AuditParts
from strongroom.app.development_owner import KEY_NAME, DevelopmentOwner, GrantingDesk
from strongroom.app.directories import private_directory
from strongroom.app.keys import checked_against, key_desk, refuses_other_roots, root_keyring
from strongroom.app.simulation import accepting_simulations
from strongroom.app.stores import SealedStore
from strongroom.app.workspaces import WorkspaceParts, workspace_parts
from strongroom.engine.catalog import Catalog
from strongroom.engine.engine import Engine
from strongroom.engine.history import History
from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.host import EngineHost
from strongroom.engine.journal import Journals
from strongroom.engine.key_desk import KeyDesk
from strongroom.engine.key_life import KeyLife
from strongroom.engine.limits import EngineLimits
from strongroom.engine.registration import Owners, Registration
from strongroom.engine.replay import Replays
from strongroom.engine.retention import Retention
from strongroom.engine.retry import Retries
from strongroom.engine.run_offer import own_offer
from strongroom.engine.secrets import SecretReader
from strongroom.engine.specs import Spec, Specs
from strongroom.engine.subscriptions import TriggerDesk
from strongroom.engine.workspaces import LateDesk
from strongroom.engine.world.world import World
from strongroom.errors import StrongroomError
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.keyring.cache_key import CacheKey
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import RootKeyring
from strongroom.keyring.run_keys import RunEncryptor
from strongroom.keyring.sources import SecretSource
from strongroom.modules.module import Workflow
from strongroom.modules.route import Router
from strongroom.registry.host import PluginHost
from strongroom.registry.registry import CapabilityExecutable, Registry
from strongroom.registry.states import PluginState
from strongroom.settings.manifest import load_manifest
from strongroom.settings.model import Settings
from strongroom.storage.database import Database
from strongroom.storage.host_lock import HostLock, lock_database
from strongroom.telemetry import logs
from strongroom.telemetry.tally import Tally

__all__ = ["Mode", "Parts", "build"]

Mode = Literal["dev", "serve"]
RESTART_WAIT_S: Final = 15.0
"""A plugin that crashed is back within a second or a few; a run that needs it is worth that wait."""
log = logs.get("app")


@dataclass(frozen=True, slots=True)
class Keys:
    """The life of the root keyring, and where its secrets come from."""

    life: KeyLife
    source: SecretSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The objects of a daemon that its life and its services need."""

    settings: Settings
    mode: Mode
    root: RootKeyring
    keys: Keys
    key_desk: KeyDesk
    database: Database
    host_lock: HostLock
    registry: Registry
    plugins: PluginHost
    pool: RunnerPool
    host: EngineHost
    engine: Engine
    registration: Registration
    catalog: Catalog
    desk: TriggerDesk
    history: History
    hooks: HookDesk
    world: World
    retries: Retries
    replays: Replays
    retention: Retention
    owners: Owners
    tally: Tally
    workspaces: WorkspaceParts
    development_owner: DevelopmentOwner | None
    audit: AuditParts


class _Capabilities:
    """The registry as modules and the engine see it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def get_executable(self, capability_id: str) -> CapabilityExecutable:
        """The capability, or the nearest compatible one."""
        return self._registry.get_executable(capability_id)

    def dialect(self, capability_id: str) -> str | None:
        """What the operator said of the capability's plugin."""
        return self._registry.get(capability_id).dialect

    def at_most_once(self, capability_id: str) -> bool:
        """What the operator said of calls whose answer may have been lost."""
        try:
            return self._registry.get(capability_id).at_most_once
        except StrongroomError:
            # A capability that is not here is not called at all.
            return False


class _Artifacts:
    """Registered binaries, for plugins. The engine is made after the plugins, so it is asked for late."""

    def __init__(self) -> None:
        self.host: EngineHost | None = None

    def fetch(self, sha256_hex: str) -> bytes:
        """Exactly the stored bytes."""
        if self.host is None:
            raise RuntimeError("a plugin asked for a binary before the engine was there")
        return self.host.artifact(sha256_hex)


def build(settings: Settings, *, mode: Mode, on_plugin: Callable[[PluginState], None]) -> Parts:
    """Every object of a daemon, opened and checked but not yet started."""
    state_dir = private_directory(settings.state_dir, "state_dir")
    private_directory(settings.keys_dir if mode == "dev" else state_dir, "keys_dir")
    runtime_dir = private_directory(settings.runtime_dir / "plugins", "runtime_dir")
    root, source = root_keyring(settings, mode=mode, environ=os.environ)
    # Before the schema is looked at: another host may be a newer one, in the middle of migrating.
    host_lock = lock_database(settings.database)
    try:
        database = Database.open(settings.database, alone=True, before_migration=refuses_other_roots(root))
        try:
            keys = Keys(checked_against(root, database, source, mode=mode), source)
            return _wired(settings, mode, root, keys, database, host_lock, runtime_dir, on_plugin)
        except BaseException:
            database.close()
            raise
    except BaseException:
        host_lock.release()
        raise


def _wired(
    settings: Settings,
    mode: Mode,
    root: RootKeyring,
    keys: Keys,
    database: Database,
    host_lock: HostLock,
    runtime_dir: Path,
    on_plugin: Callable[[PluginState], None],
) -> Parts:
    record_keys = RecordKeys(root)
    run_keys = RunEncryptor(root, keys.life.deployment_id)
    audit = AuditParts(settings, root, record_keys, database, keys.life.deployment_id, mode)
    registry = Registry(restart_wait_s=RESTART_WAIT_S)
    registry.add(own_offer())
    artifacts = _Artifacts()
    late_desk = LateDesk()
    entries = load_manifest(settings.plugins_file)
    plugins = PluginHost(
        accepting_simulations(entries) if mode == "dev" else entries,
        registry=registry,
        store_of=lambda plugin: SealedStore(plugin, database, record_keys),
        artifacts=artifacts,
        mode=mode,
        runtime_dir=runtime_dir,
        variables={
            "state_dir": str(settings.state_dir),
            "keys_dir": str(settings.keys_dir),
            "runtime_dir": str(settings.runtime_dir),
        },
        on_change=on_plugin,
        workspaces=late_desk,
    )
    workspaces = workspace_parts(settings, root, registry.mounts.all)
    late_desk.desk = workspaces.desk
    keys.life.on_change += [audit.key_changed, workspaces.rotated]
    cache = CompiledCache(private_directory(settings.cache_dir, "cache_dir") / "native", CacheKey(root))
    pool = RunnerPool(runners_max=settings.limits.runners_max, cache=cache, limits=_guest_limits(settings))
    capabilities = _Capabilities(registry)
    tally = Tally()
    owners = Owners(settings.owner, frozenset(settings.owners_allowed))
    host = EngineHost(
        specs=Specs(database, record_keys),
        journals=Journals(database, run_keys, record_keys),
        keys=record_keys,
        router=Router(pool, capabilities, _routed, tally),
        capabilities=capabilities,
        secrets=SecretReader(capabilities, audit.audit),
        limits=_engine_limits(settings),
        audit=audit.audit,
    )
    artifacts.host = host
    engine = Engine(host)
    desk = TriggerDesk(host, engine, registry)
    history = History(host.journals, kept_hours=settings.limits.run_retention_hours)
    world = World(host, history)
    engine.end_of_others = world.cancel
    # Elsewhere owners sign for themselves: what a workflow asks for is no reason to give it to it.
    signer = DevelopmentOwner(settings.keys_dir / KEY_NAME, host.specs, capabilities) if mode == "dev" else None
    return Parts(
        settings=settings,
        mode=mode,
        root=root,
        keys=keys,
        key_desk=key_desk(keys.life, database, record_keys, workspaces.for_keys),
        database=database,
        host_lock=host_lock,
        registry=registry,
        plugins=plugins,
        pool=pool,
        host=host,
        engine=engine,
        registration=Registration(
            host,
            pool,
            owners,
            lambda capability_id: _offered(registry, capability_id),
            desk.enrol,
            signer.grant if signer is not None else _nothing_granted,
        ),
        catalog=Catalog(host, GrantingDesk(desk, signer) if signer is not None else desk),
        desk=desk,
        history=history,
        hooks=HookDesk(host, engine),
        world=world,
        retries=Retries(host, history, engine.admission),
        replays=Replays(host, history, pool),
        retention=Retention(host),
        owners=owners,
        tally=tally,
        workspaces=workspaces,
        development_owner=signer,
        audit=audit,
    )


def _nothing_granted(_draft: Spec) -> str:
    return ""


def _routed(workflow: Workflow) -> None:
    log.info("routing workflow to confidential execution", extra={"workflow_id": workflow.workflow_id})


def _offered(registry: Registry, capability_id: str) -> bool:
    try:
        return registry.get_trigger(capability_id) is not None
    except StrongroomError:
        return False


def _guest_limits(settings: Settings) -> GuestLimits:
    """The settings that a guest has, by their names; the time of a run has another one there."""
    return GuestLimits(timeout_ms=settings.limits.run_timeout_ms, **_shared(settings, GuestLimits))


def _engine_limits(settings: Settings) -> EngineLimits:
    return EngineLimits(guest=_guest_limits(settings), **_shared(settings, EngineLimits))


def _shared(settings: Settings, limits: type) -> dict[str, int]:
    """The settings whose names ``limits`` has too."""
    named = settings.limits.model_dump()
    return {field.name: named[field.name] for field in fields(limits) if field.name in named}
