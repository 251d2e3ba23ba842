"""The keys of a host on its socket: the real service over a real database and keyring, and nothing else of a host."""

from contextlib import contextmanager

import grpc

from strongroom.pb.strongroom.v1 import keys_pb2_grpc
from strongroom.services.keys import KeyService
from strongroom.services.server import ApiServer
from tests.fakes.callers import administrators


@contextmanager
def serving_keys(rig, socket, source=None):
    """Serve the keys of ``rig`` at ``socket``; ``source`` is what the host says of where they come from."""
    service = KeyService(rig.desk, source or rig.source)
    add = [lambda server: keys_pb2_grpc.add_KeysServiceServicer_to_server(service, server)]
    server = ApiServer(socket, add, message_bytes_max=1_000_000, reflection=False, access=administrators())
    server.start()
    try:
        yield service
    finally:
        rig.desk.rotation.close()
        server.stop(0)


@contextmanager
def key_stub(socket):
    """A client of it."""
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        yield keys_pb2_grpc.KeysServiceStub(channel)
