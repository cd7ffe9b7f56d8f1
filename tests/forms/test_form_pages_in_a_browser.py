from __future__ import annotations

import struct
import zlib
from base64 import b64decode
from typing import Any

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from filled import FILES, asking, good_answers, png
from hostile import OUTSIDE, SCRIPT, TEXTS
from made_pages import (
    FAULTS,
    WHOLE,
    code_page,
    faulty_page,
    form_page,
    message_page,
    process_page,
    without_signature,
)
from playwright.sync_api import Page
from watched_site import PATH, Visit

from procession.forms.answers import answers_from_form, check_answers
from procession.forms.blocks import BLOCKS_MAX, Definition
from procession.forms.definition import NONCE_FIELD, parse_definition
from procession.forms.signature import PREFIX

PICTURE = {"name": "bell.png", "mimeType": "image/png", "buffer": png()}
TARGET_PX = 44
TEXT_PX = 16


PAGES = {
    "form": form_page,
    "faults": faulty_page,
    "code": lambda: code_page("This code is not right."),
    "process": process_page,
    "done": message_page,
    "expired": lambda: message_page("expired"),
    "unknown": lambda: message_page("unknown"),
}


@pytest.mark.parametrize(
    ("scheme", "names", "options"),
    [
        ("light", list(PAGES), {"resultTypes": ["violations"]}),
        ("dark", ["faults", "code", "process", "done"], {"runOnly": ["color-contrast"]}),
    ],
)
def test_axe_finds_nothing_on_any_page(
    visit: Visit, scheme: str, names: list[str], options: dict[str, Any]
) -> None:
    page = visit.look_at(PAGES[names[0]](), color_scheme=scheme)
    for name in names:
        visit.look_next(page, PAGES[name]())
        violations = Axe().run(page, options=options).response["violations"]
        assert [(name, each["id"], each["nodes"][0]["html"]) for each in violations] == []


def test_pages_fit_and_can_be_touched(visit: Visit) -> None:
    page = visit.look_at(form_page())
    for made, width in (
        (faulty_page, 320),
        (faulty_page, 1280),
        (code_page, 320),
        (process_page, 320),
    ):
        page.set_viewport_size({"width": width, "height": 844})
        visit.look_next(page, made())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = page.evaluate(
            """([target, text]) => [...document.querySelectorAll(
                 'button, .button, select, textarea, label.tick, input:not([type=checkbox])')]
               .filter((each) => each.checkVisibility())
               .filter((each) => each.getBoundingClientRect().height < target
                 || parseFloat(getComputedStyle(each).fontSize) < text)
               .map((each) => each.outerHTML)""",
            [TARGET_PX, TEXT_PX],
        )
        assert small == []


