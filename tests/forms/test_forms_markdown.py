from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hostile import SLOW, TEXTS

from procession.forms.blocks import MARKDOWN_CHARS_MAX
from procession.forms.markdown import to_html

CPU_S_MAX = 3.0
"""For one longest text; a good machine takes a fifth of it."""
TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
LINK = {"target": "_blank", "rel": "noopener nofollow noreferrer"}


class Read(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.odd: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        self.odd.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_text_becomes_nothing_but_plain_tags_and_safe_links(text: str) -> None:
    read = Read(str(to_html(text)))
    assert not read.odd
    for tag, attributes in read.tags:
        assert tag in TAGS
        address = attributes.pop("href", None)
        assert address is None or address.startswith(("http://", "https://", "mailto:"))
        assert attributes == (LINK if tag == "a" else {})


@pytest.mark.parametrize("name", SLOW)
def test_a_text_made_to_be_slow_is_not(name: str) -> None:
    before = time.process_time()
    html = to_html(SLOW[name])
    assert time.process_time() - before < CPU_S_MAX
    assert len(html) < 10 * MARKDOWN_CHARS_MAX


def test_markdown_keeps_its_shape() -> None:
    html = str(to_html("Some **bold**, ~~gone~~ and `code`.\n\n1. a\n2. b\n\n|a|b|\n|-|-|\n|1|2|"))
    for part in ("<strong>bold</strong>", "<s>gone</s>", "<code>code</code>", "<ol>", "<td>2</td>"):
        assert part in html


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("# A\n\n## B", ["h3", "h4"]),
        ("## A\n\n### B\n\n## C", ["h3", "h4", "h3"]),
        ("###### A", ["h3"]),
        ("# A\n\n###### B", ["h3", "h6"]),
    ],
)
def test_headings_begin_below_those_of_the_page(text: str, tags: list[str]) -> None:
    assert [tag for tag, _ in Read(str(to_html(text))).tags] == tags


def test_a_picture_becomes_a_link_to_it() -> None:
    assert Read(str(to_html("![A cat](https://a.example/cat.png)"))).tags == [
        ("p", {}),
        ("a", {"href": "https://a.example/cat.png", **LINK}),
    ]
    assert "A cat</a>" in to_html("![A cat](https://a.example/cat.png)")


def test_a_picture_in_a_link_becomes_its_text() -> None:
    read = Read(str(to_html("[![A cat](https://a.example/cat.png)](https://b.example)")))
    assert [attributes.get("href") for _, attributes in read.tags] == [None, "https://b.example"]


def test_components_and_expressions_stay_text() -> None:
    html = to_html("<Card title={name}>{1 + 1}</Card> {@html x}")
    assert html == "<p>&lt;Card title={name}&gt;{1 + 1}&lt;/Card&gt; {@html x}</p>\n"


def test_what_is_beyond_the_limit_is_not_shown() -> None:
    assert "end" not in to_html("a" * MARKDOWN_CHARS_MAX + "end")
