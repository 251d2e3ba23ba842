"""The calls of ``strongroom.v1.WorkspaceService`` that are about passwords of workspaces."""

import dataclasses

import grpc

from strongroom.engine.workspaces import WorkspaceDesk
from strongroom.errors import StrongroomError
from strongroom.pb.strongroom.v1 import workspace_pb2
from strongroom.services.workspace_messages import mount_message
from strongroom.services.workspace_session import SessionCalls
from strongroom.workspace.mount.info import MountInfo
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.mount.password_desk import PasswordDesk
from strongroom.workspace.session.session import Session

__all__ = ["PasswordCalls"]


class PasswordCalls(SessionCalls):
    """Unlocking, locking and changing. The rest of the service is built on top of it."""

    def __init__(self, mounts: Mounts, desk: WorkspaceDesk, session: Session, passwords: PasswordDesk) -> None:
        super().__init__(mounts, session)
        self._desk = desk
        self._passwords = passwords

    def Unlock(
        self, request: workspace_pb2.WorkspaceServiceUnlockRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceUnlockResponse:
        """Open a workspace with its password."""
        info = self._passwords.unlock(request.name, request.password)
        return workspace_pb2.WorkspaceServiceUnlockResponse(mount=self._message(info))

    def Lock(
        self, request: workspace_pb2.WorkspaceServiceLockRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceLockResponse:
        """Close it and forget its keys."""
        self._passwords.lock(request.name)
        return workspace_pb2.WorkspaceServiceLockResponse()

    def ChangePassword(
        self, request: workspace_pb2.WorkspaceServiceChangePasswordRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceChangePasswordResponse:
        """Seal everything under another one."""
        done = self._passwords.change(request.name, request.old_password, request.new_password)
        return workspace_pb2.WorkspaceServiceChangePasswordResponse(
            sealed_again=done.sealed_again, unreadable=done.unreadable
        )

    def _message(self, info: MountInfo) -> workspace_pb2.WorkspaceMount:
        status = None
        if info.state == "open":
            try:
                status = self._desk.status(info.name)
            except StrongroomError as error:
                # Its project is gone, or it was closed this very moment: what is shown as open can be used.
                info = dataclasses.replace(info, state="failed", problem=error.with_fix(), code=error.code)
        return mount_message(info, status)
