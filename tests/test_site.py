"""The documentation site: links out of docs/ are named, and those that lead nowhere end the build."""

import pytest

from tools.site_links import BrokenLinkError, named


@pytest.fixture
def docs(tmp_path):
    pages = tmp_path / "docs"
    (pages / "guides").mkdir(parents=True)
    (pages / "page.md").write_text("")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "hello.c").write_text("")
    return pages


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a page](../page.md#part)", "[a page](../page.md#part)"),
        ("[a part](#part)", "[a part](#part)"),
        ("[elsewhere](https://example.org/x)", "[elsewhere](https://example.org/x)"),
        ("[the source](../../examples/hello.c)", "the source (`examples/hello.c`)"),
        ("[examples/hello.c](../../examples/hello.c)", "examples/hello.c"),
        ("[examples](../../examples)", "examples"),
        ("```\n[x](gone.md)\n```", "```\n[x](gone.md)\n```"),
    ],
)
def test_a_link_is_kept_where_the_site_has_its_page(docs, text, shown):
    assert named(text, docs / "guides" / "operator.md", docs) == shown


def test_a_link_that_leads_nowhere_ends_the_build(docs):
    with pytest.raises(BrokenLinkError, match=r"gone\.md is not there"):
        named("[x](gone.md)", docs / "page.md", docs)
