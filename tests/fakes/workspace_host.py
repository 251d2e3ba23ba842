"""The workspaces of a host on its socket: real mounts in a directory, the real service, and nothing else of a host."""

from contextlib import contextmanager

import grpc

from strongroom.engine.workspace_upkeep import WorkspaceUpkeep
from strongroom.engine.workspaces import WorkspaceDesk
from strongroom.pb.strongroom.v1 import workspace_pb2_grpc
from strongroom.services.places import streaming
from strongroom.services.server import ApiServer
from strongroom.services.workspaces import WorkspaceService
from strongroom.workspace.mount.copies import Copies
from strongroom.workspace.mount.password_desk import PasswordDesk
from tests.fakes.callers import administrators
from tests.fakes.mount_rig import MountRig
from tests.fakes.workspace_rig import push_raw

PUSHED_AT_MS = 1_764_000_000_000


class WorkspaceHost(MountRig):
    """A rig with what stands in front of its mounts."""

    def __init__(self, tmp_path, **options):
        super().__init__(tmp_path, **options)
        self.copies = Copies(self.state_dir / "workspaces" / "copies.json")

    @property
    def desk(self):
        return WorkspaceDesk(self.mounts)

    @property
    def upkeep(self):
        return WorkspaceUpkeep(self.mounts, self.copies, now_ms=lambda: 7)

    def push_plaintext(self, array, **values):
        """What a peer without keys does."""
        entries = [(key, value, PUSHED_AT_MS) for key, value in values.items()]
        push_raw(self.mounts.get("notes").workspace, array, entries)

    @contextmanager
    def serving(self, socket, access=None):
        """Serve the workspaces at ``socket``, to administrators unless ``access`` says otherwise."""
        service = WorkspaceService(
            self.mounts,
            self.desk,
            self.upkeep,
            self.session,
            PasswordDesk(self.mounts, self.passwords),
            streams=streaming(),
        )
        add = [lambda server: workspace_pb2_grpc.add_WorkspaceServiceServicer_to_server(service, server)]
        server = ApiServer(
            socket, add, message_bytes_max=8_000_000, reflection=False, access=access or administrators()
        )
        server.start()
        try:
            yield self
        finally:
            server.stop(0)
            self.mounts.close()


@contextmanager
def workspace_stub(socket):
    """A client of it."""
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        yield workspace_pb2_grpc.WorkspaceServiceStub(channel)
