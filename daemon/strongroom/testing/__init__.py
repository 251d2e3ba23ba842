"""The authors' door for tests: run a guest in pytest, in the sandbox and under the limits of a host in production.

``run_guest`` runs one request; ``sdk_pb`` and ``values_pb`` are the messages that it takes and gives. Everything named
in ``__all__`` follows semantic versioning: within a major version nothing of it is removed or changes its meaning.
"""

from strongroom.errors import CapabilityError
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.values.v1 import values_pb2
from strongroom.testing import sdk_pb, values_pb
from strongroom.testing.limits import DEFAULT, Limits
from strongroom.testing.outcome import GuestOutcome, InvalidModule
from strongroom.testing.run import run_guest

__all__ = [
    "DEFAULT",
    "CapabilityError",
    "GuestOutcome",
    "InvalidModule",
    "Limits",
    "run_guest",
    "sdk_pb",
    "sdk_pb2",
    "values_pb",
    "values_pb2",
]
