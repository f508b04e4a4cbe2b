"""A run's progress as a terminal shows it, by the monitor's events and by a real sweep."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rac_ray.identity import Training
from rac_ray.sweep import monitor as monitor_module
from rac_ray.sweep.display import Display, Whole, shortened
from rac_ray.sweep.monitor import Monitor, say_line
from tests.sweep.test_monitor import NOT_FINITE, ROW, Clock, monitored, recorded
from tests.terminals import Terminal

ROOT = Path(__file__).parents[2]
SWEEP = """
import sys
from rac_ray.cli import sweep_main
from tests.cli.test_sweep import STUDY
sys.argv = ["tiny.py"]
sweep_main(STUDY, sys.argv[1:] + ARGUMENTS)
"""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    found = Terminal()
    yield found
    found.close()


@pytest.fixture
def trainings(make_training) -> list[Training]:
    return [make_training(seed=seed) for seed in range(4)]


@pytest.fixture
def on_terminal(terminal: Terminal, trainings: list[Training]) -> Iterator[tuple[Monitor, Clock]]:
    """A monitor whose trial a runs and has reported an epoch, and whose b runs; one of four was done before."""
    clock = Clock()
    with terminal.open() as live:
        monitor, queue = monitored(trainings, clock, say=say_line, live=live)
        for training in trainings[:2]:
            assert queue.next()
            queue.started(training.training_id)
            monitor.started(training, 1, {"CPU": 1})
        monitor.epoch(trainings[0], ROW)
        clock.now = 2.0
        monitor.tick()
        yield monitor, clock
        monitor.close()


def test_done_of_all_rate_time_left_and_running_trials(
    terminal: Terminal, on_terminal: tuple[Monitor, Clock], trainings: list[Training]
) -> None:
    monitor, clock = on_terminal
    assert terminal.shown() == [
        f"{'━' * 5}╺{'━' * 14} 1/4 done, 2 running, 240 clips/s, about 8 s left",
        "epoch 1/3  best  50.0%    240 clips/s  timesformer1 h=4 2dot seed=0",
        "epoch 0/3  best     -%      0 clips/s  timesformer1 h=4 2dot seed=1",
    ]
    queue, (a, b, *_) = monitor.queue, trainings
    clock.now = 40.0
    queue.done(a.training_id)
    monitor.done(a, recorded(a))
    monitor.failed(b, NOT_FINITE, queue.failed(b.training_id, "not finite"), "/f/1")
    clock.now = 42.0
    monitor.tick()
    assert terminal.shown() == [f"{'━' * 15}╺{'━' * 4} 2/4 done, 1 failed, 0 running, 0 clips/s, about 42 s left"]
    monitor.close()
    assert terminal.shown() == []
    assert b"\x1b[2J" not in terminal.bytes, "the whole screen is never cleared, which would flicker"
    assert terminal.bytes.rfind(b"\x1b[?25h") > terminal.bytes.rfind(b"\x1b[?25l"), "the cursor is there"


def test_it_is_drawn_once_a_second_at_most(terminal: Terminal, on_terminal: tuple[Monitor, Clock]) -> None:
    monitor, clock = on_terminal
    terminal.shown()
    before = len(terminal.bytes)
    for now in (2.1, 2.5, 2.9):
        clock.now = now
        monitor.tick()
    terminal.shown()
    assert len(terminal.bytes) == before
    clock.now = 3.0
    monitor.tick()
    terminal.shown()
    assert len(terminal.bytes) > before


def test_lines_go_to_where_output_goes(
    terminal: Terminal, on_terminal: tuple[Monitor, Clock], capsys: pytest.CaptureFixture[str]
) -> None:
    """Here that is no terminal, as with ``> log``: the progress alone is on the terminal."""
    before = terminal.shown()
    say_line("an event")
    assert capsys.readouterr().out.endswith("an event\n")
    assert terminal.shown() == before


@pytest.mark.parametrize("columns", [120, 60, 40, 20, 10])
def test_a_narrow_terminal_shows_less_of_each_line(
    columns: int, terminal: Terminal, on_terminal: tuple[Monitor, Clock]
) -> None:
    """Also when it becomes so while the sweep runs."""
    monitor, clock = on_terminal
    terminal.shown()
    terminal.resize(columns)
    for _ in range(3):
        clock.now += 2.0
        monitor.tick()
    lines = terminal.shown()
    assert len(lines) == 3
    assert re.match("[━╸╺]+ 1", lines[0])
    assert lines[1][:6] == "epoch "
    assert [line.endswith("…") for line in lines[1:]] == [columns < 67] * 2


def test_few_lines_whatever_runs(terminal: Terminal) -> None:
    rows = [f"trial {number}" for number in range(40)]
    assert shortened(rows, 6) == [*rows[:5], "and 35 more"]
    assert (shortened(rows[:6], 6), shortened(rows, 1), shortened(rows, 0)) == (rows[:6], ["and 40 more"], [])
    with terminal.open() as live:
        display = Display(live)
        display.draw(1, 40, "1/40 done", rows)
        assert terminal.shown()[1:] == [*rows[:5], "and 35 more"]
        terminal.resize(100, 4)
        display.draw(1, 40, "1/40 done", rows)
        assert terminal.shown()[-2:] == ["trial 0", "and 39 more"]
        display.close()


def test_each_frame_is_shown_as_a_whole(terminal: Terminal) -> None:
    """A terminal that knows how does not show what has come of a frame while the rest is on its way."""
    with terminal.open() as live:
        display = Display(live)
        for line in ("an event", "another"):
            display.draw(1, 4, "1/4 done", ["a trial"])
            print(line, file=sys.stderr)
        display.close()
        terminal.shown()
    assert terminal.whole
    pieces = terminal.bytes.split(Whole.BEGIN.encode())
    assert pieces[0] == b""
    assert len(pieces) > 5
    assert [piece.count(Whole.END.encode()) for piece in pieces[1:]] == [1] * (len(pieces) - 1)
    assert all(piece.endswith(Whole.END.encode()) for piece in pieces[1:])


def test_a_part_of_a_frame_is_not_looked_at(terminal: Terminal) -> None:
    with terminal.open() as live:
        live.write(f"{Whole.BEGIN}half")
        live.flush()
        assert (terminal.shown(), terminal.whole) == (["half"], False)
        live.write(f" a line{Whole.END}")
        live.flush()
        assert (terminal.shown(), terminal.whole) == (["half a line"], True)


def test_nothing_is_left_of_a_display(terminal: Terminal, trainings: list[Training]) -> None:
    """What others print to stderr meanwhile stands above it."""
    out, err = sys.stdout, sys.stderr
    with terminal.open() as live:
        monitor, _ = monitored(trainings, Clock(), say=say_line, live=live)
        assert len(monitor_module._shown) == 1
        print("a warning of others", file=sys.stderr)
        assert terminal.shown()[0] == "a warning of others"
        assert "1/4 done, 0 running" in terminal.shown()[1]
        monitor.close()
        monitor.close()
        assert terminal.shown() == ["a warning of others"]
    assert (monitor_module._shown, sys.stdout, sys.stderr) == ([], out, err)


@pytest.mark.slow
def test_a_real_sweep(terminal: Terminal, tmp_path: Path) -> None:
    """Events stand above the progress, which is gone at the end."""
    screens: list[list[str]] = []
    arguments = ["--seeds", "0,1", "--num-cpus", "1", "--probe-seconds", "0", "--max-epochs", "90", "--patience", "90"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SWEEP.replace("ARGUMENTS", repr(arguments))]
    assert terminal.run(command, tmp_path, environment, screens.append) == 0
    screens.append(terminal.shown())
    watched = [lines for lines in screens if any("/2 done, " in line and "━" in line for line in lines)]
    bar = re.compile(r"[━╸╺]+ ([012])/2 done, ([01]) running, \d+ clips/s, (about .* left|just begun|none left)")
    row = re.compile(r"epoch +\d+/90  best +(\d+\.\d|-)%  +\d+ clips/s  timesformer1 h=2 2dot seed=[01]")
    for lines in watched:
        at = next(number for number, line in enumerate(lines) if "━" in line)
        assert bar.fullmatch(lines[at]), lines[at]
        assert all(row.fullmatch(line) for line in lines[at + 1 :]), lines[at:]
    assert any(re.search(r"epoch +[1-9]\d*/90  best +\d", line) for lines in watched for line in lines)
    last = [*terminal.scrolled(), *screens[-1]]
    assert not any("━" in line for line in last)
    events = [line.split()[1] for line in last if re.match("[0-9a-f]{12} (start|done) ", line)]
    assert events == ["start", "done", "start", "done"]
    assert any(line.startswith("2 trials planned = 2 done") for line in last)
