"""Names, limits and addresses that both ends of a plugin process share (capability-wire sections 12 to 14)."""

import os
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

__all__ = [
    "CHANNEL_OPTIONS",
    "CHUNK_BYTES",
    "COOKIES",
    "DIAL_TIMEOUT_S",
    "HEALTH_SERVICE",
    "INITIALISE_TIMEOUT_S",
    "MESSAGE_BYTES_MAX",
    "MODE_VARIABLE",
    "NAME_VARIABLE",
    "PROOF_KEY",
    "SIDE_CALL_TIMEOUT_S",
    "SOCKET_DIR_VARIABLE",
    "TOKEN_KEY",
    "TOKEN_VARIABLE",
    "unix_target",
]

COOKIES: Final[Mapping[str, str]] = {
    "CL_PLUGIN_STANDARD_CAPABILITIES_MAGIC_COOKIE": "f4df86d3-3552-4231-8206-be0d245b6c67",
    "CL_PLUGIN_GENERIC_MAGIC_COOKIE": "2ad981747cd86c4ab3e23170970020fd",
}
SOCKET_DIR_VARIABLE: Final = "PLUGIN_UNIX_SOCKET_DIR"
TOKEN_VARIABLE: Final = "STRONGROOM_PLUGIN_TOKEN"  # noqa: S105 - the name of a variable, not a token
NAME_VARIABLE: Final = "STRONGROOM_PLUGIN_NAME"
MODE_VARIABLE: Final = "STRONGROOM_PLUGIN_MODE"
# Metadata of every call between our own processes: the token itself, and what proves that the far side knows it.
TOKEN_KEY: Final = "strongroom-token"  # noqa: S105 - the name of a metadata key, not a token
PROOF_KEY: Final = "strongroom-proof"
HEALTH_SERVICE: Final = "plugin"
# A workflow's binary or a large answer travels in one message; more than this is not a message but a file.
MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
# Artifacts travel in pieces, so that a big binary never stands in memory three times.
CHUNK_BYTES: Final = 1024 * 1024
# A side that announces a service and one that looks for it meet within this time (go-plugin's own figure).
DIAL_TIMEOUT_S: Final = 5.0
# A store that answers later than this is broken, and the plugin should say so instead of hanging.
SIDE_CALL_TIMEOUT_S: Final = 30.0
# As long as the whole start of a plugin may take.
INITIALISE_TIMEOUT_S: Final = 60.0
CHANNEL_OPTIONS: Final[Sequence[tuple[str, int]]] = (
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # Nothing here crosses a network, so no proxy of the environment may stand between.
    ("grpc.enable_http_proxy", 0),
)


def unix_target(path: str) -> str:
    """The gRPC target of the Unix socket at ``path``. A target is a URI, so that a ``?`` or ``%`` needs quoting."""
    return f"unix:{quote(os.fsencode(path))}"
