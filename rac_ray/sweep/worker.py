"""The loop that TorchTrainer runs: one process of one training, alone or as a rank of a DDP group.

It trains, unless the ledger has the weights, then asks the checkpoints what they have not been asked yet. Alone,
TorchTrainer runs it in the trial's own process and Tune gets the reports; in a group, Ray Train gets them and forwards
rank 0's to Tune.
"""

import logging
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import msgspec
import pyarrow as pa
import torch
from ray import train, tune
from ray.train.torch import get_device

from rac_ray.data.feed import Feeds, Opening, Place
from rac_ray.data.feeding import ClipFeeds
from rac_ray.data.resident import SharedClips
from rac_ray.store.files import BEST_CHECKPOINT
from rac_ray.store.ledger import Ledger
from rac_ray.store.record import Evaluated, Record, with_trials
from rac_ray.store.storage import Storage
from rac_ray.sweep.failures import now
from rac_ray.sweep.feeds import Way
from rac_ray.sweep.provenance import UNKNOWN
from rac_ray.sweep.recording import checkpoint_file, content_of, knowing_levels, trained_record
from rac_ray.sweep.trial_log import TrialLog
from rac_ray.training.checkpoints import as_bytes, weights_in
from rac_ray.training.evaluate import evaluate
from rac_ray.training.fit import fit
from rac_ray.training.task import Task
from rac_ray.training.watchdog import StallLimits, Watchdog

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting:
    """What all trainings of a run share."""

    ledger: Ledger
    driver: str
    """Token of the run's driver."""
    study: str
    """The name of the study."""
    content: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Hash over decoded pixels by ``domain/split``, by the key of the trainings that read them."""
    workers: int | tuple[int, int] = 1
    """DDP workers per training, or the fewest and the most of a group that shrinks and grows."""
    per_worker: Mapping[str, float] = field(default_factory=lambda: {"CPU": 1})
    """What each worker has of the machine."""
    lost_workers: int = 0
    """Losses of workers from which a group recovers by itself, from its last checkpoint; then the queue tries again."""
    cuda_graphs: bool = False
    """Whether a single worker's steps are recorded on a GPU and replayed."""
    delivered: Way = "resident"
    """How stored clips go to trainings."""
    keep_shards: bool = False
    """Whether clips that are drawn for an epoch are written to the data folder as well."""
    retell: bool = False
    """Whether an attempt that goes on from a checkpoint reports the epochs before it, too."""
    stall: StallLimits = field(default_factory=StallLimits)
    scratch: str = ""
    """Folder for Ray's own files of a run."""
    commit: str = UNKNOWN
    """Commit of the code that runs."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries that it runs on."""

    @property
    def in_groups(self) -> bool:
        """Whether a training has a worker group of its own."""
        return self.workers != 1

    @property
    def most_workers(self) -> int:
        return self.workers if isinstance(self.workers, int) else self.workers[1]


@dataclass(frozen=True)
class Job:
    """One attempt at one task."""

    task: Task
    attempt: int
    """1 for the first."""
    setting: Setting
    host: str
    """Host on which the attempt began."""
    began: float
    """Start of the attempt on that host's monotonic clock, which no change of the date moves."""
    made_from: dict[str, Any] | None = None
    """What makes the task's clips again."""
    clips: Mapping[str, Any] = field(default_factory=dict)
    """References to the clips that lie in the object store, by part."""

    @property
    def training_id(self) -> str:
        return self.task.training_id

    @property
    def content(self) -> Mapping[str, str]:
        """Hash over decoded pixels by ``domain/split``."""
        return self.setting.content.get(self.task.training.clips_key, {})

    @property
    def folder(self) -> Storage:
        return self.setting.ledger.folder(self.training_id)


@dataclass(frozen=True)
class Group:
    """One process of a worker group, or one that trains alone."""

    place: Place
    report: Callable[[dict[str, Any]], None]
    lightning: Mapping[str, Any] = field(default_factory=dict)
    """What ``fit`` needs as one rank of a worker group."""

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.place.rank == 0

    def wait(self) -> None:
        """Wait until every process of the group is here."""
        if self.place.world > 1:
            torch.distributed.barrier()


def train_loop(config: dict[str, Any]) -> None:
    """Bring the job's training to a record with all evaluations that the task wants (rank 0 writes).

    What is logged meanwhile goes to the training's log; a process that makes no step any more writes its failure and
    kills itself.
    """
    job: Job = config["job"]
    torch.set_num_threads(max(1, int(job.setting.per_worker["CPU"])))
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    group = group_of_workers() if job.setting.in_groups else Group(Place(device=_device().type), tune.report)
    with (
        TrialLog(job.folder) if group.leads else nullcontext() as log,
        Watchdog(job.setting.stall, partial(_stalled, job)) as watchdog,
    ):
        _LOGGER.info(
            "attempt %d of %s on %s, process %d, rank %d of %d",
            job.attempt, job.task.training.name, platform.node(), os.getpid(), group.place.rank, group.place.world,
        )  # fmt: skip
        try:
            _run(job, group, log, watchdog.beat)
        except SystemExit:
            _LOGGER.info("attempt %d was stopped", job.attempt)  # by Tune, between two epochs
            raise
        except BaseException:
            _LOGGER.exception("attempt %d failed", job.attempt)
            raise


