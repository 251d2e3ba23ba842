"""Wires every object of the daemon by hand, in the order in which data flows. Nothing else creates them."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal

from strongroom.app.auditing import AuditParts, audit_file
from strongroom.app.capabilities import Artifacts, Capabilities
from strongroom.app.development_owner import KEY_NAME, DevelopmentOwner, GrantingDesk
from strongroom.app.disk import disk_watch
from strongroom.app.keys import checked_against, key_desk, root_keyring
from strongroom.app.known_secrets import register_known
from strongroom.app.lost_database import refuse_lost_database
from strongroom.app.memory_lock import UNLOCKED, MemoryLock
from strongroom.app.simulation import accepting_simulations
from strongroom.app.stores import SealedStore
from strongroom.app.workspaces import WorkspaceParts, workspace_parts
from strongroom.engine.catalog import Catalog
from strongroom.engine.disk_watch import DiskWatch
from strongroom.engine.engine import Engine
from strongroom.engine.history import History
from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.host import EngineHost
from strongroom.engine.journal import Journals
from strongroom.engine.key_desk import KeyDesk
from strongroom.engine.key_life import KeyLife
from strongroom.engine.limits import EngineLimits
from strongroom.engine.owner_limits import OwnerLimits, OwnersLimits
from strongroom.engine.pre_migration import PreMigration
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
from strongroom.registry.registry import Registry
from strongroom.registry.states import PluginState
from strongroom.registry.watched import counting
from strongroom.settings.manifest import load_manifest
from strongroom.settings.model import Settings
from strongroom.storage.database import Database
from strongroom.storage.directories import private_directory
from strongroom.storage.host_lock import HostLock, lock_database
from strongroom.telemetry import logs
from strongroom.telemetry.counts import Counts
from strongroom.telemetry.redaction import Redaction
from strongroom.telemetry.tally import Tally

__all__ = ["Mode", "Parts", "build", "engine_limits"]

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
    disk: DiskWatch
    audit: AuditParts
    redaction: Redaction
    counts: Counts
    memory_lock: MemoryLock


def build(
    settings: Settings,
    *,
    mode: Mode,
    on_plugin: Callable[[PluginState], None],
    redaction: Redaction | None = None,
    memory_lock: MemoryLock = UNLOCKED,
    on_migration: Callable[[], object] = lambda: None,
) -> Parts:
    """Every object of a daemon, opened and checked but not yet started. ``redaction`` is that of the process."""
    redaction = redaction or Redaction()
    register_known(redaction, settings)
    state_dir = private_directory(settings.state_dir, "state_dir")
    private_directory(settings.keys_dir if mode == "dev" else state_dir, "keys_dir")
    runtime_dir = private_directory(settings.runtime_dir / "plugins", "runtime_dir")
    refuse_lost_database(settings, audit_file(settings, mode, os.environ))
    root, source = root_keyring(settings, mode=mode, environ=os.environ)
    # Before the schema is looked at: another host may be a newer one, in the middle of migrating.
    host_lock = lock_database(settings.database)
    try:
        before_migration = PreMigration(settings, root, audit_file(settings, mode, os.environ), begins=on_migration)
        database = Database.open(settings.database, alone=True, before_migration=before_migration)
        try:
            keys = Keys(checked_against(root, database, source, mode=mode), source)
            return _wired(
                settings, mode, root, keys, database, host_lock, runtime_dir, on_plugin, redaction, memory_lock
            )
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
    redaction: Redaction,
    memory_lock: MemoryLock,
) -> Parts:
    counts = Counts()
    record_keys = RecordKeys(root)
    run_keys = RunEncryptor(root, keys.life.deployment_id)
    record_keys.on_unopened = run_keys.on_unopened = counts.not_opened
    audit = AuditParts(settings, root, record_keys, database, keys.life.deployment_id, mode, redaction)
    registry = Registry(restart_wait_s=RESTART_WAIT_S, watched=counting(counts))
    registry.add(own_offer())
    artifacts = Artifacts()
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
            "pool_socket": memory_lock.pool_socket,
        },
        on_change=on_plugin,
        workspaces=late_desk,
        redaction=redaction,
    )
    workspaces = workspace_parts(settings, root, registry.mounts.all, hide=redaction.register)
    late_desk.desk = workspaces.desk
    disk = workspaces.desk.disk = disk_watch(settings, mode, database)
    keys.life.on_change += [audit.key_changed, workspaces.rotated]
    cache = CompiledCache(private_directory(settings.cache_dir, "cache_dir") / "native", CacheKey(root))
    pool = RunnerPool(
        runners_max=settings.limits.runners_max, cache=cache, limits=_guest_limits(settings), start=memory_lock.start
    )
    capabilities = Capabilities(registry)
    tally = Tally()
    owners = Owners(settings.owner, frozenset(settings.owners_allowed))
    host = EngineHost(
        specs=Specs(database, record_keys),
        journals=Journals(database, run_keys, record_keys),
        keys=record_keys,
        router=Router(pool, capabilities, _routed, tally),
        capabilities=capabilities,
        secrets=SecretReader(capabilities, audit.audit),
        limits=engine_limits(settings),
        audit=audit.audit,
        counts=counts,
        disk=disk,
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
            capabilities.offers_trigger,
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
        disk=disk,
        audit=audit,
        redaction=redaction,
        counts=counts,
        memory_lock=memory_lock,
    )


def _nothing_granted(_draft: Spec) -> str:
    return ""


def _routed(workflow: Workflow) -> None:
    log.info("routing workflow to confidential execution", extra={"workflow_id": workflow.workflow_id})


def _guest_limits(settings: Settings) -> GuestLimits:
    """The settings that a guest has, by their names; the time of a run has another one there."""
    return GuestLimits(timeout_ms=settings.limits.run_timeout_ms, **_shared(settings, GuestLimits))


def engine_limits(settings: Settings) -> EngineLimits:
    """The settings that the engine has, by their names."""
    owners = settings.owners
    return EngineLimits(
        guest=_guest_limits(settings),
        owners=OwnersLimits(
            others=OwnerLimits(**owners.of_every_owner()),
            own={owner: OwnerLimits(**numbers) for owner, numbers in owners.of_some().items()},
            is_shared=bool(settings.owners_allowed),
        ),
        **_shared(settings, EngineLimits),
    )


def _shared(settings: Settings, limits: type) -> dict[str, int]:
    """The settings whose names ``limits`` has too."""
    named = settings.limits.model_dump()
    return {field.name: named[field.name] for field in fields(limits) if field.name in named}
