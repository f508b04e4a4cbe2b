"""What SECURITY.md promises: files from a storage run no code, secrets stay where they were."""

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from rac_ray.results.capsule import unpack
from rac_ray.results.shown import show
from rac_ray.store.storage import Storage
from rac_ray.studies import study_of
from rac_ray.studies.temporal_shape.dataset import COLUMNS, GeneratedClips
from rac_ray.studies.temporal_shape.domains import TemporalShapeSpec
from rac_ray.sweep.outcomes import Wanted
from rac_ray.sweep.runner import run_plan
from rac_ray.sweep.session import Resources
from rac_ray.training.fit import DamagedCheckpoint
from tests.sweep import faults
from tests.sweep.tiny_sweep import tiny_plan
from tests.training.fitting import fitted


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.trace),)


def test_a_weakness_is_reported_where_somebody_reads_it(repository: Path) -> None:
    """On the repository's own page: the maintainers have no names in any file."""
    text = (repository / "SECURITY.md").read_text()
    assert "Report a weakness privately, with *Report a vulnerability* on the\n*Security* page" in text
    assert "CITATION" not in text


def test_the_hostile_object_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Hostile(tmp_path / "trace")))
    assert (tmp_path / "trace").exists()


@pytest.mark.parametrize("as_torch_file", [True, False])
def test_a_hostile_checkpoint_counts_as_damaged(as_torch_file: bool, make_training, make_clips, tmp_path: Path) -> None:
    trace, folder = tmp_path / "trace", Storage.at(tmp_path / "trial")
    content = {"callbacks": {"TrialProgress": Hostile(trace)}}
    with folder.writing("last.ckpt") as path:
        if as_torch_file:
            torch.save(content, path)
        else:
            Path(path).write_bytes(pickle.dumps(content, protocol=2))
    clips = make_clips(8)
    with pytest.raises(DamagedCheckpoint, match=r"last\.ckpt cannot be read and was dropped: Weights only load failed"):
        fitted(make_training(), clips, clips, tmp_path / "trial")
    assert not trace.exists()
    assert folder.names() == []


def disguised(table: pa.Table, column: str, extension: str, metadata: bytes) -> pa.Table:
    """The table with a column that says it is one of Ray's extension types, as a file's metadata would."""
    labels = {"ARROW:extension:name": extension, "ARROW:extension:metadata": metadata}
    index = table.schema.get_field_index(column)
    schema = table.schema.set(index, table.schema.field(index).with_metadata(labels))
    return table.cast(schema)


@pytest.mark.parametrize("extension", ["ray.data.arrow_tensor", "ray.data.arrow_tensor_v2"])
def test_a_hostile_shard_is_none(extension: str, tmp_path: Path) -> None:
    """Pickled metadata of Ray's tensor columns; Ray Data, which knows the type, has been imported."""
    import ray.data  # noqa: F401

    trace, root = tmp_path / "trace", Storage.at(tmp_path / "data")
    dataset = GeneratedClips(TemporalShapeSpec(), {"2dot/val": 4})
    (shard,) = dataset.parts()["2dot/val"]
    dataset.write(root, shard, dataset.maker())
    path = Path(root.root, shard.name)
    column = "x" if extension == "ray.data.arrow_tensor" else "large"
    table = pq.read_table(path).append_column("large", pa.array([[1.0]] * 4, pa.large_list(pa.float32())))
    pq.write_table(disguised(table, column, extension, pickle.dumps(Hostile(trace))), path)
    assert dataset.read(root, shard) is None
    assert not trace.exists()


def test_shards_have_plain_columns_only() -> None:
    assert [field.name for field in COLUMNS if isinstance(field.type, pa.BaseExtensionType)] == []


@pytest.mark.usefixtures("local_ray")
def test_secrets_stay_out_of_everything_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failed attempts, with traceback and log, finished trials, tables, report, capsule, and what was said besides."""
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        "RAY_AUTH_TOKEN": "c0ffee-token",
        "MY_PASSWORD": "correct-horse",
    }
    for name, secret in secrets.items():
        monkeypatch.setenv(name, secret)
    plan = tiny_plan(tmp_path)
    lines: list[str] = []
    run_plan(plan, Resources(pause=0.1), lines.append, faults.has_a_bug)
    assert all(plan.ledger.failures(task.training_id) for task in plan.tasks)
    capsule = tmp_path / "results/out.tar.zst"
    wanted = Wanted(verdict=True, report=True, capsule=str(capsule))
    show(plan.ledger.storage, plan.folder, wanted, study_of)
    unpack(capsule, tmp_path / "results/unpacked")
    lines.append(capsys.readouterr().out)
    written = [path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert b"a bug that goes away" in (tmp_path / "results").joinpath(plan.folder.root, "report.html").read_bytes()
    assert len(written) >= 5 * len(plan.trials)
    for secret in secrets.values():
        assert not [content for content in (*written, "\n".join(lines).encode()) if secret.encode() in content]


def test_the_code_neither_unpickles_nor_trusts(repository: Path) -> None:
    """No other way to read than those tested above."""
    forbidden = re.compile(
        r"weights_only=False\)|pickle\.loads?\(|np\.load\(|allow_pickle=True|yaml\.load\(|[^.\w]eval\(|\bexec\("
    )
    sources = [*(repository / "rac_ray").rglob("*.py"), *(repository / "sweeps").rglob("*.py")]
    found = [(path.name, line) for path in sources for line in path.read_text().splitlines() if forbidden.search(line)]
    assert [each for each in found if "save_checkpoint" not in each[1]] == []
