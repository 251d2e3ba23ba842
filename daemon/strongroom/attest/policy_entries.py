"""``[[accept.KIND]]``: which keys an accepted release of each kind has, and what each of them demands.

Rule 1: what names the code is mandatory, and is never all zeros: that is what debug enclaves measure to.
Rule 2: a key that is left out demands nothing, except VMPL 0 and no SMT, which hold until the file says otherwise.
Source: contracts/attestation.md 6.2, 7.2, 8.3, 9.2 and 16.2.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.attest.ar4si import CONFIGURATION, EXECUTABLES, IDENTITY_ELEMENT
from strongroom.attest.codes import CONFIG, IDENTITY, MEASUREMENT, PRIVILEGE
from strongroom.attest.demands import Demand, Entry
from strongroom.attest.policy_values import Table, invalid

__all__ = ["CONFIG_FACT", "CONFIG_IN_REPORT", "SELECTION_FACT", "read_entries"]

CONFIG_FACT: Final = "enclave_config_sha256"
CONFIG_IN_REPORT: Final = "config_in_report"
"""Whether the report itself, and not only the runtime data, holds the digest of the enclave's configuration."""
SELECTION_FACT: Final = "pcr_selection"
SHA256_BYTES: Final = 32
SHA384_BYTES: Final = 48
VMPL_MAX: Final = 3
PCR_MAX: Final = 31
SMT: Final = ("allow", "deny")
SGX_NUMBER_MAX: Final = 2**16 - 1


@dataclass(frozen=True, slots=True)
class _Key:
    """A key of an entry. ``read`` gives what it demands, where the key is there or ``is_read_always``."""

    name: str
    read: Callable[[Table], tuple[Demand, ...]]
    is_read_always: bool = False


def read_entries(accept: Table) -> tuple[Entry, ...]:
    """Every entry of every kind. Raises ``Misconfigured``."""
    found = []
    for kind in accept:
        names: set[str] = set()
        for number, untrusted in enumerate(accept.tables(kind)):
            entry = _entry(kind, accept.where(f"{kind}[{number}]"), untrusted)
            if entry.name in names:
                raise invalid(accept.where(f"{kind}[{number}].name"), "two entries have this name")
            names.add(entry.name)
            found.append(entry)
    return tuple(found)


def _entry(kind: str, place: str, untrusted: object) -> Entry:
    keys = _KEYS[kind]
    table = Table(place, untrusted, ["name", *(each.name for each in keys)])
    name = table.name("name")
    demands = [demand for key in keys if key.is_read_always or key.name in table for demand in key.read(table)]
    if kind == "sgx":
        _check_sgx(table)
    if not any(each.element == EXECUTABLES for each in demands):
        raise invalid(place, "it names no code, so it would accept any")
    return Entry(kind, name, tuple(demands))


def _check_sgx(table: Table) -> None:
    """Refuse an entry that names no code: a signer alone signs every version of everything."""
    if "mr_enclave" not in table and not all(key in table for key in ("mr_signer", "isv_prod_id", "min_isv_svn")):
        where = table.where("mr_enclave")
        raise invalid(where, "name mr_enclave, or mr_signer with isv_prod_id and min_isv_svn")


def _digest(
    name: str,
    size_bytes: int,
    *,
    is_mandatory: bool = False,
    may_be_zero: bool = False,
    code: str = MEASUREMENT,
    element: str = EXECUTABLES,
) -> _Key:
    def read(table: Table) -> tuple[Demand, ...]:
        value = table.hex(name, size_bytes)
        if not any(value) and not may_be_zero:
            raise invalid(table.where(name), "all zeros are the measurement of a debug enclave, or of nothing")
        return (Demand(key=name, fact=name, code=code, element=element, allowed=frozenset({value})),)

    return _Key(name, read, is_mandatory)


def _vmpl() -> _Key:
    def read(table: Table) -> tuple[Demand, ...]:
        allowed = table.integers("vmpl", 0, VMPL_MAX) if "vmpl" in table else (0,)
        demand = Demand(key="vmpl", fact="vmpl", code=PRIVILEGE, element=CONFIGURATION, allowed=frozenset(allowed))
        return (demand,)

    return _Key("vmpl", read, is_read_always=True)


def _smt() -> _Key:
    def read(table: Table) -> tuple[Demand, ...]:
        if table.choice("smt", SMT, default="deny") == "allow":
            return ()
        no = frozenset({False})
        return (Demand(key="smt", fact="smt_allowed", code=CONFIG, element=CONFIGURATION, allowed=no),)

    return _Key("smt", read, is_read_always=True)


