"""What the fuzz tests share: a small sweep with every kind of file that the product writes, and what damages them."""

import copy
import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from rac_ray.cli import sweep_main
from rac_ray.data.manifest import MANIFEST, part_keys, split_entry
from rac_ray.identity import Recipe
from rac_ray.store.ledger import DRIVER
from rac_ray.store.lock import CANCEL, Lock
from rac_ray.store.storage import Storage
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.studies.temporal_shape.study import TemporalShape, dataset_of
from rac_ray.sweep.decisions import Added, Deciding, DecisionBook, Look
from rac_ray.sweep.declaring import declaration
from rac_ray.sweep.jobs import JOB_FILE, SubmittedJob
from rac_ray.sweep.planner import Plan, make_plan
from rac_ray.sweep.price import FORECAST
from rac_ray.sweep.probes import remember_probes
from rac_ray.sweep.progress_file import PROGRESS, Going, Progress
from rac_ray.sweep.remembered import remember_options
from rac_ray.sweep.search import Candidate, SearchBook, SearchRecord
from rac_ray.training.probe import Probe
from tests.records import give_up, record_of, register
from tests.results.conftest import write

RECIPE = Recipe(learning_rate=0.01, batch_size=8, max_epochs=3, patience=3)
GRID = Grid(
    models=("cnn3d", "timesformer1"), hidden_units=(2,), seeds=(0, 1, 2), sources=("2dot",), train_clips=16,
    val_clips=100, test_clips=100, recipes={"cnn3d": RECIPE, "timesformer1": RECIPE},
)  # fmt: skip
STUDY = TemporalShape(presets={"small": GRID}, default_preset="small")
"""Under the study's own name, so that `rac-ray results` finds it by that of the records."""
TUNED = {"tune": ["learning_rate=log(0.001,0.1)"], "tune_trials": 2}
ENDS = {0, 1, 2, 3, 4, 130, 141}
"""Exit codes that ``cli.exits`` documents."""


def fuzzed(examples: int) -> settings:
    """The same examples in each run; so many of them, without a limit of time, and none is kept."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: Any
    out: str
    err: str


def said(main: Callable[[list[str]], Any], *arguments: str) -> Said:
    """Run a command in this process; fails for an exit code or an output that no command may have."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as stopped, redirect_stdout(out), redirect_stderr(err):
        main(list(arguments))
    found = Said(stopped.value.code, out.getvalue(), err.getvalue())
    assert found.code in ENDS, (arguments, found)
    assert "Traceback" not in found.err, (arguments, found)
    if found.code == 2:
        assert found.err.startswith("error: "), (arguments, found)
        assert found.err.count("\n") == 1, (arguments, found)
    return found


@dataclass(frozen=True)
class Sweep:
    """A sweep in which trials are done, failed, running and pending, without that any was trained."""

    folder: Path

    @property
    def plan(self) -> Plan:
        return make_plan(STUDY, "small", str(self.folder / "results"), str(self.folder / "data"), TUNED, None, "32")

    @property
    def root(self) -> Path:
        """The sweep's folder."""
        return self.folder / "results" / STUDY.name

    def verb(self, *arguments: str, storage: str = "results") -> Said:
        """A verb on this sweep."""
        places = ("--storage", str(self.folder / storage), "--data", str(self.folder / "data"))
        return said(lambda given: sweep_main(STUDY, given), *arguments, *places)

    def states(self) -> dict[str, str]:
        """State by trial, as ``status`` tells; nothing where it could not."""
        told = self.verb("status", "--json")
        return {} if told.code == 2 else {row["trial_id"]: row["state"] for row in json.loads(told.out)["trials"]}

    def trial(self, state: str) -> str:
        """A training of which a trial is in this state."""
        rows = json.loads(self.verb("status", "--json").out)["trials"]
        return next(row["training_id"] for row in rows if row["state"] == state)


def make_sweep(folder: Path) -> Sweep:
    """Write it."""
    sweep = Sweep(folder)
    write_clips(folder / "data")
    made = sweep.plan
    keys = part_keys(made.data, dataset_of(GRID).clips)
    register(made.ledger, made.tasks)
    token = hold(sweep)
    for task in made.tasks[:4]:
        made_from = STUDY.made_from(GRID, made.data, task)
        write(made.ledger, record_of(task, dataset=made_from, content=keys))
    give_up(made.ledger, made.tasks[4].training_id)
    going = made.tasks[5].training_id
    made.ledger.begin(going, 1, token, host="here", pid=1, began_at="2026-01-01T00:00:00Z")
    made.ledger.folder(going).write_bytes("last.ckpt", b"weights")
    remember_options(made, TUNED)
    made.folder.write_json(FORECAST, {"wall_seconds": 1})
    running = {going: Going(1, 3, 0.5, 60.0)}
    made.sweep.write_json(PROGRESS, asdict(Progress(token, "2 min", running)))
    made.sweep.write_json(CANCEL, {"token": "another's", "by": "somebody"})
    made.sweep.write_json(JOB_FILE, SubmittedJob("http://127.0.0.1:9", "job-1", "python x.py", "now").as_dict())
    probe = Probe("cnn3d h=2", 8, 2, 0.1, 0.1, 1_000_000, "cpu")
    remember_probes(made.sweep.above, "a machine", {("cnn3d h=2", 8, ""): probe})
    _search(made)
    _declare(folder)
    return sweep


def hold(sweep: Sweep) -> str:
    """Have this process drive the sweep, as far as its file tells; the driver's token."""
    ledger = sweep.plan.ledger
    holder = Lock(ledger.storage, DRIVER).holder
    ledger.storage.write_json(DRIVER, asdict(holder))
    return holder.token


