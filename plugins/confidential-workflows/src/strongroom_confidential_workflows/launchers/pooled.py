"""Launcher ``process`` where ``strongroom-runner`` starts the processes: it is the host's, and holds no key either.

Which program it starts for an enclave is its own choice. What a runner is configured with crosses the runner's own
socket, which the pool hands over and keeps no end of.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from strongroom.guest.frames import Frames
from strongroom.guest.starter.child import ENCLAVE
from strongroom.guest.starter.pool_client import Pool, at_path
from strongroom.guest.starter.started import Started
from strongroom_confidential_workflows.launchers.process import NAME
from strongroom_confidential_workflows.launchers.runner import STALL_S, STATEMENT, receive_ready
from strongroom_confidential_workflows.limits import FRAME_BYTES_MAX, READY_TIMEOUT_S
from strongroom_confidential_workflows.messages import Cancel, Configure, Ready, encode
from strongroom_confidential_workflows.runner_process import REAP_S, did_not_start

__all__ = ["PooledRunner", "PooledStarter"]

PROTECTION: Final = "started-by-strongroom-runner"


class PooledRunner:
    """A runner that was ordered, see ``Runner``. Hanging up on the pool ends it. Raises ``Unavailable``."""

    def __init__(self, started: Started, configuration: bytes) -> None:
        self.started_s = time.monotonic()
        self._started = started
        try:
            connection = started.connection(READY_TIMEOUT_S)
        except BaseException:
            started.kill()
            started.close()
            raise
        self.frames = Frames(connection, frame_bytes_max=FRAME_BYTES_MAX, stall_s=STALL_S)
        with contextlib.suppress(OSError):  # one that is gone already says why when it is waited for
            self.frames.send(configuration)

    @property
    def pid(self) -> int:
        """Process id, as the pool counts."""
        return self._started.pid

    @property
    def is_lost(self) -> bool:
        """See ``Runner``."""
        return self._started.is_lost

    def wait_ready(self, timeout_s: float) -> Ready:
        """See ``Runner``."""
        if (ready := receive_ready(self.frames, timeout_s)) is not None:
            return ready
        if self.frames.ended:
            end = self.end()
            why = f"it {end}: {self._started.last_words() or 'it printed nothing'}"
        else:
            why = "it did not become ready in time"
        self.kill()
        raise did_not_start(why)

    def is_alive(self) -> bool:
        """See ``Runner``."""
        return self._started.poll() is None

    def cancel(self, reason: str) -> None:
        """See ``Runner``."""
        with contextlib.suppress(OSError):
            self.frames.send(encode(Cancel(reason=reason)))

    def wait(self, timeout_s: float) -> None:
        """See ``Runner``."""
        self._started.wait(timeout_s)

    def kill(self) -> None:
        """Hang up, and wait until the pool says that it is gone."""
        self._started.kill()
        self._started.wait(REAP_S)

    def close(self) -> None:
        """See ``Runner``."""
        self.kill()
        self.frames.close()
        self._started.close()

    def end(self) -> str:
        """See ``Runner``."""
        status = self._started.wait(REAP_S)
        if status is None:
            return "ended with strongroom-runner" if self._started.is_lost else "hangs"
        return f"was killed by signal {-status}" if status < 0 else f"exited with code {status}"


class PooledStarter:
    """Orders them at ``pool_socket``. ``configure`` gives the first message for each."""

    name = NAME
    statement = STATEMENT
    protections: tuple[str, ...] = (PROTECTION,)

    def __init__(self, pool_socket: str, configure: Callable[[], Configure]) -> None:
        """Nothing is ordered yet."""
        self._pool = Pool(at_path(Path(pool_socket)), ENCLAVE)
        self._configure = configure

    def start(self) -> PooledRunner:
        """See ``Starter``."""
        configuration = encode(self._configure())
        return PooledRunner(self._pool.start(), configuration)
