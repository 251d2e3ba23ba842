"""What this backend provides. The plugin says so when it is asked, and the enclave runner checks against it itself."""

from typing import Final

from strongroom.plugin.messages import sdk_pb2

__all__ = ["PROVIDED_TEES"]

PROVIDED_TEES: Final[tuple[sdk_pb2.TeeTypeAndRegions, ...]] = ()
"""None: a process is not a TEE, whatever it locks itself into."""
