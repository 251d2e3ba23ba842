"""What proving costs: one attestation with its release, a confidential run beside a local one, and two verifiers.

The attestation is made in one process, through the shipped code of runner and vault, with the vault's file on the disk:
challenge, keys, evidence, release (verify, appraise, authorise, write), opening. Transport counts in the run below.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples, in_turns
from bench.runs import GUEST, PAYLOAD, daemon_in
from strongroom.attest.evidence import Binding, Evidence
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes import pki_nitro, pki_snp
from tests.fakes.live_daemon import Api
from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Runner

__all__ = ["measure"]

ATTEST_S_MAX: Final = 0.015
MORE_S_MAX: Final = 0.040
VERIFY_S_MAX: Final = 0.003
WARM_S: Final = 0.8
"""In which the next runner is started."""
SECRET: Final = b"s3cret"
CONFIDENTIAL: Final = b'{"confidential": true}'


def measure(directory: Path) -> list[Row]:
    """The row of the attestation, those of the runs, and one for each verifier."""
    rows = [_row("attest + release + seal + open, insecure-software", ATTEST_S_MAX, _releases(directory / "vault"))]
    rows += _runs(directory / "runs")
    rows.append(_verifies("nitro document", pki_nitro.document(), pki_nitro.verified, pki_nitro.BOUND))
    rows.append(_verifies("SEV-SNP report with its chain", pki_snp.made().evidence(), pki_snp.verified, pki_snp.BOUND))
    return rows


def _releases(home: Path) -> Samples:
    with _owner(home) as owner:
        names = (("main", "API_KEY"),)
        assert owner.create("API_KEY", owner.entry("API_KEY", SECRET)) == ""
        owner.put_manifest(Runner(owner).grant(*names))
        measurement = Runner(owner).expected_measurement()
        authority = DevelopmentAuthority.load(home / "development-ca.key")

        def release() -> float:
            fresh = Runner(
                owner,
                secrets=names,
                execution_id=secrets.token_hex(32),
                measurement=measurement,
                authority=authority,
            )
            began = time.perf_counter()
            opened = fresh.release()
            took = time.perf_counter() - began
            assert opened == {names[0]: SECRET}
            return took

        return in_turns({"release": release}, warm_up=20, count=300, budget_s=30)["release"]


@contextmanager
def _owner(home: Path) -> Iterator[Owner]:
    home.mkdir(mode=0o700)
    logging.disable(logging.WARNING)  # each release of a simulation warns, into the terminal here
    owner = Owner(home / "vault.key", accepts_simulated=True)
    try:
        yield owner
    finally:
        owner.close()
        logging.disable(logging.NOTSET)


def _runs(state: Path) -> list[Row]:
    """A confidential run of the echo guest beside a local one, with a runner that waits for it."""
    with daemon_in(state) as daemon, daemon.channel() as api:
        api.register(GUEST, "local")
        api.register(GUEST, "confidential", CONFIDENTIAL)

        def confidential() -> float:
            took = _one(api, "confidential")
            time.sleep(WARM_S)  # the demand is for a launcher that has a runner waiting
            return took

        sides: dict[str, Callable[[], float]] = {"local": lambda: _one(api, "local"), "confidential": confidential}
        taken = in_turns(sides, warm_up=3, count=50, budget_s=90, block=5)
    more_s = taken["confidential"].p50 - taken["local"].p50
    return [
        Row(
            what="confidential run of the echo guest, warm launcher, through the socket",
            demanded=f"≤ a local run + {MORE_S_MAX * 1e3:.0f} ms",
            measured=f"+ {more_s * 1e3:.1f} ms",
            met=more_s <= MORE_S_MAX,
            samples=taken["confidential"],
        ),
        Row(what="  beside it: the same workflow, local", measured="1", samples=taken["local"]),
    ]


def _one(api: Api, workflow: str) -> float:
    began = time.perf_counter()
    response = api.execute(workflow, PAYLOAD)
    took = time.perf_counter() - began
    assert response.run.status == run_pb2.RUN_STATUS_COMPLETED, response.error
    return took


def _verifies(what: str, evidence: Evidence, verify: Callable[..., object], bound: Binding) -> Row:
    def once() -> float:
        began = time.perf_counter()
        verify(evidence, expected=bound)
        return time.perf_counter() - began

    return _row(f"verifying a {what}", VERIFY_S_MAX, in_turns({"it": once}, warm_up=20, count=300, budget_s=20)["it"])


def _row(what: str, most_s: float, taken: Samples) -> Row:
    return Row(
        what=what,
        demanded=f"p50 ≤ {most_s * 1e3:.0f} ms",
        measured=f"{taken.p50 * 1e3:.2f} ms",
        met=taken.p50 <= most_s,
        samples=taken,
    )
