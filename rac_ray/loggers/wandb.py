"""W&B: a project for each sweep, a group for each preset, in it a run for each training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wandb
from wandb.errors import CommError

from rac_ray.loggers.protocol import Run, Sweep
from rac_ray.loggers.wandb_files import records_in

QUIET = {
    "silent": True, "console": "off", "disable_git": True, "disable_code": True, "save_code": False,
    "x_disable_stats": True, "x_disable_meta": True, "x_disable_machine_info": True, "init_timeout": 45,
}  # fmt: skip
"""Nothing is told of the machine but what the records have."""
UNFINISHED = ("failed", "pending")
"""States in which a run does not end as a success."""


@dataclass
class Known:
    """What is known to have been written of a run."""

    begun: bool = False
    epochs: set[int] = field(default_factory=set)
    summary: dict[str, Any] = field(default_factory=dict)


class WandB:
    """Keeps a run open while its training runs; files on this machine, and the server, tell what was written before."""

    def __init__(self, where: str, sweep: Sweep) -> None:
        self.sweep = sweep
        self.entity, _, project = where.rpartition("/")
        self.project = project or sweep.name
        self.settings = wandb.setup().settings
        self._known: dict[str, Known] = {}
        self._open: dict[str, Any] = {}

    def write(self, run: Run) -> None:
        known = self._of(run.key)
        rows = [row for row in run.epochs if row["epoch"] not in known.epochs]
        said = {"state": run.state, **run.notes, **run.finals}
        new = {name: value for name, value in said.items() if known.summary.get(name) != value}
        if rows or new or not known.begun:
            shown = self._opened(run.key, run.name, "training", dict(run.parameters))
            for row in rows:
                shown.log(dict(row))
            shown.summary.update(new)
            known.epochs |= {int(row["epoch"]) for row in rows}
            known.summary |= new
        if run.over and run.key in self._open:
            self._open.pop(run.key).finish(exit_code=int(run.state in UNFINISHED))

    def attach(self, step: int, files: Mapping[str, Path]) -> None:
        """Figures and report are an artefact of the run of the preset; the same ones are logged once."""
        key = f"sweep-{self.sweep.title.replace(' ', '-')}"
        artifact = wandb.Artifact(key, "results")
        for name, path in files.items():
            artifact.add_file(str(path), name)
        known, said = self._of(key), {"results": artifact.digest, "trials_over": step}
        if said != {name: known.summary.get(name) for name in said}:
            run = self._opened(key, self.sweep.title, "sweep", {})
            run.log_artifact(artifact)
            run.summary.update(said)
            known.summary |= said
            self._open.pop(key).finish()

    def close(self) -> None:
        """Runs whose training has not ended go on when it does. Only W&B's own end has everything on the disk."""
        for run in self._open.values():
            run.finish(exit_code=1)
        self._open.clear()
        wandb.teardown()

    def _opened(self, key: str, name: str, kind: str, config: dict[str, Any]) -> Any:
        if key not in self._open:
            preset = self.sweep.preset
            self._open[key] = wandb.init(
                entity=self.entity or None,
                project=self.project,
                id=key,
                name=name,
                group=preset or None,
                job_type=kind,
                tags=[preset] if preset else None,
                config=config,
                resume="allow",
                reinit="create_new",
                settings=wandb.Settings(**QUIET),
            )
            self._open[key].define_metric("epoch")
            self._open[key].define_metric("*", step_metric="epoch")
            self._of(key).begun = True
        return self._open[key]

    def _of(self, key: str) -> Known:
        if key not in self._known:
            self._known[key] = known = of_files(Path(self.settings.wandb_dir), key)
            if self.settings.mode == "online":
                self._ask_server(key, known)
        return self._known[key]

    def _ask_server(self, key: str, known: Known) -> None:
        """Add what the server has of a run that another machine may have written."""
        try:
            run = wandb.Api(timeout=20).run(f"{self.entity}/{self.project}/{key}".lstrip("/"))
        except (CommError, ValueError):  # there is none, or ``init`` will say why
            return
        known.begun = True
        known.epochs |= {int(row["epoch"]) for row in run.scan_history(keys=["epoch"])}
        known.summary |= dict(run.summary)


LOGGER = WandB


def of_files(folder: Path, key: str) -> Known:
    """What W&B's files of a run below a folder say, those of runs that were never uploaded, too."""
    known = Known()
    for path in sorted(folder.glob(f"*run-*-{key}*/run-{key}.wandb")):
        known.begun = True
        for kind, values in records_in(path):
            if kind == "history" and "epoch" in values:
                known.epochs.add(int(values["epoch"]))
            elif kind == "summary":
                known.summary |= values
    return known
