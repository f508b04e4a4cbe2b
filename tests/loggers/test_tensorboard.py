"""Event files, read back by TensorBoard."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status  # pyright: ignore[reportAttributeAccessIssue]

from rac_ray.loggers.protocol import Run, Sweep
from rac_ray.loggers.tensorboard import TensorBoard
from tests.loggers.targets import tensorboard_points

RUN = Run("0123456789ab", "cnn3d h=2 2dot seed=0", "running", {"model": "cnn3d", "recipe.learning_rate": 0.5})
PATH = "ts_grid/demo/cnn3d h=2 2dot seed=0-0123456789ab"


def epoch(number: int) -> dict[str, float]:
    return {"epoch": number, "val_top1": number / 4, "train_loss": 2.0}


@pytest.fixture
def board(tmp_path: Path) -> TensorBoard:
    return TensorBoard(str(tmp_path), Sweep("ts_grid", "demo"))


def points(folder: Path, tag: str) -> list[tuple[int, float]]:
    return tensorboard_points(folder)[PATH].get(tag, [])


def test_epochs_are_curves_and_what_it_came_to_are_final_values(board: TensorBoard, tmp_path: Path) -> None:
    for number in range(3):
        board.write(replace(RUN, epochs=[epoch(number)]))
        assert points(tmp_path, "curves/val_top1") == [(each, each / 4) for each in range(number + 1)]
    board.write(replace(RUN, state="done", finals={"final/top1/mnist/test": 0.625}))
    assert points(tmp_path, "curves/train_loss") == [(0, 2.0), (1, 2.0), (2, 2.0)]
    assert points(tmp_path, "final/top1/mnist/test") == [(0, 0.625)]


def test_epochs_that_are_told_again_are_not_written_again_by_anyone(board: TensorBoard, tmp_path: Path) -> None:
    done = replace(RUN, state="done", epochs=[epoch(n) for n in range(4)], finals={"final/epochs": 4.0})
    board.write(replace(RUN, epochs=[epoch(0), epoch(1)]))
    board.write(replace(RUN, epochs=[epoch(1), epoch(2)]))
    board.close()
    for _ in range(2):
        other = TensorBoard(str(tmp_path), Sweep("ts_grid", "demo"))
        other.write(done)
        other.close()
        assert points(tmp_path, "curves/val_top1") == [(n, n / 4) for n in range(4)]
        assert points(tmp_path, "final/epochs") == [(0, 4.0)]
    files = sorted(tmp_path.rglob("events.out.*"))
    TensorBoard(str(tmp_path), Sweep("ts_grid", "demo")).write(done)
    assert sorted(tmp_path.rglob("events.out.*")) == files


def test_a_training_has_one_run_whatever_the_preset(board: TensorBoard, tmp_path: Path) -> None:
    board.write(replace(RUN, epochs=[epoch(0)]))
    board.close()
    for preset in ("full", ""):
        other = TensorBoard(str(tmp_path), Sweep("ts_grid", preset))
        other.write(replace(RUN, state="done", epochs=[epoch(0), epoch(1)]))
    assert list(tensorboard_points(tmp_path)) == [PATH]
    assert points(tmp_path, "curves/val_top1") == [(0, 0.0), (1, 0.25)]


def test_a_final_value_that_changed_is_one_more_point(board: TensorBoard, tmp_path: Path) -> None:
    for value in (0.5, 0.5, 0.75):
        board.write(replace(RUN, state="done", finals={"final/top1/mnist/test": value}))
    assert points(tmp_path, "final/top1/mnist/test") == [(0, 0.5), (1, 0.75)]


def test_a_file_that_was_cut_off_loses_its_last_epoch_which_is_written_again(
    board: TensorBoard, tmp_path: Path
) -> None:
    board.write(replace(RUN, epochs=[epoch(0)]))
    board.write(replace(RUN, epochs=[epoch(1)]))
    board.close()
    (file,) = tmp_path.rglob("events.out.*")
    file.write_bytes(file.read_bytes()[:-10])
    assert points(tmp_path, "curves/val_top1") == [(0, 0.0)]
    other = TensorBoard(str(tmp_path), Sweep("ts_grid", "demo"))
    other.write(replace(RUN, state="done", epochs=[epoch(0), epoch(1)]))
    assert points(tmp_path, "curves/val_top1") == [(0, 0.0), (1, 0.25)]


def hparams(folder: Path) -> tuple[dict[str, object], int, bytes]:
    """Parameters, status at the end, and what is said of the state, as TensorBoard's plugins read them."""
    events = EventAccumulator(str(folder / PATH))
    events.Reload()
    plugin = {tag: events.SummaryMetadata(tag).plugin_data.content for tag in events.PluginTagToContent("hparams")}
    start = metadata.parse_session_start_info_plugin_data(plugin[metadata.SESSION_START_INFO_TAG])
    end = metadata.parse_session_end_info_plugin_data(plugin[metadata.SESSION_END_INFO_TAG])
    found = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    last = max(events.Tensors("about"), key=lambda text: text.step)
    return found, end.status, last.tensor_proto.string_val[0]


def test_parameters_and_how_it_ended_are_for_the_hparams_page(board: TensorBoard, tmp_path: Path) -> None:
    board.write(replace(RUN, state="failed", notes={"reason": "code: broken"}))
    found, status, about = hparams(tmp_path)
    assert found == {"model": "cnn3d", "recipe.learning_rate": 0.5}
    assert status == Status.Value("STATUS_FAILURE")
    assert about == b"- state: failed\n- reason: code: broken"


def test_one_that_failed_and_was_done_later_says_so_last(board: TensorBoard, tmp_path: Path) -> None:
    board.write(replace(RUN, state="failed", notes={"reason": "code: broken"}))
    board.write(replace(RUN, state="running"))
    board.write(replace(RUN, state="done", notes={"reason": ""}))
    assert hparams(tmp_path)[2] == b"- state: done\n- reason: "
    shutil.rmtree(tmp_path / PATH)
    TensorBoard(str(tmp_path), Sweep("ts_grid", "demo")).write(replace(RUN, state="done"))
    assert hparams(tmp_path)[1] == Status.Value("STATUS_SUCCESS")


def test_figures_are_pictures_of_the_sweep_once_and_the_report_lies_beside(board: TensorBoard, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    figure, report = tmp_path / "figure4.png", tmp_path / "report.html"
    Figure(figsize=(2, 1), dpi=50).savefig(figure)
    report.write_text("<p>")
    for _ in range(2):
        board.attach(3, {"figures/figure4.png": figure, "report.html": report})
    events = EventAccumulator(str(tmp_path / "ts_grid/demo/sweep"))
    events.Reload()
    (picture,) = events.Images("figures/figure4")
    assert (picture.step, picture.width, picture.height) == (3, 100, 50)
    assert picture.encoded_image_string == figure.read_bytes()
    assert (tmp_path / "ts_grid/demo/sweep/report.html").read_text() == "<p>"
