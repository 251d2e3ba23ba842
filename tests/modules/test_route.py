"""Modules by name: a confidential workflow has no local one, and a local one takes no requirements."""

import pytest

from strongroom.errors import Refused
from strongroom.modules.attributes import parse_attributes
from strongroom.modules.confidential import ConfidentialModule
from strongroom.modules.local import LocalModule
from strongroom.modules.module import Terms, Workflow
from strongroom.modules.route import CONFIDENTIAL, LOCAL, Router
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import ScriptedCapabilities

WORKFLOW = Workflow(
    workflow_id="00" + "ab" * 31, owner="11" * 20, name="w", tag="", binary_url="", binary_sha256="ab" * 32
)
TEE = sdk_pb2.Requirements(tee=sdk_pb2.Tee(any_regions=sdk_pb2.Regions()))


class Runners:
    """A pool that must not be asked."""

    def key_of(self, wasm):
        pytest.fail("something was compiled")

    def execute(self, **arguments):
        pytest.fail("something was executed")


@pytest.fixture
def routed():
    return []


def module(routed, document, name):
    router = Router(Runners(), ScriptedCapabilities(), routed.append)
    return router.module(WORKFLOW, parse_attributes(document), lambda: b"", name=name)


def test_an_ordinary_workflow_has_both(routed):
    assert isinstance(module(routed, b"", LOCAL), LocalModule)
    assert routed == []
    assert isinstance(module(routed, b"", CONFIDENTIAL), ConfidentialModule)
    assert routed == [WORKFLOW]


def test_a_confidential_workflow_has_no_local_one(routed):
    assert isinstance(module(routed, b'{"confidential": true}', CONFIDENTIAL), ConfidentialModule)
    with pytest.raises(Refused, match="a confidential workflow has no module 'local'"):
        module(routed, b'{"confidential": true}', LOCAL)


@pytest.mark.parametrize("document", [b"", b'{"confidential": true}'])
def test_nobody_has_a_module_of_another_name(routed, document):
    with pytest.raises(Refused, match="has no module 'somewhere'"):
        module(routed, document, "somewhere")


@pytest.mark.parametrize("requirements", [TEE, sdk_pb2.Requirements.FromString(b"\xfa\x01\x01x")])
def test_a_local_module_refuses_requirements_that_reach_it_all_the_same(routed, requirements):
    local = module(routed, b"", LOCAL)
    with pytest.raises(Refused, match="requirements that a local sandbox cannot satisfy"):
        local.execute(sdk_pb2.ExecuteRequest(), None, Terms(requirements))
