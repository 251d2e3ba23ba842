"""The messages of the guest contract, ``sdk.v1alpha``, under the name that authors use."""

from strongroom.pb.sdk.v1alpha.sdk_pb2 import *  # noqa: F403 - this is that module by another name