def write_clips(folder: Path) -> None:
    """The data folder of the grid: shards and their manifest."""
    root, dataset = Storage.at(folder), dataset_of(GRID)
    entries = {
        part: split_entry(shards, [dataset.write(root, shard, dataset.maker()) for shard in shards])
        for part, shards in dataset.parts().items()
    }
    root.write_json(MANIFEST, {"identity": dataset.identity(), "splits": entries})


def _search(made: Plan) -> None:
    """One search that has ended."""
    search = made.searches[0]
    first, second = search.candidates()
    changes = {"learning_rate": second.training.recipe.learning_rate}
    candidates = [
        Candidate(training_id=first.training_id, changes={}, state="done", val_top1=[0.4, 0.5]),
        Candidate(training_id=second.training_id, changes=changes, state="done", val_top1=[0.4, 0.6]),
    ]
    training = search.task.training
    SearchBook(made.sweep).write(
        SearchRecord(
            study=STUDY.name,
            search_id=search.search_id,
            model=training.model,
            hidden_units=training.hidden_units,
            size="",
            source=training.source,
            about={},
            given=asdict(training.recipe),
            space=search.space.texts,
            rungs=[1, 3],
            candidates=candidates,
            trials=2,
            chosen=second.training_id,
        )
    )


def _declare(folder: Path) -> None:
    """A declaration after its first look, for which a seed was added."""
    made = make_plan(STUDY, "small", str(folder / "results"), str(folder / "data"), None, None, "32")
    record = declaration(made, Deciding(until_decided=True, budget_trials=8))
    looks = [
        Look(
            claim=claim, look=1, seeds=3, p_for=0.2, p_against=0.8, p_for_paper=0.2, p_against_paper=0.8,
            outcome="no evidence either way",
        )
        for claim in record.claims
    ]  # fmt: skip
    cell = next(iter(record.cells))
    added = [Added(claim=record.claims[0], look=2, seeds=[3], cells=[cell], trainings=["0" * 12], why="it is nearest")]
    DecisionBook(made.sweep).write(msgspec.structs.replace(record, looks=looks, added=added))


# What damages files

WORDS = (
    "", " ", ".", "..", "a/b", "../x", "\x1b[2J", "a\nb", "$x_{$", "NaN", "none", "auto", "0", "-1", "2dot", "mnist",
    "cnn3d", "seed", "model", "trial_id", "x" * 300, "\u202e", "1e999", "2026-01-01", "0001-01-01",
    "http://127.0.0.1:9",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, 1e-300, 1e308, -1e308, 0.5)
TEXTS = st.sampled_from(WORDS) | st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NUMBERS) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXTS, each, max_size=3), max_leaves=6
)
Place = tuple[str | int, ...]


def places(value: Any, above: Place = ()) -> Iterator[Place]:
    """Where there is anything in a JSON value, at any depth."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*above, key)
        yield from places(each, (*above, key))


@st.composite
def other_json(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value in which one place is gone, or has another value: an arbitrary one, or one from elsewhere in it."""
    changed, place = copy.deepcopy(value), draw(st.sampled_from(list(places(value))))
    holder = _at(changed, place[:-1])
    if draw(st.integers(0, 3)) == 0:
        del holder[place[-1]]
        return changed
    elsewhere = st.sampled_from(list(places(value))).map(lambda other: copy.deepcopy(_at(value, other)))
    holder[place[-1]] = draw(VALUES | elsewhere)
    return changed


def _at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


@st.composite
def other_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes that are cut off, or of which some are others, or that have nothing to do with these."""
    way = draw(st.sampled_from(["cut", "changed", "any"]))
    if way == "any":
        return draw(st.binary(max_size=64))
    place = draw(st.integers(0, len(content) - 1))
    if way == "cut":
        return content[:place]
    return content[:place] + draw(st.binary(min_size=1, max_size=4)) + content[place + 1 :]


@st.composite
def other_table(draw: st.DrawFn, content: bytes) -> bytes:
    """A Parquet file of a table in which one column is gone, or has other values or another name; or of fewer rows."""
    table = pq.read_table(pa.BufferReader(content))
    column = draw(st.sampled_from(table.column_names))
    place, count = table.column_names.index(column), len(table)
    values: list[st.SearchStrategy[Any]] = [
        st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), TEXTS, st.booleans(), st.binary(max_size=4),
        st.lists(st.integers(0, 9), max_size=2),
    ]  # fmt: skip
    way = draw(st.sampled_from(["gone", "renamed", "fewer", "constant", "one"]))
    if way == "gone":
        table = table.drop_columns([column])
    elif way == "renamed":
        table = table.rename_columns([draw(TEXTS) if each == column else each for each in table.column_names])
    elif way == "fewer":
        table = table.slice(0, draw(st.integers(0, count - 1)))
    elif way == "constant":
        table = table.set_column(place, column, pa.array([draw(draw(st.sampled_from(values)))] * count))
    else:
        before = table[column].to_pylist()
        other = [*before[:-1], draw(st.none() | st.sampled_from(before))]
        table = table.set_column(place, column, pa.array(other, table[column].type))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def damaged(content: bytes, name: str) -> st.SearchStrategy[bytes]:
    """What may lie in a file's place, most of it nearly right."""
    if name.endswith(".parquet"):
        return other_bytes(content) | other_table(content)
    near = other_json(json.loads(content)).map(_written)
    return near | near | near | VALUES.map(_written) | other_bytes(content)


def _written(value: Any) -> bytes:
    return json.dumps(value).encode()
