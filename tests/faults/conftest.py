"""The figures that the promises came to, printed when the tests are over."""

import pytest

FIGURES = []


@pytest.fixture
def figure():
    """``figure(promise, demanded, measured)`` adds a line to the table at the end."""
    return lambda promise, demanded, measured: FIGURES.append((promise, demanded, measured))


def pytest_terminal_summary(terminalreporter):
    """Print the table."""
    if FIGURES:
        terminalreporter.section("promises")
        widths = [max(len(row[column]) for row in FIGURES) for column in range(2)]
        for promise, demanded, measured in FIGURES:
            terminalreporter.write_line(f"{promise.ljust(widths[0])}  {demanded.ljust(widths[1])}  {measured}")
