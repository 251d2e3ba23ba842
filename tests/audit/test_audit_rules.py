"""What the files of an audit log promise whoever checks them by other means than ours, and what may not stand there."""

import hashlib
import hmac

import pytest

from strongroom.audit import audit_log
from strongroom.audit.log_chain import link_of
from strongroom.audit.record import Record
from strongroom.errors import Misconfigured, Unavailable
from tests.fakes.audit_rig import Rig, Ring


def prefixed(value):
    return len(value).to_bytes(8, "big") + value


class PlainKeys:
    """Keys that are HMAC-SHA256 under bytes of the test."""

    def mac(self, version, data):
        return hmac.digest(b"k%d" % version, data, "sha256")


def test_a_link_is_that_of_the_documented_formula():
    previous, record = hashlib.sha256(b"before").digest(), b'{"number":7}'
    wanted = hmac.digest(
        b"k1",
        prefixed(b"strongroom/audit-log/v1") + prefixed(previous) + (7).to_bytes(8, "big") + prefixed(record),
        "sha256",
    )
    assert link_of(PlainKeys(), 1, previous, 7, record) == wanted


def test_the_log_is_no_link_to_another_file(tmp_path):
    rig = Rig(tmp_path).open().write(3).close()
    rig.path.rename(tmp_path / "real")
    rig.path.symlink_to(tmp_path / "real")
    with pytest.raises(Misconfigured) as refused:
        rig.open()
    assert refused.value.code == "SR-AUDIT-004"


def test_a_file_of_a_retired_key_is_vouched_for_by_the_next_one_of_that_key(tmp_path):
    ring = Ring((1,))
    rig = Rig(tmp_path, keys=ring, file_bytes_max=2_000).open().write(20)
    ring.keys[2] = Ring((2,)).keys[2]
    rig.write(1)
    assert len(rig.place.before()) > 2
    del ring.keys[1]
    assert rig.breaks() == []
    first = rig.place.before()[0]
    first.write_bytes(first.read_bytes().replace(b"wrun_1", b"wrun_x"))
    assert rig.breaks() == [(1, "altered")]
    rig.log.close()


def test_more_than_may_wait_for_the_disk_is_refused(tmp_path, monkeypatch):
    rig = Rig(tmp_path).open()
    monkeypatch.setattr(audit_log, "QUEUE_MAX", 0)
    with pytest.raises(Unavailable) as refused:
        rig.log.append(Record(action="run.start", subject="wrun_1"))
    assert refused.value.code == "SR-AUDIT-003"
    rig.log.close()
