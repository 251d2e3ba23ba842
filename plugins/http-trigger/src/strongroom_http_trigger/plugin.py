"""The plugin: its section of ``plugins.yaml``, and how its parts are put together."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.plugin import Capability, EventBook, Events, Host, Misconfigured, Registration, TriggerMethod, hookimpl
from strongroom_http_trigger.limits import ACCEPT_WAIT_MS_MAX, BODY_BYTES_MAX, CONNECTIONS_MAX, THREADS_MAX
from strongroom_http_trigger.listener import Listener, where_of
from strongroom_http_trigger.rates import Rate
from strongroom_http_trigger.registrations import Registrations
from strongroom_http_trigger.requests import Requests
from strongroom_http_trigger.service import Service

__all__ = ["CAPABILITY_ID", "HttpTriggerPlugin"]

CAPABILITY_ID = "http-trigger@1.0.0-alpha"


@dataclass(slots=True, kw_only=True, eq=False)
class HttpTriggerPlugin:
    """``listen`` is ``address:port`` or ``unix:/path``.

    A workflow starts once every ``rate_every_s`` seconds and ``rate_burst`` times at once. A request is answered when
    the host has accepted it, or after ``accept_wait_ms``. Accepted requests are remembered for ``remember_s``.
    """

    listen: str = "127.0.0.1:8477"
    body_bytes_max: int = 100_000
    connections_max: int = 100
    threads: int = 16
    accept_wait_ms: int = 5_000
    rate_every_s: int = 30
    rate_burst: int = 3
    remember_s: int = 3_600
    _registrations: Registrations | None = field(default=None, init=False, repr=False)
    _book: EventBook | None = field(default=None, init=False, repr=False)
    _service: Service | None = field(default=None, init=False, repr=False)
    _listener: Listener | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, lowest, highest in (
            ("body_bytes_max", 1, BODY_BYTES_MAX),
            ("connections_max", 1, CONNECTIONS_MAX),
            ("threads", 1, THREADS_MAX),
            ("accept_wait_ms", 1, ACCEPT_WAIT_MS_MAX),
            ("rate_every_s", 1, 86_400),
            ("rate_burst", 1, 10_000),
            ("remember_s", 300, 86_400),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
                raise ValueError(f"{name} must be a whole number in {lowest}..{highest}")
        where_of(self.listen)

    @hookimpl
    def start(self, host: Host) -> None:
        """Listen. Workflows are registered after this; until then their callers are told to come back."""
        self._book = EventBook(host.store, log=host.log)
        self._registrations = Registrations(host.store)
        requests = Requests(host.store, keep_s=self.remember_s)
        rate = Rate(every_s=self.rate_every_s, burst=self.rate_burst)
        self._service = Service(
            self._registrations, requests, self._book, rate, host.log, accept_wait_s=self.accept_wait_ms / 1000
        )
        try:
            self._listener = Listener(
                self.listen,
                self._service.answer,
                threads=self.threads,
                connections_max=self.connections_max,
                body_bytes_max=self.body_bytes_max,
            )
        except OSError as error:
            raise Misconfigured(
                "SR-HTTP-001",
                f"cannot listen on {self.listen}: {error.strerror}",
                fix="name another address under listen of this plugin's config",
                where="plugin http-trigger, config.listen",
            ) from error
        self._listener.start()
        host.log.info("listening on %s", self._listener.address)
        if not self._is_local():
            host.log.warning("%s is not local: tokens and inputs cross the network without TLS", self.listen)

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer ``http-trigger@1.0.0-alpha``."""
        if self._service is None:
            return []
        trigger = TriggerMethod(register=self._register, ack=self._service.acknowledged, forget=self._service.forgotten)
        description = "Starts workflows by signed HTTP requests"
        return [Capability(id=CAPABILITY_ID, description=description, kind="trigger", triggers={"Trigger": trigger})]

    @hookimpl
    def stop(self) -> None:
        """Take no more requests. What is kept is delivered after the next start."""
        if self._listener is not None:
            self._listener.close()
        if self._book is not None:
            self._book.close()

    def _register(self, registration: Registration, events: Events) -> Callable[[], None]:
        registrations, book = self._registrations, self._book
        if registrations is None or book is None:
            raise RuntimeError("registered before start")
        one = registrations.add(registration)
        detach = book.attach(registration.trigger_id, events)

        def stop() -> None:
            registrations.remove(one)
            detach()

        return stop

    def _is_local(self) -> bool:
        if self.listen.startswith("unix:"):
            return True
        return ipaddress.ip_address(self.listen.rpartition(":")[0].strip("[]")).is_loopback