def _stalled(job: Job, sentence: str, stacks: str) -> None:
    """A group that goes on by itself has lost a worker, no more; the log says where it stood."""
    _LOGGER.error("%s\n%s", sentence, stacks)
    if not job.setting.lost_workers:
        failure = {"class": "stalled", "reason": sentence, "traceback": stacks, "host": platform.node()}
        job.setting.ledger.fail(job.training_id, job.attempt, failure)


def _run(job: Job, group: Group, log: TrialLog | None, beat: Callable[[], None]) -> None:
    training, subject = job.task.training, job.task.subject
    clips, keep = SharedClips(job.clips), job.setting.keep_shards
    feeds = ClipFeeds(subject, Opening(training.seed, training.recipe.batch_size, group.place, clips, keep))
    record = job.setting.ledger.record(training.training_id)
    if record is None or not job.folder.exists(BEST_CHECKPOINT):
        record = _train(job, group, feeds, log, beat)
    group.wait()
    _evaluate(job, group, feeds, knowing_levels(record, job.task), beat)


def _train(job: Job, group: Group, feeds: Feeds, log: TrialLog | None, beat: Callable[[], None]) -> Record:
    """Fit the training and write what it came to."""
    ready_at, task = time.monotonic(), job.task
    training, selection = task.training, task.selection

    def tell(row: dict[str, Any]) -> None:
        _LOGGER.info("epoch %(epoch)d: train loss %(train_loss).4f, val top-1 %(val_top1).3f, %(seconds).1f s", row)
        if log and (row["epoch"] == 0 or job.setting.in_groups):
            log.write()
        group.report(row)

    result = fit(
        task.subject.build,
        training.recipe,
        training.seed,
        feeds.train(),
        feeds.val(),
        job.folder,
        device=torch.device(group.place.device),
        scaled=task.subject.scaled,
        weight=group.place.weight(training.recipe.batch_size),
        keeper=selection.keeper(),
        report=tell,
        beat=beat,
        cuda_graphs=job.setting.cuda_graphs and not job.setting.in_groups,
        retell=job.setting.retell,
        **group.lightning,
    )
    began = job.began if job.host == platform.node() else ready_at
    seconds = {
        "to_first_step": ready_at - began + result.seconds_to_first_step,
        "training": time.monotonic() - ready_at - result.seconds_to_first_step,
        "total": time.monotonic() - began,
    }
    record = trained_record(job, group.place, result, seconds)
    if group.leads:
        job.setting.ledger.trained(record, result.epochs, as_bytes(result.model.state_dict()))
    return record


def _evaluate(job: Job, group: Group, feeds: Feeds, record: Record, beat: Callable[[], None]) -> None:
    """Ask each checkpoint what it has not been asked yet, and write it down."""
    began, task = time.monotonic(), job.task
    scores: list[Evaluated] = []
    tables: list[pa.Table] = []
    for epoch, evaluations in task.outstanding(record).items():
        model = task.subject.build()
        model.load_state_dict(weights_in(job.folder, checkpoint_file(record, epoch)))
        found = evaluate(
            model,
            feeds,
            evaluations,
            place=group.place,
            precision=task.training.recipe.precision,
            scaled=task.subject.scaled,
            beat=beat,
        )
        scores += [each.score(job.training_id, epoch) for each in found]
        tables += [each.table(score.evaluation_id) for each, score in zip(found, scores[-len(found) :], strict=True)]
        _LOGGER.info("epoch %d evaluated on %d clips", epoch, sum(len(each.clip_ids) for each in found))
    group.report({"evaluated": len(scores)})
    if group.leads:
        new = {each.evaluation_id for each in scores}
        kept = [each for each in record.evaluations if each.evaluation_id not in new]
        seconds = time.monotonic() - began
        before = record.seconds
        whole = msgspec.structs.replace(
            with_trials(record, task.asked),
            evaluations=[*kept, *scores],
            content={**record.content, **content_of(job.task, job.content)},
            dataset=job.made_from,
            seconds={
                **before,
                "evaluation": before.get("evaluation", 0.0) + seconds,
                "total": before["total"] + seconds,
            },
            finished_at=now(),
        )
        job.setting.ledger.evaluated(whole, pa.concat_tables(tables) if tables else None)


def _device() -> torch.device:
    return cast(torch.device, get_device()) if torch.cuda.is_available() else torch.device("cpu")


def group_of_workers() -> Group:
    """The group of this process, which is one rank of it."""
    from rac_ray.training.batch_norm import shared_batch_norm
    from rac_ray.training.ray_lightning import ray_for_pytorch_lightning

    ray_lightning = ray_for_pytorch_lightning()
    context, device = train.get_context(), cast(torch.device, get_device())
    options = {
        "accelerator": "auto",
        "devices": "auto",
        "strategy": ray_lightning.RayDDPStrategy(),
        "plugins": [ray_lightning.RayLightningEnvironment(), shared_batch_norm()],
    }
    place = Place(context.get_world_rank(), context.get_world_size(), str(device))
    return Group(place, train.report, {"trainer_options": options, "prepare": ray_lightning.prepare_trainer})
