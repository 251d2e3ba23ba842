"""The main program of a process plugin: handshake, the services of go-plugin, and the end (sections 12 to 14)."""

import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
from google.protobuf import empty_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from strongroom.pb.capabilities.v1 import capabilities_pb2_grpc
from strongroom.pb.loop import loop_pb2, loop_pb2_grpc
from strongroom.pb.plugin import plugin_pb2, plugin_pb2_grpc
from strongroom.plugin.serve.broker import Broker
from strongroom.plugin.serve.hardening import harden
from strongroom.plugin.serve.process_log import configure_process_log
from strongroom.plugin.serve.server import new_server
from strongroom.plugin.serve.standard import StandardCapabilities
from strongroom.plugin.serve.token import TokenCheck, proof_of
from strongroom.plugin.serve.wire import (
    HEALTH_SERVICE,
    MODE_VARIABLE,
    NAME_VARIABLE,
    SOCKET_DIR_VARIABLE,
    TOKEN_VARIABLE,
)
from strongroom.telemetry import tracing
from strongroom.telemetry.redaction import printable

__all__ = ["PluginProcess"]

# Threads that answer calls; the host bounds calls per plugin below this.
THREADS_MAX: Final = 96
# Between the answer to Shutdown and the end of the servers, so that the answer still goes out.
GRACE_S: Final = 0.5

log = logging.getLogger("strongroom.plugin")


class PluginProcess:
    """One plugin, served."""

    def __init__(self, factory: Callable[..., object]) -> None:
        self._factory = factory
        self._done = threading.Event()

    def run(self) -> None:
        """Serve until Shutdown or SIGTERM. Never returns: threads of the plugin cannot keep the process alive."""
        harden()
        configure_process_log()
        name = os.environ.get(NAME_VARIABLE, "plugin")
        tracing.configure(os.environ, service=f"strongroom-plugin-{name}", shown=printable)
        handshake = _claim_stdout()
        directory = os.environ.get(SOCKET_DIR_VARIABLE) or tempfile.mkdtemp(prefix="plugin")
        token = os.environ.pop(TOKEN_VARIABLE, "")
        check = TokenCheck(token, lambda: bool(token))
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._done.set())
        path = tempfile.mktemp(prefix="plugin", dir=directory)  # noqa: S306 - in a private directory
        broker = Broker()
        pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="call")
        standard = StandardCapabilities(
            self._factory,
            name=name,
            mode="dev" if os.environ.get(MODE_VARIABLE) == "dev" else "serve",
            broker=broker,
            directory=directory,
            token=token,
            check=check,
            pool=pool,
        )
        server = new_server(pool, path, check)
        capabilities_pb2_grpc.add_StandardCapabilitiesServicer_to_server(standard, server)
        loop_pb2_grpc.add_ServiceServicer_to_server(_Service(standard, self._done), server)
        health_pb2_grpc.add_HealthServicer_to_server(_Health(token), server)
        plugin_pb2_grpc.add_GRPCBrokerServicer_to_server(_BrokerStream(broker), server)
        plugin_pb2_grpc.add_GRPCControllerServicer_to_server(_Controller(self._done), server)
        plugin_pb2_grpc.add_GRPCStdioServicer_to_server(_Stdio(self._done), server)
        server.start()
        seventh = "|false" if "PLUGIN_MULTIPLEX_GRPC" in os.environ else ""
        os.write(handshake, f"1|0|unix|{path}|grpc|{seventh}\n".encode())
        os.close(handshake)
        self._done.wait()
        broker.close()
        server.stop(GRACE_S).wait(GRACE_S)
        standard.close()
        tracing.shut_down()
        sys.stderr.flush()
        os._exit(0)


def _claim_stdout() -> int:
    """The real stdout, for the handshake line alone. Whatever else is printed goes to stderr, which the host logs."""
    sys.stdout.flush()
    handshake = os.dup(1)
    os.dup2(2, 1)
    return handshake


class _Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # the library has no types
    """``plugin`` is SERVING. The answer's trailing metadata proves that this plugin knows its token."""

    def __init__(self, token: str) -> None:
        self._proof = proof_of(token)

    def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        if request.service not in {"", HEALTH_SERVICE}:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        context.set_trailing_metadata(self._proof)
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


class _BrokerStream(plugin_pb2_grpc.GRPCBrokerServicer):
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def StartStream(
        self, request_iterator: Iterator[plugin_pb2.ConnInfo], context: grpc.ServicerContext
    ) -> Iterator[plugin_pb2.ConnInfo]:
        """Announcements in both directions, for as long as the process lives."""
        threading.Thread(target=self._take_all, args=(request_iterator,), name="broker", daemon=True).start()
        context.add_callback(self._broker.close)
        yield from self._broker.outgoing()

    def _take_all(self, announcements: Iterator[plugin_pb2.ConnInfo]) -> None:
        try:
            for info in announcements:
                self._broker.take(info)
        except Exception as error:
            log.debug("the host ended the broker stream (%s)", type(error).__name__)


class _Controller(plugin_pb2_grpc.GRPCControllerServicer):
    def __init__(self, done: threading.Event) -> None:
        self._done = done

    def Shutdown(self, request: plugin_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.Empty:
        """Answer, then end."""
        self._done.set()
        return plugin_pb2.Empty()


class _Stdio(plugin_pb2_grpc.GRPCStdioServicer):
    """Open and silent: stdout was joined with stderr, which the host reads from the pipe."""

    def __init__(self, done: threading.Event) -> None:
        self._done = done

    def StreamStdio(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> Iterator[plugin_pb2.StdioData]:
        """Nothing, until the end."""
        while context.is_active() and not self._done.wait(1.0):
            pass
        yield from ()


class _Service(loop_pb2_grpc.ServiceServicer):
    def __init__(self, standard: StandardCapabilities, done: threading.Event) -> None:
        self._standard = standard
        self._done = done

    def Name(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> loop_pb2.NameReply:
        """The plugin's name."""
        return loop_pb2.NameReply(name=self._standard.name)

    def Close(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Stop the plugin, but not the process."""
        self._standard.close()
        return empty_pb2.Empty()

    def Ready(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Answer once ``Initialise`` is done."""
        if not self._standard.ready:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not initialised")
        return empty_pb2.Empty()

    def HealthReport(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> loop_pb2.HealthReportReply:
        """An empty text means healthy."""
        return loop_pb2.HealthReportReply(
            healthReport={self._standard.name: "" if self._standard.ready else "not initialised"}
        )
