"""A vault for tests that takes simulations, and one secret in it."""

from dataclasses import dataclass

import pytest

from strongroom_vault.clock import Clock
from tests.fakes.vault_owner import Owner


@dataclass
class TurnedClock:
    """Clocks that a test turns: Unix time, and seconds since boot."""

    wall_s: float = 1_800_000_000.0
    boot_s: float = 1_000.0

    def pass_s(self, seconds):
        """Let time go by, as both clocks see it."""
        self.wall_s += seconds
        self.boot_s += seconds

    def clock(self):
        """The two as the vault reads them."""
        return Clock(wall_s=lambda: self.wall_s, boot_s=lambda: self.boot_s)


@pytest.fixture
def turned():
    return TurnedClock()


@pytest.fixture
def vault(tmp_path):
    """A vault for tests that was started with the flag."""
    owner = Owner(tmp_path / "vault.key", accepts_simulated=True)
    yield owner
    owner.close()


@pytest.fixture
def stocked(vault):
    """The same with the secret ``API_KEY``."""
    assert vault.create("API_KEY", vault.entry("API_KEY", b"s3cret")) == ""
    return vault
