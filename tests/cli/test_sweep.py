"""A sweep's command line: bad input is one sentence before any compute, exit code 2, nothing written."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rac_ray.cli import sweep_main
from rac_ray.cli.sweep import VERBS, what_is_asked
from rac_ray.identity import Recipe
from rac_ray.models import MODELS
from rac_ray.studies.temporal_shape.grid import Grid
from rac_ray.studies.temporal_shape.study import TemporalShape
from rac_ray.sweep.planner import make_plan
from rac_ray.sweep.remembered import remember_options
from sweeps.diving48 import STUDY as DIVING48

RECIPE = Recipe(learning_rate=0.01, batch_size=8, max_epochs=1, patience=1)
GRID = Grid(
    models=("timesformer1",),
    hidden_units=(2,),
    seeds=(0,),
    sources=("2dot",),
    train_clips=8,
    val_clips=8,
    test_clips=8,
    recipes={"timesformer1": RECIPE, "cnn3d": RECIPE},
)
STUDY = TemporalShape("tiny", {"small": GRID}, "small", "a tiny sweep")
NO_PROBE = ("--probe-seconds", "0")


@pytest.fixture
def run_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the sweep's command line in an empty folder; returns (exit code, stdout, stderr)."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*arguments: str, study: TemporalShape = STUDY) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as stopped:
            sweep_main(study, arguments)
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--models", "convlst"],
            f"unknown model 'convlst'; did you mean convlstm? valid: {', '.join(MODELS)}",
        ),
        (["--preset", "smal"], "unknown preset 'smal'; did you mean small? valid: small"),
        (["--preste", "small"], "unknown option: --preste. Did you mean --preset?; see --help"),
        (["--retry-cod", "1"], "unknown option: --retry-cod. Did you mean --retry-code?; see --help"),
        (["retry", "--fail"], "unknown option: --fail. Did you mean --failed?; see --help"),
        (["--models", "rnn"], f"unknown model 'rnn'; valid: {', '.join(MODELS)}"),
        (["--source", "3dot"], "unknown source domain '3dot'; valid: 2dot, mnist_bg"),
        (["--hidden-units", "0"], "hidden units are 0; valid: 1 to 65536"),
        (["--hidden-units", "100000000"], "hidden units are 100000000; valid: 1 to 65536"),
        (["--hidden-units", "-4"], "hidden units are -4; valid: 1 to 65536"),
        (
            ["--hidden-units", "3"],
            "hidden units of a TimeSformer are 3; valid: even numbers (rotary embeddings turn pairs)",
        ),
        (["--hidden-units", "two"], "hidden units 'two' is not an integer"),
        (["--seeds", "4.2"], "seed '4.2' is not an integer"),
        (["--seeds", ","], "--seeds names nothing; give one value or more"),
        (["--preset", "huge"], "unknown preset 'huge'; valid: small"),
        (["--workers", "0"], "--workers is 0; valid: 1 or more"),
        (["--cpus-per-trial", "0"], "--cpus-per-trial is 0; valid: 1 or more"),
        (["--trials-per-gpu", "many"], "--trials-per-gpu 'many' is not an integer"),
        (["--retry-code", "-1"], "--retry-code is -1; valid: 0 or more"),
        (["--back-off", "soon"], "--back-off 'soon' is not a number"),
        (["plan", "--price-per-hour", "-1"], "--price-per-hour is -1; valid: 0 or more"),
        (["plan", "--price-per-hour", "nan"], "--price-per-hour is nan; valid: 0 or more"),
        (["--only", "colour=red"], "unknown field in --only 'colour'; valid: model, source, trial_id, state, "),
        (["--only", "model=cnn3d"], "--only 'model=cnn3d' leaves none of 1 planned trial; they have model timesf"),
        (
            ["statsu"],
            "unknown verb 'statsu'; did you mean status? valid: run, plan, status, describe, retry",
        ),
        (["status", "--workers", "2"], "unknown option: --workers; see "),
        (["describe"], "trial is required; see "),
        (["describe", "zz"], "no trial begins with 'zz'; valid: one id of `status --verbose` or its beginning"),
        (
            ["--address", "http://127.0.0.1:8265"],
            "--address or $RAY_ADDRESS 'http://127.0.0.1:8265' is a dashboard's URL; valid: auto, or host:port; "
            "--submit takes a URL",
        ),
        (["--num-gpus", "-1"], "--num-gpus or $RAC_RAY_NUM_GPUS is -1; valid: 0 or more"),
        (
            ["--submit", "somewhere"],
            "--submit 'somewhere' is not a dashboard's URL; valid: as in http://127.0.0.1:8265",
        ),
        (["--workers", "many"], "--workers 'many' is not an integer"),
        (["--seeds", "6_1"], "seed '6_1' is not an integer"),
        (["--frobnicate"], "unknown option: --frobnicate; see "),
        (["--precision", "64"], "unknown precision '64'; valid: auto, 32, 16-mixed, bf16-mixed"),
        (["--sub", "http://127.0.0.1:8265"], "unknown option: --sub"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(arguments: list[str], sentence: str, run_sweep) -> None:
    code, out, err = run_sweep(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith(f"error: {sentence}")
    assert err.count("\n") == 1
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("word", ["mnist", "optdigits", "auto"])
def test_digits_are_folders(word: str, run_sweep) -> None:
    """Words that were sources of digits once are folders like any other."""
    code, _, err = run_sweep("--digits", word)
    assert code == 2
    assert err == (
        f"error: there is no folder of digits '{Path.cwd() / word}'; valid: folders of IDX images, as EMNIST's, "
        "or '' for MNIST's alone\n"
    )
    assert list(Path.cwd().iterdir()) == []


def test_digits_of_the_last_run_are_remembered_until_others_are_asked_for(run_sweep) -> None:
    Path("results/tiny/small").mkdir(parents=True)
    Path("results/tiny/small/options.json").write_text(json.dumps({"digits": "/gone/emnist"}))
    assert run_sweep("status")[2].startswith("error: there is no folder of digits '/gone/emnist'; valid: ")
    assert run_sweep("status", "--digits", "")[::2] == (3, "")


def test_storage_that_cannot_be_written(run_sweep) -> None:
    Path("file").write_text("")
    code, _, err = run_sweep("--storage", "file/results")
    assert code == 2
    assert "/file/results' leads through " in err
    assert [path.name for path in Path.cwd().iterdir()] == ["file"]


def test_a_clusters_settings_come_from_its_environment(
    run_sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the cluster files export; an option that is given counts more."""
    shared = tmp_path / "shared"
    monkeypatch.setenv("RAC_RAY_STORAGE", str(shared))
    assert run_sweep("results")[2].startswith(f"error: no results in '{shared}/results/tiny': ")
    said = run_sweep("results", "--storage", "elsewhere")[2]
    assert said.startswith(f"error: no results in '{Path.cwd()}/elsewhere/tiny': ")
    monkeypatch.setenv("RAC_RAY_NUM_GPUS", "16")
    out = run_sweep("plan", *NO_PROBE, "--num-cpus", "64", "--json")[1]
    assert json.loads(out)["forecast"]["machine"] == "64 CPUs and 16 GPUs"
    monkeypatch.setenv("RAC_RAY_NUM_GPUS", "many")
    assert run_sweep("plan")[::2] == (2, "error: --num-gpus or $RAC_RAY_NUM_GPUS 'many' is not an integer\n")
    monkeypatch.setenv("RAC_RAY_NUM_GPUS", "")
    monkeypatch.setenv("RAY_ADDRESS", "https://head:8265")
    assert run_sweep("plan")[0] == 2