def tab_to(page: Page, selector: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(it) => document.activeElement.matches(it)", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def ink(data_url: str) -> int:
    """How many dark bytes the picture has: a blank one has none."""
    rest, pixels = b64decode(data_url.removeprefix(PREFIX))[8:], b""
    while rest:
        (length,) = struct.unpack(">I", rest[:4])
        if rest[4:8] == b"IDAT":
            pixels += rest[8 : 8 + length]
        rest = rest[12 + length :]
    # Rows are told as differences to their neighbours: a blank one is all the same.
    return sum(byte not in (0, 255) for byte in zlib.decompress(pixels))


def test_the_whole_form_is_filled_and_sent_by_keyboard(visit: Visit) -> None:
    visit.site.answer = message_page()
    page = visit.look_at(form_page())
    for name, text in (("code", "B-77"), ("damage", "A bell."), ("km", "412.5"), ("colour", "Oc")):
        tab_to(page, f"[name={name}]")
        page.keyboard.type(text)
    tab_to(page, "[name=photos]")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files([PICTURE])
    tab_to(page, "[name=agree]")
    page.keyboard.press("Space")
    tab_to(page, ".signature input[type=text]")
    page.keyboard.type("Ada Lovelace")
    tab_to(page, "button.main")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:text('Thank you')")
    assert page.evaluate("document.activeElement.localName") == "h1"
    (posted,) = visit.site.posted
    assert posted.files == {"photos": [("bell.png", png())]}
    data = answers_from_form(WHOLE, posted.fields, {"photos": [{"key": "o/a/one.png"}]})
    answers = check_answers(WHOLE, data, FILES.get)
    assert ink(answers.pop("signed")) > 100
    assert [file["key"] for file in answers.pop("photos")] == ["o/a/one.png"]
    assert answers == {
        "code": "B-77",
        "damage": "A bell.",
        "km": 412.5,
        "colour": "blue",
        "cleaned": False,
        "agree": True,
    }


def test_without_javascript_the_form_posts_every_field(visit: Visit) -> None:
    visit.site.answer = message_page()
    page = visit.look_at(form_page(without_signature()), java_script_enabled=False)
    page.fill("[name=code]", "B-77")
    page.fill("[name=damage]", "A bell.\nOne lamp.")
    page.fill("[name=km]", "7")
    page.select_option("[name=colour]", "red")
    page.set_input_files("[name=photos]", [PICTURE, {**PICTURE, "name": "lamp.png"}])
    page.check("[name=agree]")
    page.click("button.main")
    page.wait_for_selector("h1:text('Thank you')")
    (posted,) = visit.site.posted
    assert posted.fields == {
        NONCE_FIELD: ["n1"],
        "code": ["B-77"],
        "damage": ["A bell.\r\nOne lamp."],
        "km": ["7"],
        "colour": ["red"],
        "agree": ["true"],
    }
    assert [name for name, _ in posted.files["photos"]] == ["bell.png", "lamp.png"]


def test_without_javascript_a_signature_says_what_it_needs(visit: Visit) -> None:
    page = visit.look_at(form_page(), java_script_enabled=False)
    assert "Signing needs JavaScript" in page.inner_text("noscript p")
    assert not page.is_visible("canvas")


@pytest.mark.parametrize("javascript", [True, False])
def test_faults_stand_at_their_fields_and_in_a_summary_that_has_the_focus(
    visit: Visit, javascript: bool
) -> None:
    page = visit.look_at(faulty_page(), java_script_enabled=javascript)
    assert page.get_attribute(":focus", "id") == "summary"
    assert page.title().startswith("Error: ")
    assert page.locator("#summary li").all_inner_texts() == [
        "Kilometres: 9999 must be at most 5000",
        "Photos: has 3 files and must have at most 2",
        "I agree to the terms: must be ticked",
        "Signature: is required",
        "spy: is not a field of this form",
    ]
    number = page.locator("[name=km]")
    assert number.input_value() == "9999"
    assert number.get_attribute("aria-invalid") == "true"
    described = str(number.get_attribute("aria-describedby")).split()
    told = [str(page.text_content(f"#{each}")).strip() for each in described]
    assert told == ["As the display shows it.", "Error: 9999 must be at most 5000"]
    assert page.locator("[name=code]").get_attribute("aria-invalid") is None
    page.click("#summary a >> nth=0")
    assert page.get_attribute(":focus", "name") == "km"


def test_answers_are_kept_after_a_fault_with_their_files(visit: Visit) -> None:
    visit.site.answer = message_page()
    shown = form_page(without_signature(), data=good_answers(), faults=FAULTS[2:])
    page = visit.look_at(shown, java_script_enabled=False)
    page.uncheck("text=Keep two.jpg")
    page.click("button.main")
    (posted,) = visit.site.posted
    assert posted.fields == {
        NONCE_FIELD: ["n1"],
        "code": ["B-77"],
        "damage": ["A bell.\r\nOne lamp."],
        "km": ["412.5"],
        "colour": ["blue"],
        "photos": ["o/a/one.png"],
        "agree": ["true"],
    }


def draw(page: Page) -> None:
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 20, steps=4)
    page.mouse.up()


def test_a_signature_is_drawn_cleared_typed_and_kept(visit: Visit) -> None:
    page = visit.look_at(form_page())
    value = "document.querySelector('[name=signed]').value"
    assert page.evaluate(value) == ""
    page.locator("canvas").scroll_into_view_if_needed()
    draw(page)
    drawn = page.evaluate(value)
    assert ink(drawn) > 100
    page.click(".signature button")
    assert page.evaluate(value) == ""
    assert page.locator(".signature [role=status]").inner_text() == "The signature is cleared."
    page.fill(".signature input[type=text]", "Ada")
    typed = page.evaluate(value)
    assert ink(typed) > 100
    draw(page)
    assert page.input_value(".signature input[type=text]") == ""
    assert page.evaluate(value) == drawn
    visit.look_next(page, form_page(data={"signed": typed}))
    page.wait_for_function(
        "(kept) => document.querySelector('canvas').toDataURL('image/png') === kept", arg=typed
    )
    assert check_answers(WHOLE, {**good_answers(), "signed": typed}, FILES.get)["signed"] == typed


def test_files_are_sent_with_progress_and_faults_come_back_in_place(visit: Visit) -> None:
    visit.site.answer = faulty_page()
    page = visit.look_at(form_page())
    page.set_input_files("[name=photos]", [PICTURE])
    page.click("button.main")
    page.wait_for_selector("#summary:focus")
    assert page.title().startswith("Error: ")
    assert page.is_visible("canvas")
    visit.site.answer = message_page()
    page.set_input_files("[name=photos]", [PICTURE])
    page.click("button.main")
    page.wait_for_selector("h1:text('Thank you')")
    assert len(visit.site.posted) == 2


