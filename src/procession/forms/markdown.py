"""Markdown to HTML that can neither run nor fetch anything.

Twice guarded: the parser knows no HTML and makes only tags of its own, and what it made passes an
allow-list besides. Tags, components and `{expressions}` of mdsvex stay what they are: text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

from procession.forms.blocks import MARKDOWN_CHARS_MAX

NESTING_MAX = 20
TABLE_CELLS_MAX = 4_000
_SAFE_LINK = re.compile(r"(?:https?://[^/\\@]+(?:[/?#]|\Z)|mailto:[^/\s])", re.IGNORECASE)
_TABLE_RULER = re.compile(r"^[ \t>|:-]+$", re.MULTILINE)
_HEADING_HIGHEST = 3
_TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}


def to_html(markdown: str) -> Markup:
    """HTML of at most 20,000 characters of Markdown; what is beyond is not shown.

    Headings begin at the third level, links open apart and say nothing of where they were, and a
    picture becomes a link to it.
    """
    text = markdown[:MARKDOWN_CHARS_MAX]
    made = (_PARSER if _cells_most(text) <= TABLE_CELLS_MAX else _WITHOUT_TABLES).render(text)
    return Markup(_CLEANER.clean(made))  # noqa: S704 - what the allow-list let through


def _cells_most(text: str) -> int:
    """A bound of a table's cells: each short line under a wide ruler makes a whole row of them."""
    pipes = max((ruler.count("|") for ruler in _TABLE_RULER.findall(text)), default=0)
    return pipes * (text.count("\n") + text.count("\r"))


class _Parser(MarkdownIt):
    """CommonMark without HTML, whose links lead to http, https and mailto only."""

    def validateLink(self, url: str) -> bool:
        return _SAFE_LINK.match(url) is not None


def _lower_headings(state: StateCore) -> None:
    """A page has its title at the first level and its steps at the second."""
    headings = [token for token in state.tokens if token.type in ("heading_open", "heading_close")]
    highest = min((int(heading.tag[1:]) for heading in headings), default=0)
    for heading in headings:
        heading.tag = f"h{min(6, int(heading.tag[1:]) - highest + _HEADING_HIGHEST)}"


def _link_pictures(state: StateCore) -> None:
    for token in state.tokens:
        if token.children:
            token.children = _without_pictures(token.children)


def _without_pictures(tokens: Sequence[Token]) -> list[Token]:
    result: list[Token] = []
    links_open = 0
    for token in tokens:
        links_open += token.nesting if token.type in ("link_open", "link_close") else 0
        if token.type != "image":
            result.append(token)
        elif links_open:
            result.append(_text(token))
        else:
            result += [
                Token("link_open", "a", 1, attrs={"href": token.attrs["src"]}),
                _text(token),
                Token("link_close", "a", -1),
            ]
    return result


def _text(picture: Token) -> Token:
    return Token("text", "", 0, content=picture.content or "picture")


def _parser(*blocks: str) -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False, "maxNesting": NESTING_MAX})
    parser.enable([*blocks, "strikethrough"])
    parser.disable(["html_block", "html_inline"])
    parser.core.ruler.push("lower_headings", _lower_headings)
    parser.core.ruler.push("link_pictures", _link_pictures)
    return parser


_PARSER = _parser("table")
_WITHOUT_TABLES = _parser()
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes={"*": set(), "a": {"href"}, "ol": {"start"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener nofollow noreferrer",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)
