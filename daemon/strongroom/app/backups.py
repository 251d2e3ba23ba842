"""Wires what makes backups of a running host."""

from strongroom.app.build import Parts
from strongroom.backup.sources import Sources
from strongroom.engine.backup_desk import BackupDesk
from strongroom.engine.backup_sources import known_sources, mounted_sources
from strongroom.engine.pre_migration import BACKUPS_NAME

__all__ = ["backup_desk"]


def backup_desk(parts: Parts) -> BackupDesk:
    """The desk of a host."""
    settings = parts.settings
    sources = Sources(
        database=settings.database,
        root=parts.root,
        state_dir=settings.state_dir,
        work_dir=settings.state_dir / BACKUPS_NAME,
        audit=parts.audit.log.snapshot,
        audit_host=parts.audit.host,
        workspaces=lambda: mounted_sources(parts.workspaces.mounts, parts.workspaces.session),
        known=lambda: known_sources(parts.workspaces.mounts.known()),
    )
    return BackupDesk(sources, parts.database)
