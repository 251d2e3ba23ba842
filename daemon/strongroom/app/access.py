"""The ways in: which server stands at which place, who comes in there, and whose each kind of thing is."""

from collections.abc import Mapping, Sequence
from typing import Final

from strongroom.app.build import Mode, Parts
from strongroom.engine.history import no_run
from strongroom.engine.hook_desk import no_hook
from strongroom.services.access import Access, Finder, Refused, unheard
from strongroom.services.caller_book import CallerBook
from strongroom.services.callers import Caller, socket_caller
from strongroom.services.message_budget import MessageBudget
from strongroom.services.server import AddService, ApiServer, ApiServers
from strongroom.services.tls_port import TlsPort
from strongroom.services.unix_socket import ADMIN_MODE, UnixSocket
from strongroom.settings.roles import EVERYTHING, USERS
from strongroom.storage.directories import make_socket_parent
from strongroom.workspace.mount.faults import not_mounted

__all__ = ["api_servers"]

SOCKET_NAME: Final = "socket"
ADMIN_NAME: Final = "admin-socket"


def api_servers(
    parts: Parts,
    mode: Mode,
    add_services: Sequence[AddService],
    *,
    book: CallerBook,
    on_refused: Refused = unheard,
) -> ApiServers:
    """A server for each way in, all of them with the same services. Raises ``Misconfigured``.

    ``book`` says who may call there besides those who may open a socket. ``on_refused`` is told of the method, the
    caller's name and the refusal.
    """
    settings = parts.settings
    finders = _finders(parts)
    make_socket_parent(settings.socket)
    admin = settings.admin_socket_path
    make_socket_parent(admin)

    budget = MessageBudget(settings.limits.messages_bytes_max)

    def server(place: UnixSocket | TlsPort, base: Caller | None) -> ApiServer:
        return ApiServer(
            place,
            add_services,
            message_bytes_max=settings.limits.message_bytes_max,
            reflection=settings.reflects(mode),
            hidden=parts.redaction.hidden,
            budget=budget,
            access=Access(
                base=base,
                book=book,
                finders=finders,
                on_refused=on_refused,
                has_certificates=settings.api.tls_client_ca_file is not None,
            ),
        )

    users = socket_caller(SOCKET_NAME, USERS, settings.socket.name)
    administrators = socket_caller(ADMIN_NAME, EVERYTHING, admin.name)
    servers = [
        server(UnixSocket(settings.socket), users),
        server(UnixSocket(admin, mode=ADMIN_MODE, where="admin_socket"), administrators),
    ]
    if settings.api.listen:
        servers.append(server(TlsPort(settings.api), None))
    return ApiServers(servers)


def _finders(parts: Parts) -> Mapping[str, Finder]:
    """Whose each kind of thing is that ``services/roles.py`` names."""
    mounts, hooks = parts.workspaces.mounts, parts.hooks

    def of_mount(name: str) -> str | None:
        return next((info.owner_id for info in mounts.all() if info.name == name), None)

    return {
        "owner": Finder(parts.owners.checked),
        "run": Finder(lambda run_id: parts.history.header(run_id).workflow_owner, no_run),
        "mount": Finder(of_mount, not_mounted),
        "hook": Finder(lambda hook_id: hooks.owner_of(hook_id=hook_id), lambda hook_id: no_hook(hook_id=hook_id)),
        "hook token": Finder(lambda token: hooks.owner_of(token=token), lambda _token: no_hook()),
        "session": Finder(lambda _key: mounts.owner_id),
        "workspace owner": Finder(lambda owner_id: owner_id),
    }
