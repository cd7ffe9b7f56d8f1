"""A phone's whole way through a form: the link, the code from the mail, a file, done, used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from filled import EVERY_KIND, asking, png
from living_server import Api, Living
from made_tasks import created, seen
from mail_server import Mailbox
from playwright.sync_api import Browser, Page, sync_playwright
from requests_by_hand import fresh
from test_task_pages import another, code_for
from watched_site import CHROMIUM_FLAGS, PHONE

PHOTO = {"name": "bell.png", "mimeType": "image/png", "buffer": png()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS
        )
        yield started
        started.close()


def opened(browser: Browser, url: str, complaints: list[str], **device: Any) -> Page:
    """A fresh window on a phone; what it complains of, or fetches from elsewhere, is noted."""
    page = browser.new_context(viewport=PHONE, **device).new_page()
    page.set_default_timeout(10_000)
    origin = url.partition("/t/")[0]

    def note(request: Any) -> None:
        if not request.url.startswith((origin, "data:")):
            complaints.append(request.url)

    def said(line: Any) -> None:
        # A refused form is answered 400, which Chromium puts into the console.
        if "Failed to load resource" not in line.text:
            complaints.append(line.text)

    page.on("console", said)
    page.on("request", note)
    page.goto(url)
    return page


def is_sound(page: Page) -> None:
    """Nothing for axe to find, and no wider than the phone."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def pass_the_code(page: Page, box: Mailbox, email: str) -> None:
    code = code_for(box, email)
    page.get_by_label("6-digit code").fill(another(code))
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("6-digit code").fill(code)
    page.get_by_role("button", name="Continue").click()


def test_a_phone_goes_through_every_kind_of_field(
    api: Api, server: Living, box: Mailbox, browser: Browser
) -> None:
    email, complaints = f"{fresh('guest')}@example.org", list[str]()
    task = created(api, **EVERY_KIND, assignee_email=email)
    page = opened(browser, task["url"], complaints)
    is_sound(page)
    pass_the_code(page, box, email)
    page.get_by_role("heading", name=EVERY_KIND["title"]).wait_for()
    is_sound(page)
    page.get_by_label("Photos").set_input_files([PHOTO])
    page.get_by_role("button", name="Send").click()
    page.locator("#summary").wait_for()
    is_sound(page)
    page.get_by_label("Number on the frame").fill("B-7")
    page.get_by_label("Kilometres").fill("12")
    page.get_by_label("Colour").select_option("blue")
    page.get_by_label("I agree to the terms").check()
    page.get_by_label("Signature").and_(page.locator("input")).fill("Ada")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    is_sound(page)
    page.goto(task["url"])
    page.get_by_role("heading", name="Already answered").wait_for()
    is_sound(page)
    data = seen(api, task["task_id"])["data"]
    assert (data["code"], data["km"], data["colour"], data["agree"]) == ("B-7", 12, "blue", True)
    assert data["photos"][0]["name"] == "bell.png", "kept over the page with faults"
    assert data["signed"].startswith("data:image/png;base64,")
    assert complaints == []
    page.context.close()


def test_it_works_without_javascript(
    api: Api, server: Living, box: Mailbox, browser: Browser
) -> None:
    email, complaints = f"{fresh('guest')}@example.org", list[str]()
    blocks = [asking("name", "Your name", "text"), asking("scan", "Scan", "file")]
    steps = [{"id": "a", "title": "Part", "blocks": blocks}]
    task = created(api, title="Plain", steps=steps, assignee_email=email)
    page = opened(browser, task["url"], complaints, java_script_enabled=False)
    pass_the_code(page, box, email)
    page.get_by_label("Scan").set_input_files([PHOTO])
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="Your name: is required").wait_for()
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    page.goto(task["url"])
    page.get_by_role("heading", name="Already answered").wait_for()
    data = seen(api, task["task_id"])["data"]
    assert (data["name"], data["scan"][0]["size"]) == ("Ada", len(PHOTO["buffer"]))
    assert complaints == []
    page.context.close()
