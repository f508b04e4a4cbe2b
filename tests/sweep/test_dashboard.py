"""Ray's dashboard in a real browser while a sweep runs. The pictures in docs/pictures are what these tests see.

``RAC_RAY_PICTURES=docs/pictures python -m pytest -m slow tests/sweep/test_dashboard.py`` takes them anew.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from ray.job_submission import JobSubmissionClient

from tests.browsing import NEEDS_CHROMIUM, browser
from tests.sweep.watched import Watched, watched

__all__ = ["browser", "watched"]
pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]
NAMES = ["timesformer1 h=2 2dot seed=0", "timesformer1 h=2 2dot seed=1"]
SECONDS = 60
expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture
def page(browser: Browser, watched: Watched) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, base_url=watched.ray)
    context.set_default_timeout(SECONDS * 1000)
    yield context.new_page()
    context.close()


@pytest.fixture
def picture(page: Page, tmp_path: Path) -> Callable[[str], None]:
    folder = Path(os.environ.get("RAC_RAY_PICTURES", tmp_path))

    def take(name: str) -> None:
        path = folder / f"ray-{name}.png"
        page.screenshot(path=path, animations="disabled")
        assert path.stat().st_size < 300_000

    return take


def column(page: Page, title: str) -> list[str]:
    """The cells below a heading of the first table that has it."""
    table = page.locator("table", has=page.locator("th", has_text=re.compile(f"^{title}$"))).first
    titles = [each.strip() for each in table.locator("th").all_inner_texts()]
    return [each.strip() for each in table.locator(f"tbody td:nth-child({titles.index(title) + 1})").all_inner_texts()]


def test_actors_are_named_by_the_sweep(page: Page, picture: Callable[[str], None]) -> None:
    page.goto("/#/actors")
    expect(page.get_by_role("cell", name="Trials", exact=True)).to_be_visible()
    expect(page.get_by_role("cell", name="TrialProcess", exact=True)).to_have_count(2)
    shown = list(zip(column(page, "Class"), column(page, "Repr"), column(page, "State"), strict=True))
    assert sorted(each for each in shown if each[0].startswith("Trial")) == [
        ("TrialProcess", "tiny all", "ALIVE"),
        ("TrialProcess", "tiny all", "ALIVE"),
        ("Trials", "tiny all", "ALIVE"),
    ]
    picture("actors")


def test_the_trials_are_tasks_of_one_actor(page: Page, picture: Callable[[str], None]) -> None:
    page.goto("/#/actors")
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name="Trials", exact=True))
    row.get_by_role("link").first.click()
    page.get_by_text("Tasks History", exact=True).click()
    for name in NAMES:
        expect(page.get_by_role("cell", name=name, exact=True)).to_be_visible()
    states = dict(zip(column(page, "Name"), column(page, "State"), strict=True))
    assert {name: states[name] for name in NAMES} == dict.fromkeys(NAMES, "RUNNING")
    page.get_by_text("Tasks History", exact=True).evaluate("each => each.scrollIntoView()")
    picture("trials")


def test_the_jobs_page_has_the_progress(page: Page, watched: Watched, picture: Callable[[str], None]) -> None:
    page.goto("/#/jobs")
    expect(page.get_by_text(watched.job_id, exact=True)).to_be_visible()
    said = page.get_by_text(re.compile(r"^0/3 done, 2 running, 0 failed; best val top-1 \d\.\d{3}, timesformer1 "))
    expect(said).to_be_visible()
    page.get_by_role("button", name="Expand").click()
    expect(page.get_by_role("dialog").get_by_text("0/3 done, 2 running")).to_be_visible()
    picture("jobs")
    info = JobSubmissionClient(watched.ray).get_job_info(watched.job_id)
    assert info.status == "RUNNING"
    assert info.metadata
    assert info.metadata["job_name"] == "tiny"
    assert info.metadata["trials"] == "0/3 done, 2 running, 0 failed"
    assert re.fullmatch(r"val top-1 [01]\.\d{3}, timesformer1 h=2 2dot seed=[01]", info.metadata["best"])


def test_the_metrics_page_embeds_the_panels_of_the_sweep(
    page: Page, watched: Watched, repository: Path, picture: Callable[[str], None]
) -> None:
    if not shutil.which("prometheus"):
        pytest.skip("needs a prometheus binary in PATH")
    ours = json.loads((repository / "cluster/monitoring/dashboard.json").read_text())
    page.goto("/#/metrics")
    frame = page.locator("iframe[title='Core Dashboard']")
    expect(frame).to_be_visible()
    url = urlsplit(frame.get_attribute("src") or "")
    assert (f"{url.scheme}://{url.netloc}", url.path) == (watched.grafana, "/d/rayDefaultDashboard/")
    assert parse_qs(url.query)["var-datasource"] == ["Prometheus"]
    first = [panel["title"] for panel in ours["panels"]][1]
    expect(frame.content_frame.get_by_text(first).first).to_be_visible()
    if shutil.which("grafana"):
        picture("metrics")


def test_prometheus_finds_the_sweep_by_itself(watched: Watched) -> None:
    if not shutil.which("prometheus"):
        pytest.skip("needs a prometheus binary in PATH")
    from tests.sweep.test_metrics import Prometheus, wait_until

    def running() -> list[str]:
        return [
            each["value"][1]
            for each in Prometheus(watched.prometheus).query('sum(ray_rac_trial_state{state="running"})')
        ]

    wait_until(lambda: running() == ["2"])
    assert running() == ["2"]


def test_rays_dashboard_has_no_page_of_train_runs(page: Page) -> None:
    """docs/monitoring.md says so, and where the list is."""
    page.goto("/#/actors")
    links = page.locator("p > a[href^='#/']")
    expect(links.first).to_be_visible()
    assert links.all_inner_texts() == ["Overview", "Jobs", "Serve", "Cluster", "Actors", "Metrics", "Logs"]
