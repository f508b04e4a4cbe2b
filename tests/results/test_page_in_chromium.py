"""A report as newcomers see it: the order of its parts, names, widths, colours, and what a screen reader finds."""

import io
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from rac_ray.results.analysis import Analysis
from rac_ray.results.claim_rows import ClaimRow
from rac_ray.results.figures import pictures
from rac_ray.results.opening import opening_of
from rac_ray.results.report import write_report
from rac_ray.results.report_parts import claims, sections
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec, make_clip
from rac_ray.studies.temporal_shape.results import NAMED, QUESTION
from tests.browsing import NEEDS_CHROMIUM, Seen, browser, seen
from tests.results.studies import Shapes
from tests.results.synthetic import sweep

__all__ = ["browser", "seen"]
pytestmark = NEEDS_CHROMIUM
WIDTHS = (1440, 800, 390)
TOO_WIDE = """boxes => boxes.filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.getAttribute("aria-label"))"""
FIRST_SCREEN = ["h1", ".answer", ".rulings", ".domains", "nav"]


class Asking(Shapes):
    """With a question and names of domains."""

    question = QUESTION
    domains = NAMED


def frames_of(clip_id: str) -> NDArray[np.uint8]:
    domain, split, number = clip_id.split("/")
    return make_clip(TemporalShapeSpec(), domain, split, int(number)).frames


