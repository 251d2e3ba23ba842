"""The runner process: sandbox itself, say so, then do what its host asks, one thing at a time.

It holds no key, opens no file and makes no connection. It dies with its host.
"""

import os
import signal
import socket

from google.protobuf.message import DecodeError

from strongroom.errors import StrongroomError
from strongroom.guest import sandbox
from strongroom.guest.frames import Frames
from strongroom.guest.loaded_modules import LoadedModules
from strongroom.guest.runner.engine import AdmissionError, Engine, Loaded, engine_id
from strongroom.guest.runner.execution import Execution
from strongroom.guest.runner.remote_host import RemoteHost
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["serve"]


def serve(descriptor: int, code_directory: int | None = None) -> None:
    """Serve the host at the other end of ``descriptor`` until it closes.

    Code comes as descriptors, of memory or of files in the directory behind ``code_directory``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the daemon, which drains
    frames = Frames(socket.socket(fileno=descriptor), takes_descriptors=True)
    identity = engine_id()  # reads /proc/cpuinfo, which the sandbox forbids
    report = sandbox.apply(readable=code_directory)
    if code_directory is not None:
        os.close(code_directory)
    engine = Engine()
    ready = runner_pb2.Ready(
        pid=os.getpid(), protections=report.protections, missing=report.missing, engine_id=identity
    )
    frames.send(runner_pb2.FromRunner(ready=ready).SerializeToString())
    runner = _Runner(frames, engine)
    while True:
        data = frames.receive(None)
        if data is None:
            return
        runner.handle(runner_pb2.ToRunner.FromString(data))


class _Runner:
    def __init__(self, frames: Frames, engine: Engine) -> None:
        self._frames = frames
        self._engine = engine
        self._host = RemoteHost(frames)
        self._loaded: dict[str, Loaded] = {}
        self._counted = LoadedModules()

    def handle(self, frame: runner_pb2.ToRunner) -> None:
        kind = frame.WhichOneof("message")
        if kind == "execute":
            finished = self._execute(frame.execute)
            self._frames.send(runner_pb2.FromRunner(finished=finished).SerializeToString())
        elif kind == "compile":
            compiled = self._compile(frame.compile.wasm)
            self._frames.send(runner_pb2.FromRunner(compiled=compiled).SerializeToString())
        # Everything else belongs to a run that has ended meanwhile.

    def _compile(self, wasm: bytes) -> runner_pb2.Compiled:
        try:
            loaded = self._engine.compile(wasm)
        except AdmissionError as refusal:
            return runner_pb2.Compiled(error=str(refusal))
        return runner_pb2.Compiled(native=self._engine.native_code(loaded), info=loaded.info)

    def _execute(self, order: runner_pb2.Execute) -> runner_pb2.Finished:
        try:
            loaded = self._load(order)
            execution = Execution(order, self._host)
        except (AdmissionError, DecodeError, StrongroomError, RuntimeError) as problem:
            text = f"the runner could not begin: {problem}"
            return runner_pb2.Finished(outcome=runner_pb2.OUTCOME_HOST_FAULT, error=text)
        return self._engine.run(loaded, execution)

    def _load(self, order: runner_pb2.Execute) -> Loaded:
        key, size = order.module_key, None
        if order.with_descriptor:
            descriptor = self._frames.take_descriptor()
            try:
                size = os.fstat(descriptor).st_size
                self._loaded[key] = self._engine.load(f"/proc/self/fd/{descriptor}")
            finally:
                os.close(descriptor)
        if key not in self._loaded:
            raise AdmissionError("the module is not loaded and did not come along")
        for dropped in self._counted.use(key, size):
            del self._loaded[dropped]
        return self._loaded[key]
