"""Imports under a pin: what runs are the bytes that were compared, whatever lies beside them or changes meanwhile."""

import hashlib
import importlib
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import wrappers_pb2

from strongroom.errors import PluginFault
from strongroom.registry import pinned_import
from strongroom.registry.pinned_import import PinnedFinder
from strongroom.registry.pins import check_pin, checked_command, import_factory_module
from tests.fakes.installed_plugin import InstalledPlugin, line_of
from tests.fakes.memory_host import MemoryHost

WORD = wrappers_pb2.StringValue()


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    installed = InstalledPlugin(tmp_path / "site")
    yield installed
    installed.forget()


def refusal(entry, call=check_pin):
    with pytest.raises(PluginFault) as caught:
        call(entry)
    assert caught.value.fix, "whoever reads it is told what to do"
    return caught.value


def told(host, plugin):
    answer = host.call(f"{plugin.package}@1.0.0", "Tell", WORD, workflow_execution_id="e", reference_id="1")
    return wrappers_pb2.StringValue.FromString(answer.payload.value).value


def test_what_is_found_earlier_on_the_path_shadows_nothing(plugin, tmp_path, monkeypatch):
    shadow = tmp_path / "shadow" / plugin.package
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.syspath_prepend(str(shadow.parent))
    assert import_factory_module(plugin.entry()).__file__ == str(plugin.path("plugin.py"))


@pytest.mark.parametrize("kind", ["entry", "process"])
def test_bytecode_beside_the_source_is_not_what_runs(plugin, tmp_path, kind):
    # With the time and size of the good source, Python would believe it.
    good = plugin.path("inner/words.py")
    times = good.stat().st_mtime_ns, good.stat().st_mtime_ns
    good.write_text("WORD = 'evil'\n")
    os.utime(good, ns=times)
    py_compile.compile(str(good))
    good.write_text("WORD = 'good'\n")
    os.utime(good, ns=times)
    with MemoryHost(tmp_path / "run", getattr(plugin, kind)()) as host:
        assert told(host, plugin) == "good"
    plugin.forget()
    unpinned = import_factory_module(plugin.entry(pin=None))
    assert unpinned.words.WORD == "evil", "so the test shows something"


def test_bytecode_that_claims_to_need_no_source_is_refused(plugin):
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(plugin.path("inner/words.py")), invalidation_mode=mode)
    assert refusal(plugin.entry()).code == "SR-PIN-008"
    py_compile.compile(str(plugin.path("inner/words.py")))
    assert check_pin(plugin.entry()), "what Python leaves behind itself is nobody's fault"


def test_what_changes_between_the_check_and_the_import_is_not_executed(plugin):
    import_factory_module(plugin.entry(factory=f"{plugin.package}:x"))
    plugin.path("inner/words.py").write_text("WORD = 'evil'\n")
    with pytest.raises(ImportError, match="is not what the pinned RECORD lists"):
        importlib.import_module(f"{plugin.package}.plugin")


def test_below_a_package_nothing_is_found_that_is_not_listed(plugin):
    import_factory_module(plugin.entry())
    plugin.path("late.py").write_text("")
    with pytest.raises(ModuleNotFoundError, match="RECORD lists no module"):
        importlib.import_module(f"{plugin.package}.late")
    assert importlib.util.find_spec("json.decoder") is not None


def test_what_is_in_memory_without_the_pin_is_not_taken_for_what_was_checked(plugin):
    import_factory_module(plugin.entry(pin=None))
    before = list(sys.meta_path)
    refused = refusal(plugin.entry(), import_factory_module)
    assert (refused.code, sys.meta_path) == ("SR-PIN-013", before)
    plugin.forget()
    assert import_factory_module(plugin.entry())
    assert import_factory_module(plugin.entry()), "a second start under the same pin"


def test_a_new_version_is_not_taken_for_the_one_in_memory(plugin):
    import_factory_module(plugin.entry())
    plugin.path("inner/words.py").write_text("WORD = 'new'\n")
    plugin.record()
    assert refusal(plugin.entry(), import_factory_module).code == "SR-PIN-013"
    plugin.forget()
    assert import_factory_module(plugin.entry()).words.WORD == "new"


