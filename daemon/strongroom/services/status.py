"""``strongroom.v1.StatusService``."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc

from strongroom.pb.strongroom.v1 import status_pb2, status_pb2_grpc
from strongroom.services.callers import caller_of
from strongroom.settings.roles import Role

__all__ = ["StatusService"]

WORKSPACE: Final = "workspace "
"""What the name of a check begins with that names a workspace."""


class StatusService(status_pb2_grpc.StatusServiceServicer):
    """This host. ``describe`` fills the answer; nothing in it is secret. ``settings`` are those in force, as shown."""

    def __init__(
        self,
        describe: Callable[[], status_pb2.StatusServiceGetResponse],
        settings: Callable[[], Mapping[str, Any]] = dict,  # Any: JSON
    ) -> None:
        self._describe = describe
        self._settings = settings

    def Get(
        self, request: status_pb2.StatusServiceGetRequest, context: grpc.ServicerContext
    ) -> status_pb2.StatusServiceGetResponse:
        """One screen of facts."""
        answer = self._describe()
        if request.with_settings and caller_of(context).owners(Role.READ) is None:
            for key, value in self._settings().items():
                answer.settings.add(key=key, value=json.dumps(value))
        if caller_of(context).owners(Role.READ) is not None:
            # They name workspaces and workflows, whosever they are. That something is not well, and what, is no secret.
            answer.ClearField("workspace_problems")
            answer.ClearField("trigger_problems")
            for each in answer.health_reasons:
                if each.check.startswith(WORKSPACE):
                    each.check, each.why = "workspaces", "one of them is not open"
        return answer
