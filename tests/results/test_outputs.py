from pathlib import Path

import pandas as pd

from rac_ray.results import load
from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import pictures
from rac_ray.results.outputs import write_outputs
from rac_ray.store.storage import Storage
from tests.results.studies import SHAPES


def written(sweep_folder: Path, folder: Storage) -> list[str]:
    analysis = Analysis(load(sweep_folder), SHAPES)
    return write_outputs(analysis, folder, pictures(analysis))


def test_every_table_and_figure_is_written(sweep_folder: Path, tmp_path: Path) -> None:
    names = written(sweep_folder, Storage.at(tmp_path / "out"))
    assert {"tables/trials.parquet", "tables/failures.parquet", "tables/figure3-2dot.csv", "tables/claims.tex"} <= set(
        names
    )
    assert {"figures/figure4-2dot.svg", "figures/learning-curves-2dot.png"} <= set(names)
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == set(names)


def test_the_selection_rule_and_the_part_of_the_grid_stand_above_each_table(sweep_folder: Path, tmp_path: Path) -> None:
    names = written(sweep_folder, Storage.at(tmp_path / "out"))
    texts = [name for name in names if name.endswith((".csv", ".md", ".tex"))]
    assert len(texts) == 4 * 8
    for name in texts:
        text = (tmp_path / "out" / name).read_text()
        assert ". 6 of 8 planned trials are done, 1 has failed, 1 has not run; clips: digits" in text, name
        assert "of its best epoch: highest validation accuracy where it was trained, the first of equals" in text, name
    table = pd.read_csv(tmp_path / "out/tables/figure3-2dot.csv", comment="#")
    assert table.query("model == 'cnn3d' and target == '5dot'")["mean"].tolist() == [0.625]


def test_the_same_records_give_the_same_bytes(sweep_folder: Path, tmp_path: Path) -> None:
    first, second = (Storage.at(tmp_path / name) for name in ("first", "second"))
    names = written(sweep_folder, first)
    assert written(sweep_folder, second) == names
    assert [name for name in names if first.read_bytes(name) != second.read_bytes(name)] == []