def test_sending_twice_at_once_sends_once(visit: Visit) -> None:
    visit.site.answer = message_page()
    page = visit.look_at(form_page())
    page.set_input_files("[name=photos]", [PICTURE])
    page.evaluate(
        "const form = document.querySelector('form');"
        "for (let turn = 0; turn < 3; turn++) form.requestSubmit();"
    )
    page.wait_for_selector("h1:text('Thank you')")
    assert len(visit.site.posted) == 1


def test_a_broken_upload_says_so_and_can_be_tried_again(visit: Visit) -> None:
    page = visit.look_at(form_page())
    page.context.route(f"**{PATH}", lambda route: route.abort())
    page.set_input_files("[name=photos]", [PICTURE])
    page.fill("[name=code]", "B-77")
    page.click("button.main")
    page.wait_for_selector("text=Sending failed")
    assert page.is_enabled("button.main")
    assert page.input_value("[name=code]") == "B-77"
    visit.complaints.clear()  # the browser's own line about the broken request


def test_a_code_is_asked_for_so_that_phones_offer_it(visit: Visit) -> None:
    visit.site.answer = message_page()
    page = visit.look_at(code_page("This code is not right."), java_script_enabled=False)
    field = page.locator("[name=code]")
    assert field.get_attribute("autocomplete") == "one-time-code"
    assert field.get_attribute("inputmode") == "numeric"
    assert page.get_attribute(":focus", "name") == "code"
    assert page.is_visible("text=4 tries left")
    page.keyboard.type("123456")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:text('Thank you')")
    assert visit.site.posted[0].fields == {NONCE_FIELD: ["n1"], "code": ["123456"]}


def hostile_form() -> Definition:
    """Every hostile text at every place that takes one."""
    blocks: list[dict[str, Any]] = []
    for number, text in enumerate(TEXTS):
        line = "".join(char for char in text if char.isprintable()).strip()[:100]
        more = {"placeholder": text, "description_mdsvex": text}
        blocks += [
            {"type": "mdsvex", "content": text},
            {"type": "callout", "title": text, "content": text},
            {"type": "table", "title": text, "columns": [text, text], "rows": [[text, text]]},
            {"type": "image", "url": f"{OUTSIDE}/x.png", "alt": text, "caption": text},
            {"type": "download", "url": f"{OUTSIDE}/x", "label": text},
            asking(f"{number} {line}"[:100], text, "text", **more)
            if number % 2
            else asking(f"{number} {line}"[:100], text, "select", options=[text], **more),
        ]
    steps = [
        {"id": str(at), "title": TEXTS[at % len(TEXTS)], "blocks": blocks[at : at + BLOCKS_MAX]}
        for at in range(0, len(blocks), BLOCKS_MAX)
    ]
    form = {"title": TEXTS[0], "instructions_mdsvex": TEXTS[1], "steps": steps}
    return parse_definition(msgspec.json.encode(form))


@pytest.mark.parametrize("policy", [True, False], ids=["with a policy", "without one"])
def test_nothing_hostile_runs_or_fetches(visit: Visit, policy: bool) -> None:
    definition = hostile_form()
    values = {field.name: text for field, text in zip(definition.fields, TEXTS, strict=True)}
    if not policy:
        visit.site.headers = {"Content-Type": "text/html; charset=utf-8"}
    page = visit.look_at(
        form_page(definition, data=values, faults=list(values.items()), sender=TEXTS[0])
    )
    assert page.evaluate("window.ran") is None
    assert page.locator("form").count() == 1
    assert page.locator("form > fieldset.card > div > .block.callout").count() == len(TEXTS)
    assert page.locator("main script, main style, main iframe, main svg, main img").count() == 0
    assert page.url == visit.site.origin + PATH
    visit.look_next(page, process_page(TEXTS[0] + TEXTS[10] + TEXTS[24]))
    assert page.evaluate("window.ran") is None


def test_the_watch_sees_a_script_that_runs_and_a_picture_that_is_fetched(visit: Visit) -> None:
    visit.site.headers = {"Content-Type": "text/html; charset=utf-8"}
    page = visit.look_at(f"<img src='{OUTSIDE}/x.png' onerror='{SCRIPT}'>")
    page.wait_for_function("window.ran === 1")
    assert visit.asked_outside == [f"{OUTSIDE}/x.png"]
    visit.asked_outside.clear()
    visit.complaints.clear()


def test_the_policy_stops_what_would_run_all_the_same(visit: Visit) -> None:
    page = visit.look_at(f"<script>{SCRIPT}</script><img src='{OUTSIDE}/x.png' onerror='{SCRIPT}'>")
    assert page.evaluate("window.ran") is None
    assert visit.asked_outside == visit.stopped_by_policy == [f"{OUTSIDE}/x.png"]
    visit.asked_outside.clear()
    visit.complaints.clear()
