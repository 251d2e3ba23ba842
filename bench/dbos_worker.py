"""DBOS on the database that is named: one workflow of one step, called as its users call it, with its defaults."""

import sys
import time

from dbos import DBOS

from bench.worker import answer


def main(url: str) -> None:
    """Launch, then run one workflow for each question and answer its seconds."""
    # Only the place of the database is named and the log kept quiet; durability and everything else are its defaults.
    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "log_level": "ERROR",
        }
    )

    @DBOS.step()
    def echo(payload: str) -> str:
        return payload

    @DBOS.workflow()
    def run(payload: str) -> str:
        return echo(payload)

    DBOS.launch()
    payload = "a" * 1024

    def act(_line: str) -> float:
        began = time.perf_counter()
        result = run(payload)
        took = time.perf_counter() - began
        assert result == payload
        return took

    answer(act)
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1])
