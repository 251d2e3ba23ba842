"""The one door to ``dcap-qvl``, which verifies the signatures of a DCAP quote and of its collateral.

Rule 1: it gets the quote, the collateral, the root certificate and the time; it is never asked to fetch anything.
Rule 2: it decides nothing that a policy decides, as far as it lets us; what it refuses is a code of ours. A text that
is not in the table is a signature that does not verify.
Rule 3: it is an optional part. Without it these kinds have no verifier.
Source: contracts/attestation.md 8.2, for dcap-qvl 0.7.0.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from strongroom.attest.codes import (
    ALGORITHM,
    CHAIN,
    COLLATERAL_EXPIRED,
    COLLATERAL_MISSING,
    CONFIG,
    DEBUG,
    IDENTITY,
    MALFORMED,
    NOT_YET_VALID,
    PRIVILEGE,
    REVOKED,
    SIGNATURE,
    TCB,
    UNSUPPORTED_KIND,
    VERIFIER_FAILED,
)
from strongroom.attest.json_values import Json, parse_json
from strongroom.errors import EvidenceRejected

__all__ = ["TEXTS", "fmspc_of", "library", "verified_claims"]

TEXTS: Final = (
    ("No matching TCB level found", TCB),
    ("TDX module TCB level check", TCB),
    ("current TDX TCB", TCB),
    ("Unrecognized TCB status", TCB),
    ("TCB status is invalid: Revoked", REVOKED),
    ("Fmspc mismatch", COLLATERAL_MISSING),
    ("TCB info in the collateral", COLLATERAL_MISSING),
    ("Unsupported QE Identity id/version", COLLATERAL_MISSING),
    ("No TCB levels found in QE Identity", COLLATERAL_MISSING),
    ("TDX TCB Info is missing", COLLATERAL_MISSING),
    ("issue date is in the future", NOT_YET_VALID),
    ("TCBInfo expired", COLLATERAL_EXPIRED),
    ("QE Identity expired", COLLATERAL_EXPIRED),
    ("CrlExpired", COLLATERAL_EXPIRED),
    ("Failed to verify certificate chain", CHAIN),
    ("ertificate chain is too short", CHAIN),
    ("Debug mode is enabled", DEBUG),
    ("TD profiling is enabled", DEBUG),
    ("Reserved bits in TD attributes are set", DEBUG),
    ("SEPT_VE_DISABLE is not enabled", CONFIG),
    ("SERVTD_EXT is enabled", PRIVILEGE),
    ("TD migration is enabled", PRIVILEGE),
    ("Invalid MR service TD", PRIVILEGE),
    ("QE MRSIGNER mismatch", IDENTITY),
    ("QE ISVPRODID mismatch", IDENTITY),
    ("TDX module identity check", IDENTITY),
    ("Unknown QE vendor ID", IDENTITY),
    ("Unsupported DCAP attestation key type", ALGORITHM),
    ("Failed to decode", MALFORMED),
    ("Failed to parse", MALFORMED),
    ("Could not decode", MALFORMED),
)
"""What the library says, in part, and what that is here. The first that occurs counts."""
_SHOWN: Final = 200
_PANIC: Final = "PanicException"


def library(check: str) -> Any:  # Any: a library without types
    """The module. Raises ``EvidenceRejected`` where it is not installed."""
    try:
        import dcap_qvl
    except ImportError as error:
        raise EvidenceRejected(
            UNSUPPORTED_KIND,
            f"{check}/library",
            got="no dcap-qvl",
            wanted="dcap-qvl 0.7",
            fix="install strongroom with its extra: pip install 'strongroom[dcap]'",
        ) from error
    return dcap_qvl


def fmspc_of(check: str, quote: bytes) -> str:
    """Family, model and stepping of the platform that made ``quote``, hex. Raises ``EvidenceRejected``."""
    module = library(check)
    return str(_called(check, lambda: module.parse_quote(quote).fmspc()))


def verified_claims(check: str, quote: bytes, collateral: str, root: bytes, now: datetime) -> Json:
    """What the library says of a quote that verifies under ``root`` (DER) at ``now``. Raises ``EvidenceRejected``."""
    module, now_s = library(check), int(now.timestamp())

    def verify() -> Any:  # Any: a class of the library
        parsed = module.QuoteCollateralV3.from_json(collateral)
        verifier = module.QuoteVerifier(root_ca_der=root)
        return verifier.verify_with_policy(quote, parsed, now_s, module.QuotePolicy.claims_only(now_s)).to_json()

    return parse_json(f"{check}/claims", str(_called(check, verify)).encode())


def _called(check: str, call: Callable[[], Any]) -> Any:  # Any: what the library gives
    try:
        return call()
    except ValueError as error:
        text = str(error)
        code = next((code for part, code in TEXTS if part in text), SIGNATURE)
        raise EvidenceRejected(code, f"{check}/verification", got=text[:_SHOWN], wanted="a quote that holds") from error
    except BaseException as error:
        # A panic of Rust arrives as an exception that no ``except Exception`` sees. It must refuse like any other.
        if type(error).__name__ != _PANIC:
            raise
        got = f"the library gave up: {error}"[:_SHOWN]
        raise EvidenceRejected(VERIFIER_FAILED, f"{check}/verification", got=got, wanted="an answer") from error
