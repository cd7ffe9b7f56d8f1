"""The TypeScript package: its own tests, those that ask a server with a real one, its example.

All in one file: the example is built with the package that the package's own tests build anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from free_port import free_port
from importing import TOKEN, Office
from npm import TRAY, WEB, npm
from playwright.sync_api import Page, expect, sync_playwright
from programs import Program

OF_PAGES = "tests/page.test.ts"
OF_A_SERVER = ["tests/live.test.ts", "tests/faults.test.ts", OF_PAGES]
OPEN = ("pending", "running", "waiting_review")
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"]
WAIT_MS = 30_000


@pytest.mark.timeout(300)
def test_the_package_alone_passes_its_tests() -> None:
    npm(WEB, "run", "--silent", "test", "--", "--exclude", OF_PAGES)


@pytest.mark.timeout(300)
def test_the_package_follows_jobs_of_a_real_server(office: Office) -> None:
    words = ["run", "--silent", "test", "--", *OF_A_SERVER]
    npm(WEB, *words, PROCESSION_URL=address(office), PROCESSION_TOKEN=TOKEN)
    jobs = {job["id"]: job["status"] for job in office.call("GET", "/api/processes?limit=200").body}
    assert {"completed", "failed", "cancelled"} <= set(jobs.values())
    # What the tests left behind would be waited for when the worker is told to end.
    for number, status in jobs.items():
        if status in OPEN:
            office.call("POST", f"/api/processes/{number}/cancel", b"{}")


def address(office: Office) -> str:
    return f"http://127.0.0.1:{office.port}"


@pytest.fixture(scope="module")
def example(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The example's page as Vite builds and serves it, before the real server."""
    home = tmp_path_factory.mktemp("example")
    npm(WEB, "run", "--silent", "build")
    vite = ["exec", "--", "vite"]
    npm(TRAY, *vite, "build", "--outDir", str(home / "page"), "--logLevel", "error")
    port = free_port()
    words = ["npm", "--prefix", str(TRAY), *vite, "preview", str(TRAY), "--host", "127.0.0.1"]
    words += ["--port", str(port), "--strictPort", "--outDir", str(home / "page")]
    served = Program("page", words, home, {"PROCESSION_URL": address(office)})
    try:
        served.first_line()
        yield f"http://127.0.0.1:{port}/"
    finally:
        served.end()


@pytest.fixture
def page(example: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        page.goto(example)
        page.get_by_label("API token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        yield page
        browser.close()


def test_the_example_imports_a_csv_file_with_a_correction(office: Office, page: Page) -> None:
    page.get_by_label("CSV file").set_input_files(TRAY / "places.csv")
    page.get_by_role("button", name="Start", exact=True).click()
    job = page.get_by_role("region", name="Jobs").get_by_role("listitem").first
    expect(job).to_contain_text("5 rows checked, 2 with errors")
    expect(job.get_by_role("progressbar")).to_have_attribute("value", "45")
    expect(job).to_contain_text("3 of 5 rows can be imported, 2 have errors.")
    job.get_by_label("Line 3, seats").fill("40")
    job.get_by_role("button", name="Approve").click()
    expect(job).to_contain_text("Completed")
    names = [(name, seats) for name, _, seats, _ in office.rows()]
    assert names == [
        ("Harbour Café", 24),
        ("Old Mill", 40),
        ("Station Bar", 4),
        ("Garden Room", 60),
    ]


def test_the_example_shows_progress_live_and_a_draft_as_text(page: Page) -> None:
    page.get_by_label("Job", exact=True).select_option("sleep")
    page.get_by_role("button", name="Start", exact=True).click()
    tray = page.get_by_role("region", name="Jobs")
    bar = tray.get_by_role("listitem").first.get_by_role("progressbar")
    expect(bar).to_have_attribute("value", re.compile(r"^[1-9]\d?$"))
    tray.get_by_role("button", name=re.compile("^Cancel: sleep")).click()
    expect(tray.get_by_role("listitem").first).to_contain_text("Cancelled")

    page.get_by_label("Job", exact=True).select_option("draft")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("textbox", name="Draft").fill("not JSON")
    tray.get_by_role("button", name="Approve").click()
    expect(tray.get_by_role("alert")).to_contain_text("JSON")
    page.get_by_role("textbox", name="Draft").fill('{"rows": 2}')
    tray.get_by_role("button", name="Approve").click()
    expect(tray.get_by_role("listitem").first).to_contain_text("Completed")
