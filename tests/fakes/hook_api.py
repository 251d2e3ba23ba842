"""``HookService`` on a socket of its own, with an engine behind it whose guests a test scripts."""

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from strongroom.engine.hook_desk import HookDesk
from strongroom.pb.strongroom.v1 import hook_pb2_grpc
from strongroom.services.hooks import HookService
from strongroom.services.server import ApiServer
from strongroom.storage.database import Database
from tests.fakes.audit_book import AuditBook
from tests.fakes.callers import administrators
from tests.fakes.workflow_host import WorkflowHost


@dataclass
class HookApi:
    """The host, what it wrote down, and where it listens."""

    host: WorkflowHost
    book: AuditBook
    socket: Path
    server: ApiServer


@contextmanager
def hook_api(sqlite_url):
    """Serve until the end of the block."""
    database = Database.open(sqlite_url)
    host, book = WorkflowHost(database), AuditBook()
    service = HookService(HookDesk(host.host, host.engine), audit=book)
    with tempfile.TemporaryDirectory(prefix="sr-") as directory:
        socket = Path(directory) / "s.sock"
        server = ApiServer(
            socket,
            [lambda made: hook_pb2_grpc.add_HookServiceServicer_to_server(service, made)],
            message_bytes_max=8_000_000,
            reflection=False,
            access=administrators(),
        )
        server.start()
        yield HookApi(host, book, socket, server)
        server.stop(0)
    host.close()
    database.close()