def test_storage_that_is_full(run_sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    from rac_ray.sweep.planner import Plan

    monkeypatch.setattr(Plan, "bytes_needed", lambda *_: 10**18)
    code, _, err = run_sweep()
    assert code == 2
    assert "MB free, this sweep needs about 1000000000000 MB" in err
    assert list(Path.cwd().iterdir()) == []


def test_plan_lists_the_trials_and_writes_nothing(run_sweep) -> None:
    asked = ("plan", "--probe-seconds", "0", "--seeds", "0,1", "--models", "cnn3d,timesformer1")
    code, out, _ = run_sweep(*asked, "--list")
    assert code == 0
    lines = out.splitlines()
    assert lines[:3] == [
        "4 trials planned = 0 done + 0 failed + 0 running + 4 pending",
        "4 trials are missing; no forecast without a probe or records",
        "disk: 0.6 MB more [0.1, 7.1]",
    ]
    assert [line.split("  ", 1)[1] for line in lines[3:]] == [
        "pending  cnn3d h=2 2dot seed=0",
        "pending  cnn3d h=2 2dot seed=1",
        "pending  timesformer1 h=2 2dot seed=0",
        "pending  timesformer1 h=2 2dot seed=1",
    ]
    assert run_sweep(*asked)[1].splitlines() == lines[:3]
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.usefixtures("local_ray")
def test_a_run_its_table_and_what_is_wrong_with_the_data_later(run_sweep) -> None:
    code, out, _ = run_sweep(*NO_PROBE)
    assert code == 0
    title = (
        "Trained on 2Dot: accuracy in % [95% interval over seeds and clips; * too few seeds for an interval]; chance is"
    )
    assert title in " ".join(out.split())
    assert "1 trial planned = 1 done + 0 failed + 0 running + 0 pending; each trial is tested with" in out
    before = "tiny small: 1 trial to run, for a time that nobody has measured yet; Ctrl-C loses nothing, the same"
    assert out.startswith(f"{before} command goes on\n")
    assert " start " in out
    folder = Path.cwd() / "results/tiny/small"
    assert (folder / "forecast.json").is_file()
    assert len(list((folder / "tables").glob("*.parquet"))) == 7
    assert {path.name for path in (folder / "tables").glob("*.tex")} >= {"figure3-2dot.tex", "claims.tex"}
    assert (folder / "figures/figure4-2dot.svg").is_file()
    (record,) = [json.loads(path.read_text()) for path in Path("results/tiny/trials").glob("*/record.json")]
    assert record["dataset"]["clips"]["2dot/train"] == GRID.train_clips
    assert record["commit"]

    shard = Path("data/tiny-small/mnist/test-00000-of-00001.parquet")
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    code, _, err = run_sweep(study=replace(STUDY, presets={"small": replace(GRID, test_clips=9)}))
    assert code == 2
    assert "8 clips of 2dot/test instead of 9" in err

    code, out, _ = run_sweep(*NO_PROBE, "--seeds", "0,1")
    assert code == 0
    assert "mnist/test-00000-of-00001.parquet is damaged; it is made again" in out
    assert "1 shard made" in out
    assert out.count(" start ") == 1


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_16_bits_need_a_gpu(verb: str, run_sweep) -> None:
    half = (verb, *NO_PROBE, "--precision", "16-mixed")
    refused = "error: precision '16-mixed' needs a GPU; valid here: 32, bf16-mixed\n"
    assert run_sweep(*half, "--num-gpus", "0") == (2, "", refused)
    assert list(Path.cwd().iterdir()) == []


def test_16_bits_are_planned_for_the_gpus_of_a_cluster(run_sweep) -> None:
    def trial_id(*more: str) -> str:
        code, out, err = run_sweep("plan", *NO_PROBE, *more, "--list")
        assert (code, err) == (0, "")
        return out.splitlines()[-1].split()[0]

    there = trial_id("--num-gpus", "1", "--precision", "16-mixed")
    assert there == trial_id("--num-gpus", "1") != trial_id("--num-gpus", "0")


@pytest.mark.parametrize("more", [(), ("--json",), ("--seeds", "0,1", "--only", "seed=1")], ids=" ".join)
def test_a_dry_run_is_the_plan_and_writes_nothing(more: tuple[str, ...], run_sweep) -> None:
    planned = run_sweep("plan", *NO_PROBE, *more)
    assert planned[::2] == (0, "")
    assert run_sweep("run", "--dry-run", *NO_PROBE, *more) == planned
    assert run_sweep("--dry-run", *NO_PROBE, *more, "--submit", "http://127.0.0.1:8265") == planned
    assert list(Path.cwd().iterdir()) == []


def test_a_dry_run_shows_what_the_same_run_would_do_and_not_what_the_last_one_did(run_sweep) -> None:
    """Verbs that run nothing know the last run's options; what comes next is told with them."""
    made = make_plan(STUDY, "small", "results", "data/tiny-small", {"max_epochs": [2]}, precision="32")
    remember_options(made, made.asked)
    made.ledger.register(made.tasks, made.entries(), STUDY.name)

    def ids(*arguments: str) -> set[str]:
        code, out, _ = run_sweep(*arguments, *NO_PROBE, "--json")
        assert code == 0
        return {trial["training_id"] for trial in json.loads(out)["trials"]}

    asked = {task.training_id for task in made.tasks}
    assert ids("plan") == ids("retry", "--dry-run") == ids("run", "--dry-run", "--max-epochs", "2") == asked
    assert ids("run", "--dry-run").isdisjoint(asked)
    (made.ledger.folder(made.tasks[0].training_id)).write_bytes("log.txt", b"begun")
    _, out, _ = run_sweep("results", "--preset", "small")
    follows = out.splitlines()[-1]
    assert " run " in follows
    assert "--max-epochs 2" in follows


@pytest.mark.usefixtures("local_ray")
def test_a_dry_run_that_probes_writes_nothing_either(run_sweep) -> None:
    probe = ("--probe-seconds", "0.01")
    code, out, _ = run_sweep("--dry-run", *probe)
    assert (code, "time until all are done: " in out) == (0, True)
    assert list(Path.cwd().iterdir()) == []
    run_sweep("plan", *probe)
    assert [path.name for path in Path("results").iterdir()] == ["probes.json"]


def test_clean_takes_one_of_yes_and_dry_run(run_sweep) -> None:
    assert (
        run_sweep("clean", "--dry-run")
        == run_sweep("clean")
        == (0, "0 files, 0.0 MB to free; `clean --yes` does it\n", "")
    )
    said = "error: --yes deletes and --dry-run does not; give one of them\n"
    assert run_sweep("clean", "--dry-run", "--yes") == (2, "", said)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.usefixtures("local_ray")
def test_a_failed_trial_is_exit_code_1(run_sweep) -> None:
    (trial,) = make_plan(STUDY, "small", "results", "data/tiny-small", precision="32").trials
    folder = Path("results/tiny/trials") / trial.trial_id
    folder.mkdir(parents=True)
    (folder / "last.ckpt").write_bytes(b"not a checkpoint")
    code, out, _ = run_sweep(*NO_PROBE, "--seeds", "0,1", "--retry-data", "0")
    assert code == 1
    assert f"FAILED {trial.trial_id} timesformer1 h=2 2dot seed=0: data: DamagedCheckpoint: last.ckpt cannot be" in out
    assert "1 trial failed; `retry` tries them again" in out
    code, out, _ = run_sweep(*NO_PROBE, "--seeds", "0,1")
    assert (code, out.count(" start ")) == (1, 0), "what was given up is not run again unasked"
    before = sorted(Path.cwd().rglob("*"))
    code, out, _ = run_sweep("retry", "--dry-run", *NO_PROBE, "--seeds", "0,1")
    assert run_sweep("retry", "--failed", "--dry-run", *NO_PROBE, "--seeds", "0,1")[:2] == (code, out)
    assert (code, sorted(Path.cwd().rglob("*"))) == (0, before)
    retry, count = out.splitlines()[-2:]
    assert retry.startswith(f"would retry {trial.trial_id}  timesformer1 h=2 2dot seed=0: data: DamagedCheckpoint: ")
    assert count == "1 trial was given up and would run once more"
    _, out, _ = run_sweep("retry", "--failed", "--dry-run", *NO_PROBE, "--seeds", "0,1", "--json")
    planned = json.loads(out)
    code, out, err = run_sweep("retry", "--failed", *NO_PROBE, "--seeds", "0,1", "--json")
    assert (code, err.count(" start ")) == (0, 1)
    ran = json.loads(out)
    assert planned["retried"] == ran["retried"] == [trial.trial_id]
    states = [{row["trial_id"]: row["state"] for row in value["trials"]} for value in (planned, ran)]
    assert [each[trial.trial_id] for each in states] == ["failed", "done"]
    assert [value["counts"]["done"] for value in (planned, ran)] == [1, 2]


def test_the_hint_keeps_what_status_takes() -> None:
    """What it leaves out are all options of ``run`` that ``status`` does not have."""
    given = ["--preset", "demo", "--workers", "2", "--cuda-graphs", "--seeds=1,2", "--retry-code", "3", "--json"]
    kept = what_is_asked(DIVING48, [*given, "--masks", "m", "--only", "seed=1", "--failed"])
    assert kept == ["--preset", "demo", "--seeds=1,2", "--masks", "m", "--only", "seed=1"]
    flags = {name: {flag.name for flag in VERBS[name].flags(DIVING48)} for name in ("run", "retry", "status")}
    assert flags["status"] >= {"preset", "experiment", "seeds", "masks", "only", "precision", "json"}
    for name in (flags["run"] | flags["retry"]) - flags["status"]:
        flag = f"--{name.replace('_', '-')}"
        assert flag not in what_is_asked(DIVING48, [flag, "3"])
