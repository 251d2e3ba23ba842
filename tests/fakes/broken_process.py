"""Programs that are bad plugins before they even shake hands, one per word on the command line."""

import os
import sys
import time
from concurrent import futures

LINE = "1|0|unix|/nowhere/plugin.sock|grpc|\n"


def plain_server() -> None:
    """A gRPC server that speaks ``capabilities`` only: no cookie check, no broker, no health, no Initialise."""
    import grpc

    from strongroom.pb.capabilities.v1 import capabilities_pb2
    from strongroom.plugin.serve.server import capability_handlers

    path = os.environ["PLUGIN_UNIX_SOCKET_DIR"] + "/plain.sock"
    server = grpc.server(futures.ThreadPoolExecutor(4))
    info = capabilities_pb2.CapabilityInfoReply(
        id="plain@1.0.0", capability_type=capabilities_pb2.CAPABILITY_TYPE_COMBINED, description="plain"
    )

    def execute(request: capabilities_pb2.CapabilityRequest, _timeout_s: float) -> capabilities_pb2.CapabilityResponse:
        if request.method == "die":
            os._exit(9)
        return capabilities_pb2.CapabilityResponse(payload=request.payload)

    server.add_generic_rpc_handlers(capability_handlers(info, execute, None))
    server.add_insecure_port(f"unix:{path}")
    server.start()
    sys.stdout.write(f"1|0|unix|{path}|grpc|\n")
    sys.stdout.flush()
    server.wait_for_termination()


def main(word: str) -> None:
    write = sys.stdout.write
    if word == "exits":
        sys.exit(3)
    if word == "garbage":
        sys.stdout.buffer.write(bytes(range(256)) + b"\n")
    if word == "noise":
        write("starting up...\n" + LINE)
    if word == "core":
        write("2|0|unix|/x|grpc|\n")
    if word == "nowhere":
        write(LINE)
    if word == "huge":
        write("1|0|unix|" + "x" * 200_000)
    if word == "closes":
        os.close(1)
    if word == "panics":
        sys.stderr.write("panic: all is lost\ngoroutine 1 [running]:\n")
        sys.exit(2)
    if word == "plain":
        plain_server()
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1])
