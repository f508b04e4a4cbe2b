"""A real browser for tests of reports and dashboards."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, chromium-browser or google-chrome")


@dataclass
class Seen:
    """What a page said and asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def seen(browser: Browser) -> Iterator[Seen]:
    """A page of its own; all that it logs, and all that it asks for besides data URIs."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, offline=True)
    context.set_default_timeout(10_000)
    seen = Seen(context.new_page())
    seen.page.on("console", lambda message: seen.errors.append(message.text))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    yield seen
    context.close()
