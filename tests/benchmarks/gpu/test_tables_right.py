from typing import Any

from benchmarks.gpu.tables_right import minisweep_table, stacks_tables

KEY = {"section": "stacks", "model": "cnn3d", "hidden_units": 8, "precision": "32", "graphs": True}
APART = {"weights": 3e-3, "first_loss": 2e-5, "loss": 4e-4, "val_top1_equal": True, "scales_equal": False}


def together(**more: Any) -> dict[str, Any]:
    again = {f"{name}_again": value for name, value in APART.items()}
    return {**KEY, "kind": "together", "seeds": 3, **APART, **again, "loss_again": 0.0, "refused": [], **more}


def lines_of(*rows: dict[str, Any]) -> list[str]:
    return [line for line in stacks_tables(rows).splitlines() if line.startswith("| ") and "---" not in line]


def test_a_stack_beside_what_does_not_repeat_itself() -> None:
    assert lines_of(together())[2] == (
        "| cnn3d | 32 | yes | 3 | 2.0e-05 | 2.0e-05 | yes | 4.0e-04 | 0.0e+00 "
        "| 3.0e-03 | 3.0e-03 | equal | differs | yes |"
    )
    late = lines_of(together(first_loss=2e-4, refused=["recording failed: no"]))[2]
    assert "| 2.0e-04 | 2.0e-05 | no |" in late
    assert late.endswith("| recording failed: no |")


def test_stacks_that_a_seed_leaves() -> None:
    early = {**KEY, "kind": "one stops early", "epochs": [4, 1], "epochs_alone": [4, 1], "first_loss": 0.0, "loss": 0.0}
    skipped = {**KEY, "kind": "one stops early", "skipped": "all are alike"}
    failed = {**KEY, "kind": "one is not finite", "failed": "NotFinite", **APART}
    assert lines_of(failed, early, {**KEY, "kind": "interrupted", **APART}, skipped)[3:] == [
        "| one stops early | cnn3d | 32 | yes | epochs [4, 1], alone [4, 1] | 0.0e+00 | 0.0e+00 | - |",
        "| one stops early | cnn3d | 32 | yes | all are alike | - | - | - |",
        "| interrupted | cnn3d | 32 | yes | val top-1 equal | 2.0e-05 | 4.0e-04 | 3.0e-03 |",
        "| one is not finite | cnn3d | 32 | yes | NotFinite, of the others val top-1 equal "
        "| 2.0e-05 | 4.0e-04 | 3.0e-03 |",
    ]


def test_a_step_of_all_members() -> None:
    row = {**KEY, "kind": "outputs", "precision": "fp32", "logits": 1e-6, "gradient": 2e-5, "parameter": "head.weight"}
    row |= {"layers": 7, "other_types": ["head", "hidden"]}
    assert lines_of(row)[1] == "| cnn3d | fp32 | 1.0e-06 | 2.0e-05 | head.weight | 2 of 7 |"


def test_trials_of_the_small_sweep_say_how_many_trained_together() -> None:
    run = {"section": "minisweep", "graphs": True, "stack": 2, "verb": "run", "exit": 0, "seconds": 12.0}
    results = {"section": "minisweep", "verb": "results", "exit": 0, "seconds": 3.0}
    trial = {"section": "minisweep", "trial": "a", "model": "cnn3d", "hidden_units": 2, "seed": 47, "stacked": 2}
    trial |= {"cuda_graphs": True, "precision": "16-mixed", "device": "cuda", "peak_bytes": 2e6}
    trial["of_seconds"] = {"to_first_step": 1.0, "training": 2.0, "total": 3.0}
    lines = minisweep_table([run, results, trial]).splitlines()
    assert lines[2:4] == ["| run | yes | 2 | 0 | 12.0 |", "| results | - | - | 0 | 3.0 |"]
    assert lines[-1] == "| cnn3d | 2 | 47 | 2 | yes | 16-mixed | cuda | 2 | 1.0 | 2.0 | 3.0 |"
