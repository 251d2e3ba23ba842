"""What this trigger takes at most, with the reason for each."""

from typing import Final

__all__ = [
    "ACCEPT_WAIT_MS_MAX",
    "BODY_BYTES_MAX",
    "CLOCK_SKEW_S",
    "CONNECTIONS_MAX",
    "CONNECTION_AGE_S_MAX",
    "HEADER_BYTES_MAX",
    "KEYS_MAX",
    "NAME_CHARS_MAX",
    "RATES_MAX",
    "REQUEST_ID_CHARS_MAX",
    "ROWS_MAX",
    "ROWS_PRUNED_PER_REQUEST",
    "THREADS_MAX",
    "TOKENS_REMEMBERED_MAX",
    "TOKEN_CHARS_MAX",
    "TOKEN_LIFE_S_MAX",
    "WAITING_PER_WORKFLOW_MAX",
]

KEYS_MAX: Final = 10  # capability-wire 11.2
TOKEN_LIFE_S_MAX: Final = 300  # what clients of this contract ask for; a stolen token is worth one repeated request
CLOCK_SKEW_S: Final = 30  # clocks of clients that are set by NTP differ by far less
TOKEN_CHARS_MAX: Final = 2_048  # header, five claims and a signature take about 400
REQUEST_ID_CHARS_MAX: Final = 128  # a UUID takes 36; the host takes event ids of 256 bytes
NAME_CHARS_MAX: Final = 256  # longer names of workflows and tags are not registered
HEADER_BYTES_MAX: Final = 16_384  # as web servers commonly do
BODY_BYTES_MAX: Final = 1_000_000  # what config may ask for: the host takes payloads of that size
CONNECTIONS_MAX: Final = 1_000  # each takes a file descriptor and some kilobytes
CONNECTION_AGE_S_MAX: Final = 15  # from the first byte to the last one of a request, however slowly they come
THREADS_MAX: Final = 64  # requests that are worked on at once
WAITING_PER_WORKFLOW_MAX: Final = 4  # a workflow that is behind must not hold the threads of all others
ACCEPT_WAIT_MS_MAX: Final = 60_000  # clients and proxies rarely wait longer
ROWS_MAX: Final = 20_000  # remembered requests; the oldest go first, and the host still knows their events
ROWS_PRUNED_PER_REQUEST: Final = 4  # each costs a write, so old rows go a few at a time
RATES_MAX: Final = 10_000  # workflows whose rates are kept; the one that was idle longest is forgotten
TOKENS_REMEMBERED_MAX: Final = 20_000  # jti values within their life; only authorized ones get here
