"""The conformance suite: what every capability plugin owes every host, checked on a plugin of yours.

    PLUGIN = Subject(plugin=Clock, samples={("clock@1.0.0", "Now"): Empty()})

    @pytest.mark.parametrize("check", CHECKS)
    def test_it_keeps_the_contract_of_plugins(check):
        run_check(check, PLUGIN)

``check_plugin`` runs all of it at once and says what was found. ``plugin`` is the class, ``"package.module:Class"``, or
the words of a command, so the same plugin is checked in process and as a process.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from google.protobuf.message import Message

from strongroom.testing import call_checks, life_checks, trigger_checks
from strongroom.testing.subject import Bench, Plugin, Subject

__all__ = ["CHECKS", "Finding", "Report", "Subject", "check_plugin", "run_check"]

Check = Callable[[Bench], Iterator[str]]

CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "it starts and offers something": call_checks.is_ready,
        "its ids are valid and its methods have samples": call_checks.offers_valid_ids,
        "it answers its samples": call_checks.answers_its_samples,
        "it refuses messages of another type": call_checks.refuses_other_messages,
        "it refuses methods that do not exist": call_checks.refuses_unknown_methods,
        "it survives garbage": call_checks.survives_garbage,
        "it serves many callers at once": call_checks.serves_many_callers,
        "it survives a deadline": call_checks.survives_a_deadline,
        "it answers a repeated step the same": call_checks.repeats_an_answer,
        "it refuses configs of another type": trigger_checks.refuses_other_configs,
        "it delivers events": trigger_checks.delivers_events,
        "it ends a registration": trigger_checks.ends_a_registration,
        "it registers again": trigger_checks.registers_again,
        "its mounts have names and descriptions": life_checks.describes_its_mounts,
        "it stops": life_checks.stops,
        "it starts again": life_checks.starts_again,
        "its log holds no payload": life_checks.keeps_secrets_out_of_its_log,
    }
)
"""Every check by its name, in the order in which they help to find a fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: in which check, and what."""

    check: str
    problem: str

    def __str__(self) -> str:
        """As one line."""
        return f"{self.check}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks found."""

    checks: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        """A line for each finding, or one that says that there is none."""
        if self.ok:
            return f"{len(self.checks)} checks, nothing found"
        return "\n".join(str(finding) for finding in self.findings)


def check_plugin(
    plugin: Plugin,
    config: Mapping[str, Any] | None = None,  # Any: the section belongs to the plugin
    *,
    samples: Mapping[tuple[str, str], Message],
    registrations: Mapping[tuple[str, str], Message] | None = None,
    events: Mapping[tuple[str, str], int] | None = None,
    answers_differ: Collection[tuple[str, str]] = (),
    metadata: Mapping[str, str] | None = None,
    canaries: Sequence[str] = (),
) -> Report:
    """Run every check on ``plugin`` with its section ``config``.

    ``samples`` is a good request for each (capability id, method); ``registrations`` a config for each (capability id,
    trigger), and ``events`` how many events such a registration brings soon. ``answers_differ`` names methods whose
    answer to the same step may differ: those that only read. ``metadata`` replaces fields that the host stamps on a
    call. ``canaries`` are texts that must never be in the log, beside those of the samples.
    """
    subject = Subject(
        plugin=plugin,
        config=config or {},
        samples=samples,
        registrations=registrations or {},
        events=events or {},
        answers_differ=answers_differ,
        metadata=metadata or {},
        canaries=canaries,
    )
    findings: list[Finding] = []
    with Bench(subject) as bench:
        for name, check in CHECKS.items():
            findings += [Finding(name, problem) for problem in check(bench)]
            if findings and name == next(iter(CHECKS)):
                break  # what did not start has nothing to be checked
    return Report(tuple(CHECKS), tuple(findings))


def run_check(name: str, subject: Subject) -> None:
    """Run one of ``CHECKS`` on a plugin that is started for it. Raises ``AssertionError`` with what was found."""
    with Bench(subject) as bench:
        problems = list(call_checks.is_ready(bench)) or list(CHECKS[name](bench))
    if problems:
        raise AssertionError("\n".join(problems))
