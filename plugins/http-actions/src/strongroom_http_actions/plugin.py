"""The plugin: its section of ``plugins.yaml``, and how its parts are put together."""

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.plugin import Capability, Host, hookimpl
from strongroom_http_actions.action import CAPABILITY_ID, HttpActions
from strongroom_http_actions.limits import CONCURRENCY_MAX, REDIRECTS_MAX, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX
from strongroom_http_actions.once import Once
from strongroom_http_actions.policy import Policy
from strongroom_http_actions.rates import Places, Rate
from strongroom_http_actions.resolver import Resolver
from strongroom_http_actions.rows import Rows
from strongroom_http_actions.sender import Sender

__all__ = ["HttpActionsPlugin"]

REQUESTS_PER_S_MAX = 1_000


@dataclass(slots=True, kw_only=True, eq=False)
class HttpActionsPlugin:
    """``allow_hosts`` lists further origins (``host``, ``host:port``, ``http://host:port``), which may be private.

    ``allow_networks`` lists networks that requests may go to although they are not public. With ``only_hosts`` they go
    there and to ``allow_hosts``, and nowhere else. ``ca_file`` holds further certificate authorities as PEM.
    ``resend_unknown`` sends again what may have been sent before a crash.
    """

    allow_hosts: Sequence[str] = ()
    allow_networks: Sequence[str] = ()
    only_hosts: Sequence[str] = ()
    ca_file: str = ""
    redirects_max: int = 0
    request_bytes_max: int = 10_000
    response_bytes_max: int = 100_000
    concurrency_max: int = 32
    owner_concurrency_max: int = 16
    owner_requests_per_s: int = 50
    resend_unknown: bool = False
    _resolver: Resolver | None = field(default=None, init=False, repr=False)
    _action: HttpActions | None = field(default=None, init=False, repr=False)
    _policy: Policy = field(default_factory=Policy, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, lowest, highest in (
            ("redirects_max", 0, REDIRECTS_MAX),
            ("request_bytes_max", 1, REQUEST_BYTES_MAX),
            ("response_bytes_max", 1, RESPONSE_BYTES_MAX),
            ("concurrency_max", 1, CONCURRENCY_MAX),
            ("owner_concurrency_max", 1, CONCURRENCY_MAX),
            ("owner_requests_per_s", 1, REQUESTS_PER_S_MAX),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
                raise ValueError(f"{name} must be a whole number in {lowest}..{highest}")
        for name in ("allow_hosts", "allow_networks", "only_hosts"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(item, str) for item in value):
                raise ValueError(f"{name} must be a list of texts")
        self._policy = Policy.of(self.allow_hosts, self.allow_networks, self.only_hosts)
        if self.ca_file and not Path(self.ca_file).is_absolute():
            raise ValueError("ca_file must be an absolute path")
        self._trust()

    @hookimpl
    def start(self, host: Host) -> None:
        """Read which requests were sent before, so that none of them is sent again."""
        # That library writes urls into its log, and a url may hold a key.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._resolver = Resolver()
        self._action = HttpActions(
            self._policy,
            Sender(
                self._policy,
                self._resolver,
                self._trust,
                redirects_max=self.redirects_max,
                response_bytes_max=self.response_bytes_max,
            ),
            Once(Rows(host.store, host.log), host.log, resend_unknown=self.resend_unknown),
            Places(total=self.concurrency_max, each=self.owner_concurrency_max),
            Rate("requests", every_s=1 / self.owner_requests_per_s, burst=2 * self.owner_requests_per_s),
            request_bytes_max=self.request_bytes_max,
        )

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer ``http-actions@1.0.0-alpha``."""
        if self._action is None:
            return []
        methods = {"SendRequest": self._action.send_request}
        return [Capability(id=CAPABILITY_ID, description="HTTP requests of workflows", methods=methods)]

    @hookimpl
    def stop(self) -> None:
        """Look up no more names. Requests that are under way end by their own deadlines."""
        if self._resolver is not None:
            self._resolver.close()

    def _trust(self) -> ssl.SSLContext:
        """A context that verifies the far side's certificate and name, as TLS 1.2 or later."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file:
            try:
                context.load_verify_locations(cafile=self.ca_file)
            except OSError as error:
                raise ValueError(f"ca_file: {self.ca_file} holds no certificates as PEM ({error.strerror})") from None
        return context
