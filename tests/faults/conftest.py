"""The figures that the promises came to, printed when the tests are over."""

import pytest

PROPERTY = "promise"


@pytest.fixture
def figure(record_property):
    """``figure(promise, demanded, measured)`` adds a line to the table at the end."""
    return lambda promise, demanded, measured: record_property(PROPERTY, (promise, demanded, measured))


def pytest_terminal_summary(terminalreporter):
    """Print the table. Reports carry its lines, also out of the processes of a distributed run."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    figures = [value for report in reports for name, value in report.user_properties if name == PROPERTY]
    if figures:
        terminalreporter.section("promises")
        widths = [max(len(row[column]) for row in figures) for column in range(2)]
        for promise, demanded, measured in figures:
            terminalreporter.write_line(f"{promise.ljust(widths[0])}  {demanded.ljust(widths[1])}  {measured}")
