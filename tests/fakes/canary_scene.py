"""One confidential run on a canary host, and everything that was there to see of it, while it went on and after."""

from dataclasses import dataclass, field

from tests.fakes.canary import files_below
from tests.fakes.canary_host import CanaryHost


@dataclass
class Scene:
    """Gathered by ``play``; nothing of the host runs any more.

    ``during`` and ``after`` are None where memory may not be read.
    """

    host: CanaryHost
    answer: object = None
    during: list | None = None
    after: list | None = None
    files: dict = field(default_factory=dict)
    said: dict = field(default_factory=dict)
    marked_files: set = field(default_factory=set)


def play(host, binary):
    """Start the host, run the guest, look at all of it, and stop the host."""
    scene = Scene(host)
    try:
        host.start(binary)
        host.begin()
        scene.during = _looked(host)
        _search_files(scene, "during the run")
        scene.answer = host.ended()
        scene.after = _looked(host)
        _search_files(scene, "after the run")
        run_id = scene.answer.run.run_id
        receipt = host.work / "run.receipt"
        host.done("receipt", "export", run_id, "--output", str(receipt))
        scene.said["receipt"] = receipt.read_bytes()
        why = ("--decrypt", "--reason", "a test")
        for words in (("export", run_id, *why), ("export", run_id), ("get", run_id, *why)):
            done = host.done("run", *words)
            scene.said[f"run {' '.join(words)}"] = (done.out + done.err).encode()
    finally:
        host.end()
    _search_files(scene, "when the host had stopped")
    return scene


def _looked(host):
    try:
        return host.look()
    except PermissionError:
        return None


def _search_files(scene, when):
    for place in scene.host.places:
        scene.files[f"{place} {when}"] = scene.host.canary.found_below(place)
        scene.marked_files |= {path for path in files_below(place) if scene.host.marker.plain in path.read_bytes()}
