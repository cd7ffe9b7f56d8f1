from __future__ import annotations

from html.parser import HTMLParser
from typing import Any, get_args

import msgspec
import pytest
from filled import EVERY_KIND, good_answers

from procession.forms import showing
from procession.forms.definition import NONCE_FIELD, Definition, parse_definition
from procession.forms.page import (
    MESSAGES,
    STATUS_WORDS,
    render_code,
    render_form,
    render_message,
    security_headers,
)
from procession.forms.views import CodeView, FormView, MessageKind, MessageView, Status

WHOLE = parse_definition(msgspec.json.encode(EVERY_KIND))


class Page(HTMLParser):
    """All tags of a page, and those that name an address."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def shown(definition: Definition = WHOLE, **more: Any) -> Page:
    view = FormView(definition=definition, action="/t/x", csp_nonce="c", nonce="n", **more)
    return Page(render_form(view))


def form_of(*blocks: object) -> Definition:
    form = {"title": "T", "steps": [{"id": "a", "title": "A", "blocks": blocks}]}
    return parse_definition(msgspec.json.encode(form))


def test_a_page_asks_nothing_of_other_sites() -> None:
    page = shown()
    assert [image["src"] for image in page.every("img")] == ["/api/v1/files/o/k/bike.png"]
    assert [link["href"] for link in page.every("link")] == ["data:,"]
    assert all("src" not in script and script["nonce"] == "c" for script in page.every("script"))
    assert all(style["nonce"] == "c" for style in page.every("style"))
    assert not any("style" in attributes for _, attributes in page.tags)


def test_links_open_apart_and_tell_nothing() -> None:
    links = [link for link in shown().every("a") if link["href"] != "#"]
    assert len(links) == 4
    assert all(link["target"] == "_blank" and "noreferrer" in str(link["rel"]) for link in links)


def test_own_files_are_shown_by_the_address_the_reader_is_given() -> None:
    page = shown(file_address=lambda path: f"{path}?signature=s")
    assert page.every("img")[0]["src"] == "/api/v1/files/o/k/bike.png?signature=s"
    assert "/api/v1/files/o/k/contract.pdf?signature=s" in [a["href"] for a in page.every("a")]


def test_a_file_that_is_no_more_is_not_shown() -> None:
    page = shown(file_address=lambda path: None)
    assert page.every("img") == []
    assert not any("contract" in str(link["href"]) for link in page.every("a"))


@pytest.mark.parametrize(
    ("origin", "pictures"),
    [("https://here.example", 1), ("https://here", 0), ("", 0), ("https://other.example", 0)],
)
def test_only_this_site_s_own_addresses_are_shown_as_pictures(origin: str, pictures: int) -> None:
    url = "https://here.example/api/v1/files/o/k/x.png"
    definition = form_of({"type": "image", "url": url, "alt": "X"})
    page = shown(definition, origin=origin)
    assert [image["src"] for image in page.every("img")] == ["/api/v1/files/o/k/x.png"] * pictures
    assert [link["href"] for link in page.every("a")] == [url] * (1 - pictures)


def test_the_nonce_comes_back_in_its_own_field() -> None:
    (field,) = [each for each in shown().every("input") if each.get("name") == NONCE_FIELD]
    assert (field["type"], field["value"]) == ("hidden", "n")


@pytest.mark.parametrize("kind", ["text", "file"])
def test_a_form_with_files_is_posted_in_parts(kind: str) -> None:
    field = {"type": "input", "field": {"name": "a", "label": "A", "kind": kind}}
    (form,) = shown(form_of(field)).every("form")
    assert form.get("enctype") == ("multipart/form-data" if kind == "file" else None)


def test_a_fault_of_the_whole_form_is_told_alone() -> None:
    faults = [("", "This page was open for too long. Please send it again.")]
    view = FormView(definition=WHOLE, action="/t/x", csp_nonce="c", nonce="n", faults=faults)
    html = render_form(view)
    assert "<h2>This could not be sent</h2>" in html
    assert "<li>This page was open for too long. Please send it again.</li>" in html
    assert not any("aria-invalid" in attributes for _, attributes in Page(html).tags)


@pytest.mark.parametrize("again", ["/t/x/code", ""])
def test_a_new_code_is_offered_only_where_it_can_be_had(again: str) -> None:
    view = CodeView(action="/t/x", resend_action=again, csp_nonce="c", nonce="n")
    assert [form["action"] for form in Page(render_code(view)).every("form")] == [
        address for address in ("/t/x", again) if address
    ]


def test_odd_values_are_not_shown_again() -> None:
    odd: dict[str, Any] = {
        "code": {"a": 1},
        "km": True,
        "colour": ["red"],
        "photos": [5, {"key": 7}, None, {"key": "o/k/x.png"}],
        "agree": "true",
        "signed": "javascript:alert(1)",
    }
    inputs = {each["name"]: each for each in shown(data=odd).every("input") if "name" in each}
    assert inputs["code"]["value"] == inputs["km"]["value"] == inputs["signed"]["value"] == ""
    assert "checked" not in inputs["agree"]
    kept = [
        i["value"]
        for i in shown(data=odd).every("input")
        if i.get("name") == "photos" and "value" in i
    ]
    assert kept == ["o/k/x.png"]


def test_every_name_is_posted_once_by_what_the_form_asks() -> None:
    page = shown(data=good_answers())
    named = [
        tag[1]["name"]
        for tag in page.tags
        if tag[0] in ("input", "select", "textarea") and "name" in tag[1]
    ]
    assert set(named) == {NONCE_FIELD, *(field.name for field in WHOLE.fields)}
    assert named.count("photos") == 3


def test_every_kind_of_message_has_a_page_and_a_status() -> None:
    assert set(MESSAGES) == set(get_args(MessageKind))
    for kind, message in MESSAGES.items():
        html = render_message(kind, MessageView(csp_nonce="c", about="<b>", detail="More."))
        assert f"<h1>{message.title}</h1>" in html
        assert "&lt;b&gt;" in html
        assert message.status in (200, 404, 410, 429, 500)


def test_every_status_has_a_word() -> None:
    assert set(STATUS_WORDS) == set(get_args(Status))


def test_the_policy_allows_nothing_but_the_page_s_own() -> None:
    headers = security_headers("abc")
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'nonce-abc'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("length_ms", "words"),
    [
        (0, "0.0 s"),
        (450, "0.5 s"),
        (9_949, "9.9 s"),
        (10_000, "10 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (185_000, "3 min 5 s"),
        (3_600_000, "1 h"),
        (7_800_000, "2 h 10 min"),
        (100_800_000, "1 d 4 h"),
    ],
)
def test_durations_are_told_in_two_units(length_ms: int, words: str) -> None:
    assert showing.duration(length_ms) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "1 byte"),
        (300, "300 bytes"),
        (2_048, "2 KB"),
        (1_048_576, "1 MB"),
        (2_621_440, "2.5 MB"),
    ],
)
def test_sizes_are_told_in_words(count: int, words: str) -> None:
    assert showing.byte_words(count) == words
