"""The report in a real browser, from a file, without network."""

import io
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, TimeoutError, expect

from rac_ray.results.report import write_report
from rac_ray.results.sections import Section
from rac_ray.store.storage import Storage
from tests.browsing import NEEDS_CHROMIUM, Seen, browser, seen
from tests.results.many_trials import HOSTILE_REASON, HOSTILE_TRACEBACK, frames_of, sweep, without_results

__all__ = ["browser", "seen"]
pytestmark = NEEDS_CHROMIUM

DONE, HOSTILE = "000000000000", "00000000000c"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="30"><rect id="a" width="90" height="30"/></svg>'
HOSTILE_MODEL = "<b>bold</b><img src=x onerror=alert(2)>"
ROWS = "#trial-table tbody tr"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    tables = sweep()
    tables.trials["model"] = tables.trials["model"].replace(["timesformer1", "timesformer8"], HOSTILE_MODEL)
    sections = [
        Section(HOSTILE_REASON, "A note.", tables.trials.reindex(columns=["model", "seed"]), SVG),
        Section("Again", "", None, SVG),
    ]
    folder = Storage.at(tmp_path_factory.mktemp("report"))
    return f"file://{write_report(tables, folder, title='A sweep', sections=sections, clips=frames_of)}"


def column(page: Page, number: int) -> list[str]:
    return page.locator(f"{ROWS} td:nth-child({number})").all_inner_texts()


def drawn_ratios(page: Page) -> Locator:
    """The points of the first panel, which are drawn when it comes into sight."""
    page.locator("#ratios .plot").first.scroll_into_view_if_needed()
    points = page.locator("#ratios .plot").first.locator(".points path")
    points.first.wait_for()
    return points


def hover(page: Page, point: Locator) -> None:
    """Move the mouse onto a point of a plot and wait for its values."""
    box = point.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 30, y)
    page.mouse.move(x, y, steps=5)
    page.locator("#ratios .hoverlayer text").first.wait_for()


def open_trial(page: Page, point: Locator) -> None:
    """Click on a point until its trial opens: plots below that are drawn meanwhile take a slow machine's time."""
    trial = re.compile("#trial/[0-9a-f]{12}$")
    for _ in range(5):
        hover(page, point)
        page.mouse.down()
        page.mouse.up()
        with suppress(TimeoutError):
            page.wait_for_url(trial, timeout=3000)
            return
    page.wait_for_url(trial)


def spread(picture: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(picture)).convert("L"), float).std())


def test_it_loads_from_a_file_and_asks_for_nothing(seen: Seen, report: str) -> None:
    page = seen.page
    page.goto(report)
    assert page.title() == "A sweep"
    drawn_ratios(page)
    page.locator("#failures").scroll_into_view_if_needed()
    assert page.locator(ROWS).count() == 16
    assert spread(page.screenshot(full_page=True)) > 10
    assert page.locator(".drawing img").evaluate_all("images => images.map((image) => image.naturalWidth)") == [90, 90]
    assert [url for url in seen.requests if not url.startswith("data:")] == [report]
    assert seen.errors == []


def test_a_click_on_a_heading_sorts_the_rows(seen: Seen, report: str) -> None:
    page = seen.page
    page.goto(report)
    before = column(page, 1)
    head = page.get_by_role("columnheader", name="best validation %")
    head.get_by_role("button").click()
    rising = [float(text) for text in column(page, 7) if text != "–"]
    assert head.get_attribute("aria-sort") == "ascending"
    assert rising == sorted(rising)
    assert column(page, 7)[-4:] == ["–"] * 4
    head.get_by_role("button").press("Enter")
    falling = [float(text) for text in column(page, 7) if text != "–"]
    assert head.get_attribute("aria-sort") == "descending"
    assert falling == rising[::-1]
    assert column(page, 1) != before
    page.get_by_role("columnheader", name="trial").get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert column(page, 1) == before


def test_text_and_choices_hide_rows(seen: Seen, report: str) -> None:
    page = seen.page
    page.goto(report)
    page.select_option("#filter-state", "failed")
    assert column(page, 2) == ["failed", "failed"]
    page.fill("#filter", "MEMORY out")
    assert column(page, 1) == ["00000000000d"]
    assert page.get_by_role("status").inner_text() == "1 of 16 trials"
    page.fill("#filter", "no such thing")
    assert page.locator(ROWS).count() == 0
    page.fill("#filter", "")
    page.select_option("#filter-state", "")
    assert page.locator(ROWS).count() == 16


