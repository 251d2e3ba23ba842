"""Opening the TPM that evidence comes from: a device file or a UNIX socket."""

import stat
from pathlib import Path
from typing import Final

from strongroom.plugin import Misconfigured
from strongroom.tpm.wire import TpmWire, connected
from strongroom_confidential_workflows.providers.devices import WHERE, open_device, unusable

__all__ = ["open_tpm"]

FIX: Final = "load the TPM's driver (tpm_tis, tpm_crb) or start the software TPM, or set evidence.device to where it is"


def open_tpm(path: Path, *, kind: str) -> TpmWire:
    """A connection to the TPM at ``path``, a character device or a UNIX socket.

    Raises ``Misconfigured``, which names the path, when there is none or it cannot be opened.
    """
    try:
        is_socket = stat.S_ISSOCK(path.stat().st_mode)
    except OSError as error:
        raise unusable(path, kind, error, fix=FIX) from error
    if not is_socket:
        return TpmWire(open_device(path, kind=kind, fix=FIX))
    try:
        return connected(path)
    except OSError as error:
        what = f"nothing takes connections at {path}"
        why = error.strerror or type(error).__name__
        raise Misconfigured("SR-EVID-007", what, why=why, fix=FIX, where=WHERE) from error
