"""Writes runs until it is killed, and prints the number of each one whose future resolved.

Run by ``test_crash.py`` with a database URL.
"""

import sys
import threading

from strongroom.storage import runs
from strongroom.storage.database import Database
from tests.fakes.rows import event_row, run_row

WAITING_MAX = 64


def main(url: str) -> None:
    database = Database.open(url)
    room = threading.Semaphore(WAITING_MAX)
    output = threading.Lock()

    def tell(number, future):
        future.result()
        with output:
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
        room.release()

    def job(number):
        def write(conn):
            runs.insert(conn, run_row(number))
            runs.append(conn, event_row(run_row(number), sealed=bytes(2_000)))

        return write

    number = 0
    while True:
        room.acquire()
        database.write(job(number)).add_done_callback(lambda future, number=number: tell(number, future))
        number += 1


if __name__ == "__main__":
    main(sys.argv[1])
