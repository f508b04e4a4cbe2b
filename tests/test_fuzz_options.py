"""Any text as the value of any option of any verb: it is a valid value, or is refused in one sentence."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
from hypothesis import assume, given
from hypothesis import strategies as st

from rac_ray.cli import command, sweep_main
from rac_ray.cli.completion import PATHS
from rac_ray.cli.derive import Flag, flags_of
from rac_ray.cli.doctor import doctor
from rac_ray.cli.sweep import JSON, VERBS
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.options import place, places
from tests.fuzzing import GRID, fuzzed, make_sweep, said

pytestmark = pytest.mark.slow

PLANNED = {"run": ["--dry-run"], "retry": ["--dry-run"]}
"""What keeps verbs from training anything."""
MEANT = (
    "auto", "none", "small", "all", "2dot", "2dot,mnist_bg", "cnn3d", "cnn3d,convlstm", "released,paper",
    "online,stored", "0", "1", "-1", "+2", "007", "1_0", "1e3", "1e999", "-0.0", "inf", "nan", "9" * 30, "9" * 5000,
    "0,1", ",", "1,,2", "1,x", "adamw,sgd", "cosine", "layer", "0.1,none", "16-mixed", "model=cnn3d", "seed<=1",
    "seed=1|2", "state=done", "h>=9", "a=b", "learning_rate=log(1e-4,1e-1)", "optimiser=sgd|adamw",
    "batch_size=uniform(1,9)", "patience=1|2", "tensorboard", "mlflow=x", "=", "==", "--", "-h", "x" * 300, "a b",
    "a\nb", "\x1b[2J", "\udcff", "é", "{command}", "%s", "$HOME", "*", "None", "true",
)  # fmt: skip
"""Values that some options take, and values that look like them."""
NUMBERS = st.integers().map(str) | st.floats(0, 100).map(str) | st.integers(0, 9).map(str)
TEXTS = st.sampled_from(MEANT) | NUMBERS | st.text(st.characters(exclude_characters="\x00"), max_size=12)
NAMES = TEXTS.filter(lambda text: not set(text) & set("/:~\x00") and text.strip(". ") == text and text)
"""Files and folders below the current one, and no address."""


class Unprobed(TemporalShape):
    """Priced without a probe, which would start Ray."""

    probe_seconds = 0.0


STUDY = Unprobed(presets={"small": GRID}, default_preset="small")


@pytest.fixture(scope="module", autouse=True)
def stands_elsewhere() -> Iterator[None]:
    """In a folder with a sweep of which trials are done, failed and pending, and which nobody drives."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        sweep = make_sweep(Path(folder))
        (sweep.root / "driver.json").unlink()
        os.chdir(folder)
        yield
        os.chdir(before)
    assert not ray.is_initialized()


def values_of(flag: Flag) -> st.SearchStrategy[str]:
    """Texts for an option: what names a place stays below the current folder and off the network."""
    local = flag.is_path or flag.name in (*PATHS, "log", "source", "address") or flag.parse in (place, places)
    return NAMES if local else TEXTS


@st.composite
def arguments(draw: st.DrawFn, flags: Sequence[Flag]) -> list[str]:
    """Values for all that a command needs, and for one to three of its options."""
    needed = [draw(values_of(flag)) for flag in flags if flag.positional]
    offered = [flag for flag in flags if not flag.positional and flag.name != "submit"]
    numbers = st.lists(st.integers(0, max(0, len(offered) - 1)), min_size=1, max_size=3, unique=True)
    chosen = [offered[number] for number in draw(numbers)] if offered else []
    given = [flag.words[0] if flag.kind is bool else f"{flag.words[0]}={draw(values_of(flag))}" for flag in chosen]
    return [*needed, *given]


@pytest.mark.parametrize("verb", VERBS)
@fuzzed(80)
@given(st.data())
def test_options_of_a_studys_verbs(verb: str, data: st.DataObject) -> None:
    asked = data.draw(arguments(VERBS[verb].flags(STUDY)))
    assume(not any(each.startswith("--probe-seconds=") for each in asked))
    empty = ["--storage=empty"] * (verb == "results")
    said(partial(sweep_main, STUDY), verb, *asked, *PLANNED.get(verb, []), *empty)


COMMANDS: dict[tuple[str, ...], Callable[..., Any]] = {
    ("doctor",): doctor,
    ("replay",): command.replay,
    ("results",): command.results,
    **{(noun, verb): act for noun, verbs in command.COMMANDS.items() for verb, act in verbs.items()},
}  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@fuzzed(40)
@given(st.data())
def test_options_of_other_commands(words: tuple[str, ...], data: st.DataObject) -> None:
    flags = [*flags_of(COMMANDS[words]), JSON] if words == ("results",) else flags_of(COMMANDS[words])
    asked = data.draw(arguments(flags))
    said(command.main, *words, *asked, *["--dry-run"] * (words == ("data", "generate")))
