"""What a sweep runs on, what each trial gets, and what happens when one fails. Plain data.

A field's metadata is for the command line, which is derived from these classes: its ``flag`` or ``prefix``, the
``least`` value, and the environment variable (``env``) that has its default.
"""

from dataclasses import dataclass, field
from typing import Literal

from rac_ray.sweep.failures import Budgets
from rac_ray.training.watchdog import StallLimits


@dataclass(frozen=True)
class Pricing:
    """How a plan is priced."""

    seconds: float = field(default=1.0, metadata={"flag": "probe_seconds"})
    """Time to probe each kind of step of each model and size that no record tells of; 0: no probe."""
    price_per_hour: float | None = None
    """Price of the whole machine or cluster, for the forecast."""


@dataclass(frozen=True)
class Resources:
    """What the sweep runs on, what each trial gets, and what happens when one fails."""

    address: str | None = field(default=None, metadata={"env": "RAY_ADDRESS"})
    """A running Ray cluster, auto or host:port (default: $RAY_ADDRESS); without it a local Ray is started."""
    num_cpus: int | None = field(default=None, metadata={"least": 1})
    """CPUs of the local Ray, or of the cluster when it has grown (default: what is there)."""
    num_gpus: int | None = field(default=None, metadata={"env": "RAC_RAY_NUM_GPUS"})
    """GPUs, likewise (default: $RAC_RAY_NUM_GPUS, or what is there)."""
    workers: int | None = field(default=None, metadata={"least": 1})
    """DDP workers of a training (default: the preset's)."""
    fewest_workers: int | None = field(default=None, metadata={"least": 1})
    """Workers with which a group goes on that lost some (default: it does not shrink)."""
    cpus_per_trial: int | None = field(default=None, metadata={"least": 1})
    """CPU cores (threads) of each trial, or of each of its workers (default: 1)."""
    trials_per_gpu: int | Literal["auto"] = field(default="auto", metadata={"least": 1})
    """Trials that share a GPU; auto: as many as their measured memory allows, with graphs one."""
    stack: int | Literal["auto"] = field(default="auto", metadata={"least": 1})
    """Most seeds of a training that train in one process, as one model; auto: as was measured to be fastest."""
    cuda_graphs: bool = False
    """Record the steps of trials of one worker on a GPU once, and replay them."""
    keep_shards: bool = False
    """Also write clips that are drawn for an epoch to the data folder."""
    budgets: Budgets = field(default_factory=Budgets, metadata={"prefix": "retry_"})
    pause: float = field(default=5.0, metadata={"flag": "back_off"})
    """Seconds before the first retry of a trial."""
    pricing: Pricing = field(default_factory=lambda: Pricing(seconds=0))
    stall: StallLimits = field(default_factory=StallLimits, metadata={"prefix": "stall_"})
    dashboard: bool = False
    """Serve Ray's dashboard of the local Ray, on loopback."""
    take_over: bool = False
    """Take the sweep from a driver that lives; it stops."""
    verbose: bool = False
    """Print a line per epoch, too."""

    @property
    def watched(self) -> bool:
        """Whether there is a dashboard of Ray that shows the trials: a cluster has one."""
        return self.dashboard or self.address is not None