def truth(model: str, _size: int, source: str, target: str) -> float:
    if model == "timesformer1":
        return 0.2
    return {source: 0.8, "5dot": 0.7, "mnist": 0.45}.get(target, 0.3)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three seeds of four models, one of which is at chance."""
    tables = sweep(truth, sizes=(2, 8), seeds=(1, 2, 3), clips=100)
    tables.trials["about"] = ""
    analysis = Analysis(tables, Asking("shapes"))
    folder = Storage.at(tmp_path_factory.mktemp("page"))
    address = write_report(
        tables,
        folder,
        title="a demo",
        sections=sections(analysis, pictures(analysis)),
        clips=frames_of,
        opening=opening_of(analysis, len(tables.trials)),
        claims=claims(analysis),
    )
    return f"file://{address}"


def opened(seen: Seen, report: str, width: int = 1440, scheme: str = "light") -> Page:
    seen.page.set_viewport_size({"width": width, "height": 900})
    seen.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    seen.page.goto(report)
    seen.page.locator("h1").first.wait_for()
    return seen.page


def test_question_answer_verdicts_clips_and_main_figure_are_above_the_fold(seen: Seen, report: str) -> None:
    page = opened(seen, report)
    boxes = [page.locator(f"#overview {each}").first.bounding_box() for each in FIRST_SCREEN]
    ends = [box["y"] + box["height"] for box in boxes if box is not None]
    assert len(ends) == len(FIRST_SCREEN)
    assert ends == sorted(ends)
    assert ends[-1] < 600
    figure = page.locator("#main img").bounding_box()
    assert figure is not None
    assert figure["y"] < 700
    assert page.locator("h1").first.inner_text() == QUESTION
    assert page.locator(".domain img").count() == page.locator(".domain").count() == 5
    assert "TimeSf-1 is at chance, so nothing can be said of how robust it is." in page.locator(".answer").inner_text()
    assert page.locator(".next").inner_text().startswith("Look next at TimeSf-1")


def test_parts_are_in_the_order_in_which_they_are_wanted(seen: Seen, report: str) -> None:
    page = opened(seen, report)
    names = ["main", "claims", "trials", "ratios", "figures", "tables", "failures", "provenance"]
    assert page.locator("#overview section").evaluate_all("parts => parts.map((part) => part.id)") == names
    assert page.locator("nav a").count() == len(names)
    assert not page.locator("#provenance details").evaluate("details => details.open")


def test_models_and_domains_have_one_name(seen: Seen, report: str) -> None:
    said = opened(seen, report).locator("#overview").inner_text()
    assert not {"timesformer1", "mnist_bg_half", "robustness_ratio"} & set(said.split())
    assert {"TimeSf-1", "MNIST-bg"} <= set(said.split())


def test_a_model_at_chance_has_no_ratio_anywhere(seen: Seen, report: str) -> None:
    page = opened(seen, report)
    rows = page.locator("#trial-table tbody tr")
    assert [text.count("never learned") for text in rows.all_inner_texts()] == [0] * 12 + [1] * 6 + [0] * 6
    for name in ("Robustness ratio against model size", "Comparisons"):
        table = page.locator(f'.scrolling[aria-label^="{name}"]').first
        guessing = [text for text in table.locator("tbody tr").all_inner_texts() if "TimeSf-1" in text]
        assert guessing
        assert all("at chance" in text for text in guessing)
    page.locator("#ratios .plot").first.scroll_into_view_if_needed()
    page.locator("#ratios .plot .points path").first.wait_for()
    points = page.locator("#ratios .plot").first.locator(".points path")
    opacity = points.evaluate_all("points => points.map((point) => Number(getComputedStyle(point).opacity))")
    faded = len([value for value in opacity if value < 0.5])
    assert faded == 6
    page.goto(f"{report}#trial/{page.locator('#trial-table a').nth(12).inner_text()}")
    assert "never learned" in page.locator("#trial header").inner_text()
    assert page.locator("#trial td", has_text="at chance").count() > 0


def test_a_click_on_a_claim_shows_its_contrasts(seen: Seen, report: str) -> None:
    page = opened(seen, report)
    assert page.locator("tr.claim").count() == 11
    verdicts = page.locator("tr.claim .ruling").all_inner_texts()
    tested = len(verdicts) - verdicts.count("not tested")
    assert verdicts[tested:] == ["not tested"] * verdicts.count("not tested"), "those that are decided come first"
    quote = page.locator("tr.claim .quote").first
    contrasts = page.locator("tr.contrasts").first
    assert contrasts.is_hidden()
    quote.click()
    assert quote.get_attribute("aria-expanded") == "true"
    assert contrasts.locator("tbody tr").count() == 6
    quote.press("Enter")
    assert contrasts.is_hidden()


@pytest.mark.parametrize(("paper", "more"), [("not printed", 0), ("+0.12", 1)])
def test_the_papers_numbers_have_columns_where_it_prints_any(paper: str, more: int, seen: Seen, tmp_path: Path) -> None:
    contrast = ["seen", "a", "b", "c", paper]
    row = ClaimRow("", "underpowered", "it is", "here", "seen", paper, "3 more", "why", [contrast])
    tables = sweep(truth, models=("cnn3d",), sizes=(2,), seeds=(1,), clips=50)
    page = opened(seen, f"file://{write_report(tables, Storage.at(tmp_path), title='a sweep', claims=[row])}")
    own = ["what the paper says", "verdict", "seen here", "paper's difference", "seeds to decide"]
    heads = page.locator("table.claims > thead th")
    assert heads.all_inner_texts() == [name for name in own if more or name != "paper's difference"]
    page.locator("tr.claim .quote").click()
    inner = page.locator("tr.contrasts tbody td")
    assert inner.all_inner_texts() == contrast[: 4 + more]
    assert page.locator("tr.contrasts > td").get_attribute("colspan") == str(4 + more)


def test_who_wants_all_columns_chooses_them(seen: Seen, report: str) -> None:
    page = opened(seen, report)
    heads = page.locator("#trial-table thead th:visible")
    assert heads.count() == 7
    page.locator("#trials details.columns summary").click()
    page.get_by_label("MNIST robustness ratio").check()
    assert heads.count() == 8
    page.locator("#trials").get_by_role("button", name="all columns").click()
    assert heads.count() == 19
    expect(page.locator("#trials .cue")).to_be_visible()  # the page looks again after it has been laid out


def test_no_table_is_wider_than_its_box_on_a_desktop(seen: Seen, report: str) -> None:
    page = opened(seen, report)
    assert page.locator(".scrolling").evaluate_all(TOO_WIDE) == []
    expect(page.locator(".cue:visible")).to_have_count(0)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_and_wide_tables_say_so(seen: Seen, report: str, width: int) -> None:
    page = opened(seen, report, width)
    wide = page.locator("#overview .scrolling").evaluate_all(TOO_WIDE)
    expect(page.locator("#overview .cue:visible")).to_have_count(len(wide))
    trial = page.locator("#trial-table a").first.inner_text()
    for hash_ in ("", f"#trial/{trial}"):
        page.goto(report + hash_)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(seen: Seen, report: str, width: int, scheme: str) -> None:
    page = opened(seen, report, width, scheme)
    trial = page.locator("#trial-table a").nth(12).inner_text()
    for hash_ in ("", f"#trial/{trial}"):
        page.goto(report + hash_)
        page.wait_for_timeout(300)
        found = Axe().run(page).response
        assert len(found["passes"]) > 10
        violations = [(each["id"], each["impact"], each["nodes"][0]["html"][:120]) for each in found["violations"]]
        assert [each for each in violations if each[1] in ("serious", "critical")] == []


def test_figures_are_dark_where_the_page_is(seen: Seen, report: str) -> None:
    light, dark = (figure_pixels(seen, report, scheme) for scheme in ("light", "dark"))
    assert np.median(light) > 200
    assert np.median(dark) < 60
    assert np.percentile(dark, 99.5) > 120, "text is light"


def figure_pixels(seen: Seen, report: str, scheme: str) -> NDArray[np.uint8]:
    page = opened(seen, report, scheme=scheme)
    figure = page.locator("#main img")
    figure.scroll_into_view_if_needed()
    picture = page.screenshot()
    box = figure.bounding_box()
    assert box is not None
    left, top = int(box["x"]), int(box["y"])
    part = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
    return part[top : top + int(box["height"]), left : left + int(box["width"])]
