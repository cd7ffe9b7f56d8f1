from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from watched_site import CHROMIUM_FLAGS, Site, Visit


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: while it runs, `asyncio.run` is refused in this thread."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def serving() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def visit(browser: Browser, serving: Site) -> Iterator[Visit]:
    """A phone that looks at the site; whatever it complains of or asks elsewhere for is a fault."""
    serving.forget()
    seen = Visit(browser, serving)
    yield seen
    seen.close()
    assert not seen.complaints
    assert not seen.asked_outside
