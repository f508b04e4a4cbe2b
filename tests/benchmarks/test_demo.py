import pandas as pd

from benchmarks.demo import side_by_side


def evaluations(top1: float, models: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        {"model": model, "source": "2dot", "target": target, "split": "test", "role": role, "clips": 100, "seed": seed}
        for model in models
        for target, role in (("2dot", "source_test"), ("mnist", "target"))
        for seed in range(4)
    ]
    return pd.DataFrame(rows).assign(correct=int(100 * top1), top1=top1)


def test_both_tables_stand_beside_each_other() -> None:
    tables = {"plain": evaluations(0.4, ("cnn3d", "convlstm")), "ours": evaluations(0.5, ("cnn3d",))}
    lines = side_by_side(tables, "2dot").splitlines()
    assert lines[0] == "| model | evaluated on | plain | ours |"
    assert len(lines) == 2 + 4
    assert lines[2].startswith("| cnn3d | 2dot test | 40.0 [")
    assert "| 50.0 [" in lines[2]
    assert lines[-1].startswith("| convlstm | mnist test | 40.0 [")
    assert lines[-1].endswith(" | - |")