def _config_in_report() -> _Key:
    def read(table: Table) -> tuple[Demand, ...]:
        if not table.flag(CONFIG_IN_REPORT, default=False):
            return ()
        name, yes = CONFIG_IN_REPORT, frozenset({True})
        return (Demand(key=name, fact=name, code=CONFIG, element=CONFIGURATION, allowed=yes),)

    return _Key(CONFIG_IN_REPORT, read)


def _enclave_configs() -> _Key:
    name = "enclave_configs"

    def read(table: Table) -> tuple[Demand, ...]:
        allowed = frozenset(table.hexes(name, SHA256_BYTES))
        return (Demand(key=name, fact=CONFIG_FACT, code=CONFIG, element=CONFIGURATION, allowed=allowed),)

    return _Key(name, read)


def _pcrs() -> _Key:
    def read(table: Table) -> tuple[Demand, ...]:
        numbers = [str(number) for number in range(PCR_MAX + 1)]
        pcrs = table.table("pcrs", numbers)
        if not list(pcrs):
            raise invalid(table.where("pcrs"), "name at least one register: a quote of none says nothing")
        values = tuple(sorted((int(number), pcrs.hex(number, SHA256_BYTES)) for number in pcrs))
        selection = tuple(number for number, _ in values)
        return (
            Demand(key="pcrs", fact=SELECTION_FACT, code=CONFIG, element=CONFIGURATION, allowed=frozenset({selection})),
            *(_register(number, value) for number, value in values),
        )

    return _Key("pcrs", read, is_read_always=True)


def _register(number: int, value: bytes) -> Demand:
    """A register of a quote, whose facts appraisal spells as those of Nitro."""
    name = f"pcr{number}"
    return Demand(key=f"pcrs.{number}", fact=name, code=MEASUREMENT, element=EXECUTABLES, allowed=frozenset({value}))


def _number(name: str, *, is_minimum: bool = False) -> _Key:
    def read(table: Table) -> tuple[Demand, ...]:
        value, fact = table.integer(name, 0, SGX_NUMBER_MAX), name.removeprefix("min_")
        allowed, minimum = (frozenset[int](), value) if is_minimum else (frozenset({value}), None)
        demand = Demand(key=name, fact=fact, code=MEASUREMENT, element=EXECUTABLES, allowed=allowed, minimum=minimum)
        return (demand,)

    return _Key(name, read)


def _nitro() -> tuple[_Key, ...]:
    code = [_digest(f"pcr{number}", SHA384_BYTES, is_mandatory=True) for number in range(3)]
    # PCR 3 and 4 say which role and which machine started the enclave, not what it runs.
    place = [_digest(f"pcr{number}", SHA384_BYTES, code=IDENTITY, element=IDENTITY_ELEMENT) for number in (3, 4)]
    others = [_digest(f"pcr{number}", SHA384_BYTES, may_be_zero=True) for number in range(5, PCR_MAX + 1)]
    return (*code, *place, *others)


_SNP: Final = (
    _digest("measurement", SHA384_BYTES, is_mandatory=True),
    _digest("id_key_digest", SHA384_BYTES, may_be_zero=True),
    _digest("author_key_digest", SHA384_BYTES, may_be_zero=True),
    _vmpl(),
    _smt(),
)
_TDX: Final = (
    _digest("mr_td", SHA384_BYTES, is_mandatory=True),
    *(_digest(f"rtmr{number}", SHA384_BYTES, may_be_zero=True) for number in range(4)),
)
_SGX: Final = (
    _digest("mr_enclave", SHA256_BYTES),
    _digest("mr_signer", SHA256_BYTES),
    _number("isv_prod_id"),
    _number("min_isv_svn", is_minimum=True),
)
_KEYS: Final[Mapping[str, tuple[_Key, ...]]] = {
    "nitro": (*_nitro(), _enclave_configs()),
    "sev-snp": (*_SNP, _config_in_report(), _enclave_configs()),
    "az-snp-vtpm": (*_SNP, _pcrs(), _enclave_configs()),
    "tdx": (*_TDX, _config_in_report(), _enclave_configs()),
    "sgx": (*_SGX, _config_in_report(), _enclave_configs()),
    "tpm2": (_pcrs(), _enclave_configs()),
    "insecure-swtpm": (_pcrs(), _enclave_configs()),
    "insecure-software": (_digest("measurement", SHA256_BYTES, is_mandatory=True), _enclave_configs()),
}
