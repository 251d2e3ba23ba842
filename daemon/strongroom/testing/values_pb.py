"""The messages of values, ``values.v1``, under the name that authors use."""

from strongroom.pb.values.v1.values_pb2 import *  # noqa: F403 - this is that module by another name
