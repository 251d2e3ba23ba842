"""A bare grpcio server with one unary method that returns its message: what a call costs with nothing around it."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

from bench.worker import answer
from strongroom.pb.capabilities.v1 import capabilities_pb2

METHOD: Final = "/bench.Echo/Echo"


def main(path: str) -> None:
    """Serve on the Unix socket until the input ends."""
    message = capabilities_pb2.CapabilityRequest
    echo = grpc.unary_unary_rpc_method_handler(
        lambda request, _context: request, message.FromString, message.SerializeToString
    )
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {"Echo": echo}),))
    server.add_insecure_port(f"unix:{path}")
    server.start()
    answer(lambda _line: True)
    server.stop(None)


if __name__ == "__main__":
    main(sys.argv[1])
