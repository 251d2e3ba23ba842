"""``strongroom.v1.StatusService``."""

from collections.abc import Callable

import grpc

from strongroom.pb.strongroom.v1 import status_pb2, status_pb2_grpc

__all__ = ["StatusService"]


class StatusService(status_pb2_grpc.StatusServiceServicer):
    """This host. ``describe`` fills the answer; nothing in it is secret."""

    def __init__(self, describe: Callable[[], status_pb2.StatusServiceGetResponse]) -> None:
        self._describe = describe

    def Get(
        self, request: status_pb2.StatusServiceGetRequest, context: grpc.ServicerContext
    ) -> status_pb2.StatusServiceGetResponse:
        """One screen of facts."""
        return self._describe()
