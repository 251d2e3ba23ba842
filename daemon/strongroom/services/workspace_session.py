"""The calls of ``strongroom.v1.WorkspaceService`` that are about who is signed in."""

import grpc

from strongroom.pb.strongroom.v1 import workspace_pb2, workspace_pb2_grpc
from strongroom.services.callers import caller_of
from strongroom.settings.roles import EVERY_OWNER, Role
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.session.cell import Grant
from strongroom.workspace.session.session import Session
from strongroom.workspace.session.states import SessionState

__all__ = ["SessionCalls"]


class SessionCalls(workspace_pb2_grpc.WorkspaceServiceServicer):
    """Signing in and out. The rest of the service is built on top of it."""

    def __init__(self, mounts: Mounts, session: Session) -> None:
        self._mounts = mounts
        self._session = session

    def GetSession(
        self, request: workspace_pb2.WorkspaceServiceGetSessionRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceGetSessionResponse:
        """Who is signed in."""
        session = self._session
        if not caller_of(context).may(Role.READ, session.owner_id or EVERY_OWNER):
            # Whoever has nothing to do with who is signed in is told that somebody is, or nobody.
            return workspace_pb2.WorkspaceServiceGetSessionResponse(state=session.state.value)
        signed_in = session.state is not SessionState.SIGNED_OUT
        return workspace_pb2.WorkspaceServiceGetSessionResponse(
            state=session.state.value,
            owner_id=session.owner_id,
            source=session.source,
            confirmed=session.confirmed,
            key_versions=session.keyring().versions if signed_in else (),
        )

    def SignIn(
        self, request: workspace_pb2.WorkspaceServiceSignInRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceSignInResponse:
        """Take a grant, and open what is remembered."""
        grant = Grant(
            access_token=request.access_token,
            refresh_token=request.refresh_token,
            access_token_expires_at_ms=request.access_token_expires_at_ms,
        )
        owner_id = self._session.sign_in(grant)
        self._mounts.reopen_known()
        return workspace_pb2.WorkspaceServiceSignInResponse(owner_id=owner_id)

    def SignOut(
        self, request: workspace_pb2.WorkspaceServiceSignOutRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceSignOutResponse:
        """Close every workspace and drop the keys."""
        self._mounts.sign_out()
        return workspace_pb2.WorkspaceServiceSignOutResponse()