def test_a_point_tells_its_trial_and_opens_it(seen: Seen, report: str) -> None:
    page = seen.page
    page.goto(report)
    hover(page, drawn_ratios(page).first)
    told = page.locator("#ratios .hoverlayer").first.text_content() or ""
    assert re.search(
        r"ConvLSTM, \d+ hidden units, seed \d+robustness ratio \d\.\d+, accuracy \d+\.\d %trial [0-9a-f]{12}", told
    )
    open_trial(page, drawn_ratios(page).first)
    assert page.locator("#overview").is_hidden()
    assert seen.errors == []


def test_a_model_can_be_taken_out_of_all_panels(seen: Seen, report: str) -> None:
    page = seen.page
    page.goto(report)
    points = drawn_ratios(page)
    expect(points).to_have_count(12)
    page.get_by_role("checkbox", name="3D CNN").uncheck()
    expect(points).to_have_count(8)
    page.get_by_role("checkbox", name="3D CNN").check()
    expect(points).to_have_count(12)


def test_mistakes_among_many_classes_are_the_most_frequent_ones(seen: Seen, tmp_path: Path) -> None:
    """Of 48 classes a matrix would have 2,304 cells."""
    tables = sweep()
    tables.trials["classes"] = tables.trials["classes"].where(tables.trials["classes"].isna(), 48)
    page = seen.page
    page.goto(f"file://{write_report(tables, Storage.at(tmp_path), title='A sweep')}#trial/{DONE}")
    place = page.locator("#trial .sets").first
    page.locator("#trial h1").wait_for()
    assert page.locator("#trial table.confusion").count() == 0
    assert place.locator("h3").count() == 5
    own = tables.predictions.query("trial_id == @DONE and target == 'mnist' and label != predicted")
    (((truth, said), clips),) = Counter(zip(own["label"], own["predicted"], strict=True)).most_common(1)
    table = place.locator("section", has_text="mnist:").locator("tbody tr")
    rows = [text.split("\t") for text in table.all_inner_texts()]
    counts = [int(row[2]) for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == clips
    assert [str(truth), str(said), str(clips)] in [row[:3] for row in rows]
    assert "Other pairs that were mistaken: " in place.inner_text()
    assert seen.errors == []


def test_a_trial_has_a_page_with_curves_matrices_and_moving_clips(seen: Seen, report: str) -> None:
    page = seen.page
    page.goto(f"{report}#trial/{DONE}")
    trial = page.locator("#trial")
    assert trial.locator("h1").inner_text() == "ConvLSTM, 2 hidden units, 2dot, seed 42"
    trial.locator(".plot .scatterlayer .trace").nth(3).wait_for()
    assert trial.locator(".plot .scatterlayer .trace").count() == 4
    sets = ["2dot validation", "2dot test", "5dot", "mnist", "mnist_bg"]
    rows = trial.locator('.scrolling[aria-label="Evaluations"] tbody tr')
    assert [text.split("\t")[0] for text in rows.all_inner_texts()] == sets
    captions = trial.locator("table.confusion caption").all_inner_texts()
    assert [text.partition(":")[0] for text in captions] == sets
    assert trial.locator(".sets h3").all_inner_texts() == sets[2:]
    clip = trial.locator(".clip img").first
    clip.scroll_into_view_if_needed()
    first = clip.screenshot()
    assert spread(first) > 10
    page.wait_for_timeout(350)
    assert clip.screenshot() != first
    assert "learning_rate" not in trial.inner_text()
    trial.get_by_text("Recipe, as in its record").click()
    assert "learning_rate" in trial.inner_text()
    page.get_by_role("link", name="all trials").click()
    page.locator("#trial-table").wait_for()
    assert trial.is_hidden()
    page.go_back()
    trial.locator("h1").wait_for()
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [report]


def test_clips_stand_still_for_who_asked_for_less_motion(seen: Seen, report: str) -> None:
    seen.page.emulate_media(reduced_motion="reduce")
    seen.page.goto(f"{report}#trial/{DONE}")
    assert seen.page.locator(".clip img").count() == 0
    seen.page.get_by_role("button", name="Play clips").click()
    assert seen.page.locator(".clip img").count() > 0


def test_an_unknown_trial_is_named(seen: Seen, report: str) -> None:
    seen.page.goto(f"{report}#trial/%3Cb%3E")
    assert seen.page.locator("#trial h1").inner_text() == "No trial <b>"
    assert seen.errors == []


def test_hostile_words_of_a_record_are_only_words(seen: Seen, report: str) -> None:
    page = seen.page
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(report)
    hover(page, drawn_ratios(page).last)
    assert HOSTILE_MODEL in (page.locator("#ratios .hoverlayer").first.text_content() or "")
    row = page.locator("#failures tbody tr").filter(has_text="code")
    assert HOSTILE_REASON in row.inner_text()
    row.get_by_text("traceback").click()
    assert HOSTILE_TRACEBACK in row.locator("pre").inner_text()
    assert page.locator("#figures h3").first.inner_text() == HOSTILE_REASON
    row.get_by_role("link", name=HOSTILE).click()
    assert HOSTILE_REASON in page.locator("#trial header").inner_text()
    assert HOSTILE_MODEL in page.locator("#trial h1").inner_text()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img:not([alt])").count() == 0
    assert (dialogs, seen.errors) == ([], [])


def test_the_policy_stops_what_is_put_into_the_page(seen: Seen, report: str) -> None:
    page = seen.page
    page.goto(report)
    markup = "<img src=x onerror='window.hacked = 1'><img src='https://example.org/x.png'>"
    page.evaluate(f"document.body.insertAdjacentHTML('beforeend', {markup!r})")
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in error for error in seen.errors)


