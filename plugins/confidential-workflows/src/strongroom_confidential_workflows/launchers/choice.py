"""Which launcher a plugin has: the configured one, and no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from strongroom.guest import executable_memory
from strongroom.plugin import Misconfigured
from strongroom_confidential_workflows.launchers import bubblewrap, external, pooled, process
from strongroom_confidential_workflows.launchers.address import Address
from strongroom_confidential_workflows.launchers.runner import Starter
from strongroom_confidential_workflows.messages import Configure

__all__ = ["LAUNCHERS", "LOCAL_LAUNCHERS", "check_launcher", "open_starter"]

LOCAL_LAUNCHERS: Final = (process.NAME, bubblewrap.NAME)
LAUNCHERS: Final = (*LOCAL_LAUNCHERS, external.NAME)


def check_launcher(name: object, external_address: object = "", pool_socket: object = "") -> None:
    """Raise ``ValueError``, which names the key, unless these belong together."""
    if name not in LAUNCHERS:
        raise ValueError(f"launcher must be one of {', '.join(LAUNCHERS)}")
    if not isinstance(external_address, str) or (name == external.NAME) != bool(external_address):
        raise ValueError(f"external_address belongs to launcher {external.NAME}, which needs it, and to no other")
    if not isinstance(pool_socket, str) or (pool_socket and name != process.NAME):
        raise ValueError(f"pool_socket belongs to launcher {process.NAME}, and to no other")
    if pool_socket and not Path(pool_socket).is_absolute():
        raise ValueError("pool_socket must be an absolute path: ${pool_socket} is the host's own, where it has one")
    if external_address:
        try:
            Address.parse(external_address)
        except ValueError as error:
            raise ValueError(f"external_address: {error}") from None


def open_starter(
    name: str, configure: Callable[[], Configure], *, external_address: str = "", pool_socket: str = ""
) -> Starter:
    """The launcher ``name``. ``configure`` gives the first message of each runner; an external one is never asked.

    Raises ``ValueError`` as ``check_launcher``, and ``Misconfigured`` when this machine lacks what it needs.
    """
    check_launcher(name, external_address, pool_socket)
    if name == external.NAME:
        return external.ExternalStarter(Address.parse(external_address))
    if pool_socket:
        return pooled.PooledStarter(pool_socket, configure)
    if not executable_memory.can_be_made():
        raise Misconfigured(
            "SR-ENCL-025",
            "enclave runners that this plugin starts could execute nothing",
            why="it may make no memory executable, and neither may what it starts: MemoryDenyWriteExecute of its unit",
            fix="set pool_socket: ${pool_socket} beside launcher: process, and runners.pool_socket of the host",
            where="pool_socket",
        )
    if name == bubblewrap.NAME:
        return bubblewrap.BubblewrapStarter(configure)
    return process.ProcessStarter(configure)
