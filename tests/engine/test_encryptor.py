"""Without encryption of run data no engine starts, and large values are sealed in parts without anybody asking."""

import pytest

from strongroom.crypto.srn1_parts import PART_BYTES_MAX, parts_in
from strongroom.engine.admission import Start
from strongroom.engine.encryptor import PARTS
from strongroom.engine.journal import Journals
from strongroom.errors import Misconfigured, SealBudgetExceeded, Tampered
from strongroom.keyring import run_keys
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.run_keys import RunEncryptor, RunKeys
from strongroom.storage.schema import RUN_EVENTS
from tests.fakes.journalled import new_run
from tests.fakes.workflow_host import OWNER, value

LARGE = b"L" * (3 * PART_BYTES_MAX + 5)


@pytest.fixture
def journals(host):
    return host.host.journals


@pytest.mark.parametrize("part", PARTS)
def test_an_encryptor_without_one_of_its_parts_starts_no_engine(host, part):
    encryptor = RunEncryptor(parse_secrets("1:" + "s" * 43), "deployment")

    class Partial:
        def __getattr__(self, name):
            if name == part:
                raise AttributeError(name)
            return getattr(encryptor, name)

    with pytest.raises(Misconfigured, match=f"lacks {part}$") as caught:
        Journals(host.database, Partial(), host.keys)
    assert caught.value.code == "SR-SEAL-101"


def test_keys_alone_and_the_empty_encryptor_start_no_engine(host):
    for incomplete in (RunKeys(parse_secrets("1:" + "s" * 43), "deployment"), object(), None):
        with pytest.raises(Misconfigured, match="lacks encrypt, decrypt, get_key_material"):
            Journals(host.database, incomplete, host.keys)


def test_a_large_event_is_stored_in_parts_and_read_back(journals):
    journal = new_run(journals, content=LARGE)
    (event,) = journals.read(journal.header)
    assert event.content == LARGE
    assert parts_in(len(event.row.sealed)) == 4
    assert journal.header.head_tag == event.row.sealed[-16:]


@pytest.mark.parametrize("damage", ["cut", "swapped", "repeated", "dropped"])
def test_a_large_event_whose_parts_were_changed_on_disk_is_tampered(journals, damage):
    journal = new_run(journals, content=LARGE)
    (event,) = journals.read(journal.header)
    size = PART_BYTES_MAX + 36
    parts = [event.row.sealed[at : at + size] for at in range(0, len(event.row.sealed), size)]
    changed = {
        "cut": parts[:-1],
        "swapped": [parts[1], parts[0], *parts[2:]],
        "repeated": [parts[0], parts[0], *parts[1:]],
        "dropped": [parts[0], *parts[2:]],
    }[damage]

    def write(connection):
        connection.execute(RUN_EVENTS.update().values(sealed=b"".join(changed)))

    journals.database.write(write).result()
    assert [found.content for found in journals.page(journal.header, 0, 10)] == [None]
    with pytest.raises(Tampered):
        journals.read(journal.header)


def test_parts_that_a_run_sealed_before_a_restart_count_for_its_budget(host, journals, monkeypatch):
    journal = new_run(journals, content=LARGE)
    monkeypatch.setattr(run_keys, "SEALS_PER_RUN_MAX", 4)
    later = Journals(host.database, RunEncryptor(parse_secrets("1:" + "s" * 43), "deployment"), host.keys)
    reopened = type(journal)(later, journal.header)
    reopened.read_back()
    with pytest.raises(SealBudgetExceeded):
        reopened.note("log_written", "", b"one more")


def test_a_run_with_a_large_payload_and_a_large_result_is_stored_in_parts_and_answered(host, journals):
    payload, result = b'"' + b"p" * 600_000 + b'"', "r" * 700_000
    received = []

    def on_trigger(request, helper):
        received.append(len(request.trigger.payload.value))
        return value(result)

    host.module.on_trigger = on_trigger
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=payload))
    ended, outcome = host.engine.wait(header.run_id, 10)
    assert received[0] > 600_000
    assert outcome.result.value.string_value == result
    events = {event.row.event_type: event for event in journals.read(ended)}
    assert [parts_in(len(events[kind].row.sealed)) for kind in ("run_created", "run_completed")] == [3, 3]
    later = Journals(host.database, RunEncryptor(parse_secrets("1:" + "s" * 43), "deployment"), host.keys)
    assert [event.content for event in later.read(ended)] == [event.content for event in journals.read(ended)]
