"""``strongroom`` for scripts of tests: commands as forks of one process that has loaded the program.

A script of a page runs dozens of commands, and to load the program takes longer than most of them.
``commands(directory)`` puts a ``strongroom`` into a directory for the PATH of a shell; it hands its streams, words and
environment over and ends as the fork does. Whoever ends it, ends the fork.
"""

import contextlib
import gc
import json
import os
import select
import socket
import struct
import subprocess
import sys
from pathlib import Path

__all__ = ["commands"]

ROOT = Path(__file__).resolve().parents[2]
REQUEST_BYTES_MAX = 200_000
STATUS = struct.Struct("i")
CLIENT = """#!{python} -IS
import json, os, socket, struct, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect({socket!r})
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)])
socket.send_fds(server, [asked.encode("utf-8", "surrogateescape")], [0, 1, 2])
told = server.recv(4)
sys.exit(struct.unpack("i", told)[0] if told else 70)
"""


@contextlib.contextmanager
def commands(directory):
    """A folder below ``directory`` with a ``strongroom``, until the block ends."""
    folder, place = directory / "commands", directory / "commands.sock"
    folder.mkdir()
    script = folder / "strongroom"
    script.write_text(CLIENT.format(python=sys.executable, socket=str(place)))
    script.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, str(place)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout.readline() == b"ready\n"
    try:
        yield folder
    finally:
        server.stdin.close()
        server.wait(30)
        server.stdout.close()


def _serve(listener):
    """Fork for each command, and tell of each end. Returns in the forks alone; ends when nobody can ask any more."""
    going = {}
    while True:
        waited = [listener, sys.stdin, *going, *(client for _, client in going.values())]
        for ready in select.select(waited, [], [])[0]:
            if ready is sys.stdin:
                os._exit(0)
            if ready is listener:
                client, _ = listener.accept()
                asked, streams, _, _ = socket.recv_fds(client, REQUEST_BYTES_MAX, 3)
                pid = os.fork()
                if pid == 0:
                    listener.close()
                    return json.loads(asked.decode("utf-8", "surrogateescape")), streams
                for descriptor in streams:
                    os.close(descriptor)
                going[os.pidfd_open(pid)] = pid, client
            elif ready in going:
                pid, client = going.pop(ready)
                _, status = os.waitpid(pid, 0)
                os.close(ready)
                with contextlib.suppress(OSError), client:
                    client.send(STATUS.pack(os.waitstatus_to_exitcode(status)))
            else:
                # It says nothing more: that it can be read means that it is gone.
                for pid, client in going.values():
                    if client is ready:
                        os.kill(pid, 9)
                break


def _load():
    import strongroom.app.daemon
    import strongroom.cli.main

    for noun in ("", *strongroom.cli.main.NOUNS):
        strongroom.cli.main.command(noun)


def _become(request, streams):
    """Be the command."""
    words, directory, variables = request
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, closefd=False) for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(directory)
    sys.path[0] = directory
    sys.argv = ["strongroom", *words]
    from strongroom.cli.main import main

    main()


if __name__ == "__main__":
    _load()
    gc.collect()
    gc.freeze()
    hears = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    hears.bind(sys.argv[1])
    hears.listen()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    _become(*_serve(hears))