def test_failed_attempts_are_listed_with_their_trials(seen: Seen, report: str) -> None:
    seen.page.goto(report)
    rows = seen.page.locator("#failures tbody tr")
    assert rows.locator("a").all_inner_texts() == [DONE, HOSTILE, "00000000000d"]
    assert "given up" in rows.nth(1).inner_text()
    assert "tried again" in rows.nth(0).inner_text()


def test_both_colour_schemes_are_drawn(seen: Seen, report: str) -> None:
    light, dark = [], []
    for scheme, pictures in (("light", light), ("dark", dark)):
        seen.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        seen.page.goto(report)
        drawn_ratios(seen.page)
        pictures.append(np.asarray(Image.open(io.BytesIO(seen.page.screenshot())).convert("L"), float).mean())
    assert dark[0] < 100 < light[0]


def test_an_unfinished_sweep_reloads_itself_where_it_stands(seen: Seen, tmp_path: Path) -> None:
    page = seen.page
    page.goto(f"file://{write_report(sweep(), Storage.at(tmp_path), title='Before', refresh_seconds=1)}")
    page.select_option("#filter-state", "done")
    page.get_by_role("columnheader", name="seed").get_by_role("button").click()
    page.evaluate("scrollTo(0, 400)")
    write_report(sweep(), Storage.at(tmp_path), title="After", refresh_seconds=1)
    expect(page).to_have_title("After")
    assert set(column(page, 2)) == {"done"}
    assert page.get_by_role("columnheader", name="seed").get_attribute("aria-sort") == "ascending"
    assert page.evaluate("scrollY") > 300
    page.locator("#refresh").uncheck()
    write_report(sweep(), Storage.at(tmp_path), title="Not seen", refresh_seconds=1)
    page.wait_for_timeout(1500)
    assert page.title() == "After"


def test_a_sweep_without_results_loads(seen: Seen, tmp_path: Path) -> None:
    address = write_report(without_results(sweep()), Storage.at(tmp_path), title="Nothing yet", clips=frames_of)
    seen.page.goto(f"file://{address}")
    assert seen.page.locator(ROWS).count() == 16
    assert "No trial has finished yet." in seen.page.locator("#ratios").inner_text()
    assert "No attempt has failed." in seen.page.locator("#failures").inner_text()
    seen.page.goto(f"file://{address}#trial/{DONE}")
    seen.page.locator("#trial h1").wait_for()
    assert "has not run" in seen.page.locator("#trial").inner_text()
    assert seen.errors == []


def test_four_hundred_trials_open_quickly(seen: Seen, tmp_path: Path) -> None:
    sizes = (2, 4, 6, 8, 10, 12, 16, 24, 32, 48)
    many = sweep(sizes, (42, 61, 47, 53, 57), ("2dot", "5dots"), clips=45, epochs=20)
    address = write_report(many, Storage.at(tmp_path), title="Many", clips=frames_of)
    seen.page.goto(f"file://{address}")
    assert seen.page.locator(ROWS).count() == 400
    assert seen.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 20_000
    assert seen.errors == []