def test_a_hook_that_the_plugin_itself_puts_before_the_pin_loads_nothing_that_then_runs_on(plugin, monkeypatch):
    """As libraries do that rewrite what is imported after them."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    init = plugin.path("__init__.py")
    init.write_text("import importlib.machinery, sys\nsys.meta_path.insert(0, importlib.machinery.PathFinder)\n")
    plugin.record()
    assert check_pin(plugin.entry()), "every file is as it was pinned"
    assert refusal(plugin.entry(), import_factory_module).code == "SR-PIN-013"


def test_a_pinned_process_imports_nothing_from_where_its_loader_lies(plugin):
    name = Path(pinned_import.__file__).stem
    plugin.path("__main__.py").write_text(f"import {name}\n")
    plugin.record()
    entry = plugin.process()
    with checked_command(entry.command, entry.pin) as command:
        words = [sys.executable, *command.words[1:]]
        environment = {"PYTHONPATH": str(plugin.site)}
        ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, f"No module named '{name}'" in ended.stderr) == (1, True), ended.stderr


def test_a_native_library_is_hashed_before_it_is_loaded(plugin):
    suffix = pinned_import.NATIVE[0]
    plugin.path(f"fast{suffix}").write_bytes(b"\x7fELF, more or less")
    plugin.files[f"fast{suffix}"] = ""
    plugin.record()
    import_factory_module(plugin.entry())
    with pytest.raises(ImportError, match="ELF|invalid|short"):
        importlib.import_module(f"{plugin.package}.fast")
    plugin.path(f"fast{suffix}").write_bytes(b"\x7fELF, changed")
    with pytest.raises(ImportError, match="is not what the pinned RECORD lists"):
        importlib.import_module(f"{plugin.package}.fast")


def test_a_folder_that_distributions_share_is_looked_into_only_where_this_one_has_packages(plugin, tmp_path):
    package = plugin.package
    (plugin.site / "shared_space" / package).mkdir(parents=True)
    for path in (f"shared_space/{package}/__init__.py", f"shared_space/{package}/part.py"):
        (plugin.site / path).write_text("")
    plugin.record(*(line_of(f"shared_space/{package}/{name}", b"") for name in ("__init__.py", "part.py")))
    (plugin.site / "shared_space" / "of_somebody_else.py").write_text("")
    entry = plugin.entry(factory=f"shared_space.{package}.part:x")
    assert import_factory_module(entry).__name__ == f"shared_space.{package}.part"
    (plugin.site / "shared_space" / package / "extra.py").write_text("")
    assert refusal(entry).code == "SR-PIN-008"


def in_a_shared_folder(plugin, files=("__init__.py", "part.py"), depth=1):
    """A second package of the plugin, below folders without an ``__init__``: the outermost, and a module."""
    names = [f"shared_{depth}_of_{plugin.package}", *["deeper"] * (depth - 1), "own"]
    folder = plugin.site.joinpath(*names)
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_text("")
    plugin.record(*(line_of("/".join([*names, name]), b"") for name in files))
    return names[0], ".".join([*names, "part"])


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(
    "place",
    [
        "{}/__init__.py",
        "{}/__init__.pyc",
        "{}/__init__" + pinned_import.NATIVE[-1],
        "{}.py",
        "{}" + pinned_import.NATIVE[0],
    ],
)
def test_a_module_in_place_of_a_folder_that_distributions_share_is_refused(plugin, place, depth):
    shared, module = in_a_shared_folder(plugin, depth=depth)
    entry = plugin.entry(factory=f"{module}:x")
    assert check_pin(entry)
    inner = shared if depth == 1 else f"{shared}/deeper"
    unlisted = plugin.site / place.format(inner)
    unlisted.write_text("raise SystemExit('it ran')")
    assert (refusal(entry).code, str(unlisted) in str(refusal(entry))) == ("SR-PIN-008", True)


@pytest.mark.parametrize("files", [("__init__.py", "part.py"), ("part.py",)], ids=["a package", "a module"])
@pytest.mark.parametrize("where", ["in the folder", "beside it", "earlier on the path"])
def test_a_module_that_comes_in_place_of_a_shared_folder_does_not_run(plugin, tmp_path, monkeypatch, files, where):
    shared, module = in_a_shared_folder(plugin, files)
    record = plugin.info / "RECORD"
    site = plugin.site
    if where == "earlier on the path":
        site = tmp_path / "earlier"
        monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(sys, "meta_path", [PinnedFinder(record, plugin.pin().record_sha256), *sys.meta_path])
    assert importlib.import_module(module).__name__ == module
    for name in [name for name in sys.modules if name.partition(".")[0] == shared]:
        monkeypatch.delitem(sys.modules, name)
    unlisted = site / (f"{shared}.py" if where == "beside it" else f"{shared}/__init__.py")
    unlisted.parent.mkdir(parents=True, exist_ok=True)
    unlisted.write_text("raise SystemExit('it ran')")
    importlib.invalidate_caches()
    with pytest.raises(ModuleNotFoundError, match=f"the pinned RECORD lists no module {shared}"):
        importlib.import_module(module)


def test_what_others_have_in_a_shared_folder_is_found_beside_a_pin(plugin, tmp_path, monkeypatch):
    shared, module = in_a_shared_folder(plugin)
    (tmp_path / "other" / shared).mkdir(parents=True)
    (tmp_path / "other" / shared / "theirs.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    import_factory_module(plugin.entry(factory=f"{module}:x"))
    assert importlib.import_module(f"{shared}.theirs")


def test_a_module_that_is_in_memory_in_place_of_a_shared_folder_is_refused(plugin, monkeypatch):
    shared, module = in_a_shared_folder(plugin)
    init = plugin.site / shared / "__init__.py"
    init.write_text("")
    importlib.invalidate_caches()
    assert importlib.import_module(shared).__file__ == str(init)
    init.unlink()
    assert refusal(plugin.entry(factory=f"{module}:x"), import_factory_module).code == "SR-PIN-013"


def test_a_record_that_was_replaced_after_it_was_compared_loads_nothing(plugin):
    """A process reads RECORD itself, after its host has: what it was told is what counts."""
    record = plugin.info / "RECORD"
    good = hashlib.sha256(record.read_bytes()).hexdigest()
    PinnedFinder(record, good)
    record.write_bytes(record.read_bytes() + b"more.py,,\n")
    with pytest.raises(ImportError, match="is not the pinned one"):
        PinnedFinder(record, good)
    command = [sys.executable, "-P", pinned_import.__file__, str(record), good, plugin.package]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, "is not the pinned one" in ended.stderr) == (1, True)
