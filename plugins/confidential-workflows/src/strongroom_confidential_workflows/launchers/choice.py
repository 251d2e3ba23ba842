"""Which launcher a plugin has: the configured one, and no other."""

from collections.abc import Callable
from typing import Final

from strongroom_confidential_workflows.launchers import bubblewrap, external, process
from strongroom_confidential_workflows.launchers.address import Address
from strongroom_confidential_workflows.launchers.runner import Starter
from strongroom_confidential_workflows.messages import Configure

__all__ = ["LAUNCHERS", "LOCAL_LAUNCHERS", "check_launcher", "open_starter"]

LOCAL_LAUNCHERS: Final = (process.NAME, bubblewrap.NAME)
LAUNCHERS: Final = (*LOCAL_LAUNCHERS, external.NAME)


def check_launcher(name: object, external_address: object = "") -> None:
    """Raise ``ValueError``, which names the key, unless these two belong together."""
    if name not in LAUNCHERS:
        raise ValueError(f"launcher must be one of {', '.join(LAUNCHERS)}")
    if not isinstance(external_address, str) or (name == external.NAME) != bool(external_address):
        raise ValueError(f"external_address belongs to launcher {external.NAME}, which needs it, and to no other")
    if external_address:
        try:
            Address.parse(external_address)
        except ValueError as error:
            raise ValueError(f"external_address: {error}") from None


def open_starter(name: str, configure: Callable[[], Configure], *, external_address: str = "") -> Starter:
    """The launcher ``name``. ``configure`` gives the first message of each runner; an external one is never asked.

    Raises ``ValueError`` as ``check_launcher``, and ``Misconfigured`` when this machine lacks what it needs.
    """
    check_launcher(name, external_address)
    if name == external.NAME:
        return external.ExternalStarter(Address.parse(external_address))
    if name == bubblewrap.NAME:
        return bubblewrap.BubblewrapStarter(configure)
    return process.ProcessStarter(configure)
