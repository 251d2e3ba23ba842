"""Several workflows may have one name: what starts takes the newest active one, what changes one asks for its id."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.catalog import Catalog
from strongroom.engine.ended import ended
from strongroom.engine.history import History
from strongroom.errors import Conflict, NotFound
from tests.fakes.workflow_host import OWNER


@pytest.fixture
def versions(host):
    """Ids of two workflows called wf, the older first."""
    return [host.register(name="wf", config=config).spec.workflow_id for config in (b"1", b"2")]


@pytest.mark.parametrize("change", ["pause", "activate", "delete"])
def test_a_name_that_several_have_changes_none_of_them(host, versions, change):
    catalog = Catalog(host.host)
    more = {"validate_only": False} if change == "delete" else {}
    with pytest.raises(Conflict, match="2 workflows are called 'wf'") as refused:
        getattr(catalog, change)(OWNER, "wf", **more)
    assert refused.value.code == "SR-WF-014"
    assert refused.value.details["workflows"] == ",".join(reversed(versions))
    getattr(catalog, change)(OWNER, versions[0], **more)


def test_whoever_knows_the_id_of_a_workflow_of_another_owner_does_not_reach_it_by_that(host, versions):
    other, catalog = "b2" * 20, Catalog(host.host)
    for call in (
        lambda: host.engine.start(Start(owner=other, workflow=versions[0])),
        lambda: catalog.get(other, versions[0]),
        lambda: catalog.pause(other, versions[0]),
        lambda: catalog.activate(other, versions[0]),
        lambda: catalog.unfinished(other, versions[0]),
        lambda: catalog.delete(other, versions[0], validate_only=False),
    ):
        with pytest.raises(NotFound, match=f"there is no workflow '{versions[0]}' of owner {other}"):
            call()
    assert catalog.get(OWNER, versions[0]).row.status == "active"


def test_a_run_by_name_is_one_of_the_newest_active_workflow(host, versions):
    catalog = Catalog(host.host)

    def started():
        return host.engine.start(Start(owner=OWNER, workflow="wf"))[0].workflow_id

    assert started() == versions[1]
    catalog.pause(OWNER, versions[1])
    assert started() == versions[0]


def test_registering_says_which_others_of_the_name_stay_active(host, versions):
    Catalog(host.host).pause(OWNER, versions[0])
    warnings = host.register(name="wf", config=b"3").warnings
    assert warnings == [f"workflow {versions[1]} of the same name stays active; pause or delete it by its id"]
    assert host.register(name="other").warnings == []


def test_the_end_of_a_run_is_read_from_its_journal(host, versions):
    run, _ = host.engine.start(Start(owner=OWNER, workflow="wf"))
    host.engine.wait(run.run_id, 20)
    found = ended(History(host.host.journals), host.engine.get(run.run_id))
    assert found.outcome.result.value.string_value == "done"
    assert found.cancel_reason == ""
