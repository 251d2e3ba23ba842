"""Callers of tests, and ways in for servers of theirs."""

import hashlib

from strongroom.services.access import Access
from strongroom.services.callers import socket_caller
from strongroom.settings.callers import CallerEntry
from strongroom.settings.roles import EVERYTHING, Grant, Role

ADMINISTRATOR = socket_caller("admin-socket", EVERYTHING, "admin.sock")


def administrators():
    """The way in of those who may do everything."""
    return Access(base=ADMINISTRATOR)


def grant(roles, *owners):
    """Roles for owners; for all of them where none is named."""
    return Grant(frozenset(Role(role) for role in roles), frozenset(owners) or None)


def with_token(name, token, *grants, ends_at=0):
    """An entry of the callers' file."""
    return CallerEntry(
        name=name, token_sha256=hashlib.sha256(token.encode()).digest(), ends_at=ends_at, grants=tuple(grants)
    )


def bearer(token):
    """The metadata that show it."""
    return (("authorization", f"Bearer {token}"),)
