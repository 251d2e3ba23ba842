"""``strongroom.v1.StatusService``."""

from collections.abc import Callable

import grpc

from strongroom.pb.strongroom.v1 import status_pb2, status_pb2_grpc
from strongroom.services.callers import caller_of
from strongroom.settings.roles import Role

__all__ = ["StatusService"]


class StatusService(status_pb2_grpc.StatusServiceServicer):
    """This host. ``describe`` fills the answer; nothing in it is secret."""

    def __init__(self, describe: Callable[[], status_pb2.StatusServiceGetResponse]) -> None:
        self._describe = describe

    def Get(
        self, request: status_pb2.StatusServiceGetRequest, context: grpc.ServicerContext
    ) -> status_pb2.StatusServiceGetResponse:
        """One screen of facts."""
        answer = self._describe()
        if caller_of(context).owners(Role.READ) is not None:
            # They name workspaces, whosever they are.
            answer.ClearField("workspace_problems")
        return answer
