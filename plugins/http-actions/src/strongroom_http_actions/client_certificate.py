"""A TLS context that shows a client certificate.

The TLS library reads keys from files only. The file here is in memory, belongs to this process, and is gone when the
context is made.
"""

import os
import ssl

from strongroom_http_actions.refusals import invalid
from strongroom_http_actions.wish import ClientKey

__all__ = ["present"]


def present(context: ssl.SSLContext, key: ClientKey) -> None:
    """Load ``key`` into ``context``. Raises ``CapabilityError`` (User, InvalidArgument)."""
    pem = key.certificate.rstrip() + b"\n" + key.private_key.rstrip() + b"\n"
    number = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(pem)
        # Without a password the library would ask for one at the terminal.
        context.load_cert_chain(f"/proc/self/fd/{number}", password=_no_password)
    except (OSError, ValueError):
        raise invalid("mtls: certificate and private_key must be PEM without a password, and belong together") from None
    finally:
        os.close(number)


def _no_password() -> bytes:
    raise ValueError
