"""What this capability takes and gives at most, with the reason for each. KB is decimal, as in the contract."""

from typing import Final

__all__ = [
    "ADDRESSES_TRIED_MAX",
    "CACHE_AGE_S_MAX",
    "CACHE_BYTES_MAX",
    "CACHE_OWNER_BYTES_MAX",
    "CONCURRENCY_MAX",
    "HEADERS_MAX",
    "LISTED_MAX",
    "MEMORY_BYTES_MAX",
    "MTLS_BURST",
    "MTLS_EVERY_S",
    "OWNERS_MAX",
    "REDIRECTS_MAX",
    "REQUEST_BYTES_MAX",
    "RESOLVERS_MAX",
    "RESPONSE_BYTES_MAX",
    "ROWS_MAX",
    "ROWS_PRUNED_PER_CALL",
    "ROW_AGE_S_MAX",
    "TIMEOUT_S_DEFAULT",
    "TIMEOUT_S_MAX",
]

TIMEOUT_S_DEFAULT: Final = 5.0  # capability-wire 11.3
TIMEOUT_S_MAX: Final = 10.0  # the same place
CACHE_AGE_S_MAX: Final = 600.0  # the same place
MTLS_EVERY_S: Final = 30.0  # the same place: a client certificate costs a TLS context of its own
MTLS_BURST: Final = 3
REQUEST_BYTES_MAX: Final = 1_000_000  # what config may ask for; the contract's 10 KB is the default
RESPONSE_BYTES_MAX: Final = 500_000  # as above; twice this, with headers, still fits one value of the store
CONCURRENCY_MAX: Final = 64  # each holds a thread of this process, which has 96
REDIRECTS_MAX: Final = 10  # browsers stop at 20; a service needs one or two
HEADERS_MAX: Final = 100  # of a request; servers refuse more, and of an answer no more are read
LISTED_MAX: Final = 1_000  # entries of allow_hosts and of allow_networks; longer lists belong into a firewall
ADDRESSES_TRIED_MAX: Final = 4  # a name with more addresses still gets four attempts within its time
RESOLVERS_MAX: Final = 64  # threads that wait for the system's resolver, which has no deadline of its own: one each
OWNERS_MAX: Final = 10_000  # whose rates are kept in memory; the one that was idle longest is forgotten
CACHE_BYTES_MAX: Final = 16_000_000  # all cached answers
CACHE_OWNER_BYTES_MAX: Final = 2_000_000  # of one owner, so that nobody empties the cache of the others
MEMORY_BYTES_MAX: Final = 16_000_000  # first answers of GET, for calls that are repeated
ROWS_MAX: Final = 5_000  # first answers of other methods in the store; a resumed run needs the latest few only
ROW_AGE_S_MAX: Final = 86_400.0  # a host that was down for longer than a day sends again
ROWS_PRUNED_PER_CALL: Final = 8  # each costs a write, so old rows go a few at a time
