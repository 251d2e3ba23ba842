"""The documents tell the truth: codes, commands, words and links in them are those of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from strongroom.cli.main import NOUNS, build

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r"SR-[A-Z]+-[0-9]{3}")
# A code that is raised with several texts, and why that is one case all the same.
ONE_CASE = {
    "SR-BOX-002": "a public key that cannot be used, whether malformed or weak: the same thing to do",
    "SR-PLUG-016": "a config that is not a JSON object, whether it is no JSON or no object",
}
# Not nouns of ours: what every program of this kind calls so.
PLAIN_NOUNS = {"config"}


def documents() -> list[Path]:
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return sorted([*found, *ROOT.glob("plugins/*/README.md")])


def modules() -> Iterator[Path]:
    for path in [*ROOT.glob("daemon/strongroom/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]:
        if "pb" not in path.parts:
            yield path


def raised() -> dict[str, set[str]]:
    """Every code in the source, with the texts that stand beside it where it is used."""
    texts: dict[str, set[str]] = {}
    for path in modules():
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                # A code counts even where no text stands beside it.
                texts.setdefault(node.value, set())
            if isinstance(node, ast.Call):
                values = [*node.args, *(k.value for k in node.keywords if k.arg in {"code", "error"})]
                codes = [v.value for v in values if isinstance(v, ast.Constant) and CODE.fullmatch(str(v.value))]
                others = [v for v in values if not (isinstance(v, ast.Constant) and v.value in codes)]
                if codes and others:
                    texts.setdefault(codes[0], set()).add(wording(others[0]))
    return texts


def wording(node: ast.expr) -> str:
    """A text whose parts that differ from time to time are blank."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def test_every_error_code_has_one_line_on_its_page_and_the_page_has_no_others():
    page = (ROOT / "docs" / "errors.md").read_text()
    explained = re.findall(rf"^\| ({CODE.pattern}) \| .+ \| .+ \|$", page, re.MULTILINE)
    assert sorted(explained) == sorted(set(explained)), "a code has two lines"
    used = set(raised())
    assert used - set(explained) == set(), "docs/errors.md does not explain these"
    assert set(explained) - used == set(), "docs/errors.md explains what nothing raises"
    mentioned = {code for path in documents() for code in CODE.findall(path.read_text())}
    assert mentioned - used == set(), "a document names codes that nothing raises"


def test_a_code_means_one_case():
    several = {code: sorted(texts) for code, texts in raised().items() if len(texts) > 1}
    assert {code: texts for code, texts in several.items() if code not in ONE_CASE} == {}
    assert set(ONE_CASE) <= set(several), "these have one text now and need no reason"


def code_lines(text: str) -> Iterator[str]:
    """What stands in code in a document: fenced lines, with continued ones joined, and inline code."""
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for block in fenced:
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def commands() -> Iterator[tuple[str, list[str]]]:
    for path in documents():
        for line in code_lines(path.read_text()):
            for words in re.findall(r"(?:^|[|;&(]\s*)(?:\.venv/bin/)?strongroom ([^|;&)]*)", line):
                yield (
                    f"{path.relative_to(ROOT)}: strongroom {words}",
                    re.sub(r"'[^']*'|\"[^\"]*\"", "VALUE", words).split(),
                )


def test_every_command_in_the_documents_exists_with_its_options():
    top = typer.main.get_command(build(list(NOUNS)))
    found = list(commands())
    assert len(found) > 20, "the documents name commands, and this test sees them"
    for where, words in found:
        command, rest = top, list(words)
        while rest and hasattr(command, "commands") and re.fullmatch(r"[a-z][a-z-]*", rest[0]):
            assert rest[0] in command.commands, where
            command = command.commands[rest.pop(0)]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        options = {word.split("=")[0] for word in rest if word.startswith("--")} - {"--help", "--version"}
        assert options <= known, where


def test_every_make_target_in_the_documents_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in documents():
        for line in code_lines(path.read_text()):
            for target in re.findall(r"^make ([a-z]+)$", line):
                assert target in targets, f"{path.name}: make {target}"


def glossary() -> dict[str, tuple[str, str]]:
    """Word to meaning and to what is not said instead, as ARCHITECTURE.md has them."""
    section = (ROOT / "ARCHITECTURE.md").read_text().split("## Words")[1].split("## ")[0]
    rows = re.findall(r"^\| ([a-z ]+?) \| (.+?) \| ?(.*?) ?\|$", section, re.MULTILINE)
    words = {word: (meaning, instead) for word, meaning, instead in rows if word != "word"}
    assert len(words) == len([row for row in rows if row[0] != "word"]), "a word has two rows"
    return words


ELSEWHERE = {"extension": {"certificates.py"}}
"""Words that mean something else in a standard: X.509 certificates have extensions."""


def test_the_glossary_holds_the_nouns_of_the_command_line():
    words = glossary()
    assert len(words) >= 20
    assert set(NOUNS) - PLAIN_NOUNS <= words.keys()


def test_a_word_of_the_glossary_is_used_and_its_rivals_are_not():
    sources = {path: path.read_text() for path in modules()}
    prose = {p: p.read_text() for p in documents() if p.name != "ARCHITECTURE.md"}
    all_code = "\n".join(sources.values()).lower()
    for word, (_meaning, instead) in glossary().items():
        assert re.search(rf"\b{word}s?\b", all_code), f"{word} is in the glossary and nowhere in the code"
        for rival in filter(None, instead.split(", ")):
            says = [
                str(p)
                for p, text in {**sources, **prose}.items()
                if re.search(rf"\b{rival}s?\b", text, re.IGNORECASE) and p.name not in ELSEWHERE.get(rival, ())
            ]
            assert not says, f"{rival}: the word is {word}"


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_to_files(path):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith(("https://", "http://", "mailto:")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/decisions/*.md")), ids=lambda path: path.stem)
def test_a_decision_says_context_options_outcome_and_cost(path):
    text = path.read_text()
    assert re.match(rf"# {path.stem[:4]} \S", text), "the title starts with the number of the file"
    for part in ("Context", "Options", "Outcome", "Cost"):
        assert f"**{part}.**" in text
