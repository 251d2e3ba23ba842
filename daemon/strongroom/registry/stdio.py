"""``plugin.GRPCStdio``: where plugins written in Go send their stdout and stderr after the handshake (section 13)."""

from collections.abc import Sequence

import grpc
from google.protobuf import empty_pb2

from strongroom.pb.plugin import plugin_pb2, plugin_pb2_grpc
from strongroom.registry.plugin_logs import LineSplitter, LogForwarder

__all__ = ["read_stdio"]


def read_stdio(channel: grpc.Channel, metadata: Sequence[tuple[str, str]], lines: LogForwarder) -> None:
    """Forward both streams into the log until the plugin ends. One that does not serve this is fine."""
    splitters = {plugin_pb2.StdioData.STDOUT: LineSplitter(), plugin_pb2.StdioData.STDERR: LineSplitter()}
    try:
        for data in plugin_pb2_grpc.GRPCStdioStub(channel).StreamStdio(empty_pb2.Empty(), metadata=tuple(metadata)):
            splitter = splitters.get(data.channel)
            if splitter is not None:
                for text, whole in splitter.feed(data.data):
                    lines.line(text, whole=whole)
    except (grpc.RpcError, ValueError):  # unimplemented, or the channel was closed
        return
