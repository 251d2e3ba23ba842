"""The sample guests travel with the package, so that a demo needs no compiler and no source tree."""

from importlib.resources import files

import pytest

from tools.build_guests import COMMITTED, ROOT


@pytest.mark.parametrize("name", ["echo", "greet", "hello"])
def test_a_sample_is_package_data(name):
    found = (files("strongroom.app.samples") / f"{name}.wasm").read_bytes()
    assert found.startswith(b"\0asm\x01\0\0\0")
    assert COMMITTED[f"daemon/strongroom/app/samples/{name}.wasm"] == name


def test_the_example_and_the_sample_are_one():
    example = ROOT / "examples" / "hello" / "hello.wasm"
    assert example.read_bytes() == (files("strongroom.app.samples") / "hello.wasm").read_bytes()
