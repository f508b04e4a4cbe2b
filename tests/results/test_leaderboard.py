"""``rac-ray results SWEEP.. --leaderboard``: the terminal, the files, the page, JSON; and what is refused."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from rac_ray.cli.command import main
from rac_ray.results.board_tables import BOARD_COLUMNS, PAIR_COLUMNS
from rac_ray.results.capsule import pack
from rac_ray.results.leaderboard import write_leaderboard
from rac_ray.store.storage import Storage
from tests.browsing import NEEDS_CHROMIUM, Seen, browser, seen
from tests.results.studies import SHAPES
from tests.results.sweeps import unfinished, write_sweep

__all__ = ["browser", "seen"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep's folder, a capsule of another one, and a third that was asked about other clips."""
    folder = tmp_path_factory.mktemp("sweeps")
    write_sweep(folder / "mine", {"cnn3d": 0.6, "convlstm": 0.5})
    theirs = write_sweep(folder / "theirs", {"average": 0.4, "cnn3d": 0.6}, commit="<b>x</b>")
    pack(Storage.at(theirs), folder / "theirs.tar.zst", SHAPES, title="ts_grid laptop")
    write_sweep(folder / "apart", {"bag": 0.5}, content="other clips")
    return folder


@pytest.fixture
def sweeps(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a copy of these."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ranked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["results", *arguments])
    out, err = capsys.readouterr()
    return stopped.value.code, out, err


def test_a_terminal_gets_a_table_that_fits(sweeps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ranked(capsys, "--leaderboard", "mine", "theirs.tar.zst")
    assert code == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1].startswith(
        "Trained on 2Dot, asked about 5Dot, MNIST; points ahead: by how many points of a percent"
    )
    rows = [re.split(" {2,}", line)[:2] for line in lines if re.match("(3D CNN|ConvLSTM|average) ", line)]
    assert rows == [["3D CNN", "1"], ["ConvLSTM", "2"], ["average", "3"]]
    assert "sweep 1: mine; preset -; capsule -; commit abc123; seeds 0, 42, 61; at most 100 epochs; 12 trials on" in out
    assert "sweep 2: theirs.tar.zst; preset ts_grid laptop; capsule " in out
    assert "Of 3 models 3D CNN is the most robust one at the same accuracy on its own domain." in lines
    assert "6 trials of theirs.tar.zst are in a sweep that was named before it, and counted there." in lines
    assert lines[-2:] == ["files: leaderboard", "open leaderboard/leaderboard.html"]


def test_files_are_beside_the_page(sweeps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ranked(capsys, "mine", "--leaderboard", "theirs.tar.zst", "--to", "board", "--json")
    value = json.loads(out)
    assert (code, value["page"], value["answer"][0][:18]) == (
        0,
        f"{sweeps}/board/leaderboard.html",
        "Of 3 models 3D CNN",
    )
    assert json.loads(Path("board/leaderboard.json").read_text()) == value
    (told,) = value["boards"]
    assert [(row["model"], row["first_place"], row["sweep"]) for row in told["rows"]] == [
        ("cnn3d", 1, "mine"), ("convlstm", 2, "mine"), ("average", 3, "theirs.tar.zst"),
    ]  # fmt: skip
    assert {each["target"] for each in told["asked"]} == {"2dot", "5dot", "mnist"}
    for name, columns in (("leaderboard", BOARD_COLUMNS), ("leaderboard-pairs", PAIR_COLUMNS)):
        frame = pd.read_parquet(f"board/tables/{name}.parquet")
        assert list(frame) == columns
        assert list(pd.read_csv(f"board/tables/{name}.csv", comment="#")) == columns
        assert len(frame) == 3
        assert all(Path(f"board/tables/{name}.{suffix}").exists() for suffix in ("md", "tex"))
    assert pd.read_parquet("board/tables/leaderboard.parquet")["lead"].tolist() == pytest.approx([0.15, 0, -0.15])


def test_what_cannot_be_compared_stands_apart_and_says_why(sweeps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ranked(capsys, "mine", "apart", "--leaderboard", "--to", "board")
    said = " ".join(out.split())
    assert code == 0
    assert "Board 1: Trained on 2Dot" in said
    assert "Board 2: Trained on 2Dot" in said
    assert "no place: Bag of frames: nobody else has trials enough to be compared with" in said
    assert "Board 2: no model has a place." in said
    assert (
        "Board 2 stands apart from board 1, since its trials cannot be compared with those: they were asked about "
        "other clips of 2dot/test, 2dot/val, 5dot/test, mnist/test."
    ) in said
    assert pd.read_parquet("board/tables/leaderboard.parquet")["board"].tolist() == [1, 1, 2]


def test_no_failed_trial_vanishes(tmp_path: Path) -> None:
    """Of one source all trials failed, so that there is no board for them."""
    folder = write_sweep(tmp_path / "one", {"cnn3d": 0.6, "bag": 0.4})
    write_sweep(folder, {"vivit": 0.4}, source="mnist_bg", data="elsewhere")
    unfinished(unfinished(folder, "bag", failed=[0]), "vivit", failed=[0, 42, 61])
    found = write_leaderboard([str(folder)], Storage.at(tmp_path / "board"), lambda _: SHAPES)
    lines = " ".join(found.lines())
    assert "2 of 12 trials failed" in lines
    assert f"On no board, since no trial on the same clips counts: of {folder} 6 of 6 trials failed." in found.answers
    (told,) = found.value()["boards"]
    assert {row["model"]: row["failed"] for row in told["rows"]} == {"cnn3d": 0, "bag": 2}
    assert "2 failed" in (tmp_path / "board/tables/leaderboard.md").read_text()


def test_the_page_runs_nothing_that_records_say(sweeps: Path) -> None:
    found = write_leaderboard(["mine", "theirs.tar.zst", "apart"], Storage.at("board"), lambda _: SHAPES)
    text = Path("board/leaderboard.html").read_text()
    assert len(text) < 100_000
    assert "<b>x</b>" not in text
    (content,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    data = json.loads(content)
    assert data["title"] == "Leaderboard"
    assert data["answer"] == found.answers
    headings = [(section["group"], section["heading"]) for section in data["sections"]]
    assert headings == [
        ("main", "Board 1: Trained on 2dot, asked about 5dot, mnist"),
        ("figures", "Board 1: Who was compared with whom"),
        ("main", "Board 2: Trained on 2dot, asked about 5dot, mnist"),
        ("tables", "Sweeps"),
    ]
    table, more = data["sections"][0]["table"], data["sections"][0]["more"]
    assert [row[:2] for row in table["rows"]] == [["3D CNN", "1"], ["ConvLSTM", "2"], ["average", "3"]]
    assert data["sections"][2]["note"].startswith("No place: Bag of frames: nobody else has trials enough")
    assert len(more["rows"]) == 3
    assert "robustness ratio" in more["columns"]


@NEEDS_CHROMIUM
def test_a_browser_shows_the_page_without_a_network(sweeps: Path, seen: Seen) -> None:
    write_leaderboard(["mine", "theirs.tar.zst"], Storage.at("board"), lambda _: SHAPES)
    seen.page.goto(f"file://{sweeps}/board/leaderboard.html")
    table = seen.page.locator("table").first
    assert [row.split("\t")[:2] for row in table.inner_text().splitlines()] == [
        ["model", "place"], ["3D CNN", "1"], ["ConvLSTM", "2"], ["average", "3"],
    ]  # fmt: skip
    assert seen.page.locator("section h2, section h3, summary").all_inner_texts()[0].startswith("Trained on 2dot")
    assert (seen.errors, len(seen.requests)) == ([], 1)
    found = Axe().run(seen.page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["mine", "theirs"], "2 folders: mine, theirs; valid: one, or several with --leaderboard"),
        (["mine", "theirs", "--watch", "3"], "2 folders: mine, theirs; valid: one, or several with --leaderboard"),
        (["mine", "--leaderboard", "--verdict"], "--leaderboard and --verdict: valid: one of them"),
        (["mine", "--leaderboard", "--no-report"], "--leaderboard and --no-report: valid: one of them"),
        (["mine", "--leaderboard", "--export", "x"], "--leaderboard and --export: valid: one of them"),
        (["mine", "--leaderboard", "--log", "tensorboard"], "--leaderboard and --log: valid: one of them"),
        (["mine", "--leaderboard", "--watch", "3"], "--leaderboard and --watch: valid: one of them"),
        (["--leaderboard"], "folder is required; see --help"),
        (
            ["mine", "none", "--leaderboard"],
            "there are no trials in 'none'; valid: a sweep's folder, which has trials/",
        ),
        (["reference", "--leaderboard"], "reference of which study? valid: beside a sweep's folder or a capsule"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_sentence_and_writes_nothing(
    arguments: list[str], sentence: str, sweeps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(sweeps.iterdir())
    code, out, err = ranked(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {sentence}")
    assert sorted(sweeps.iterdir()) == before


def test_it_needs_neither_ray_nor_torch(sweeps: Path) -> None:
    script = (
        "import sys; from rac_ray.cli.command import main\n"
        "try: main(['results', 'mine', 'theirs.tar.zst', '--leaderboard'])\n"
        "except SystemExit as ended: assert ended.code == 0\n"
        "assert not {'ray', 'torch', 'pytorch_lightning'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
