"""How much of a machine each trial gets, from the memory that its class was measured to need. Pure.

On a GPU a trial asks Ray for the fraction that
its memory needs; on a CPU for its cores, and for memory where the cores would let more trials in than memory does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from rac_ray.counted import counted
from rac_ray.errors import BadInput

Kind = str
"""Kind of a training (``Training.kind``): trainings of one need the same."""
MOST_PER_GPU = 8
"""Trials that ``auto`` puts on one GPU at most: beyond it they wait for one another, not for memory."""
HEADROOM = 1.2
"""Measured peak memory is raised by this, and a GPU is filled to the inverse of it."""
CONTEXT_BYTES = 600_000_000
"""What a process takes of a GPU before its first tensor."""
PROCESS_BYTES = 1_000_000_000
"""Memory of a CPU trial whose class was not measured."""
STORE = "object_store_memory"
"""Ray's name for it among a node's resources."""
WAITING: Mapping[str, float] = {"CPU": 0.0, "memory": 1.0}
"""What the waiting half of a trial with a worker group asks for: no core, so that two cores are room for two workers.
Tune refuses to ask for nothing; a byte is there on every node."""
STACKED_BY_ITSELF = {"CPU": 1, "GPU": 1}
"""Seeds that ``auto`` trains in one process. On two cores a stack is as fast as one seed after the other, and leaves
cores idle at the end; no GPU has been measured yet."""
KEPT_FREE = 0.001
"""CPUs that each process which trains asks for on top where tasks read its clips: when a node is lost, trials take all
that they find on the others, and so the last core of every node stays for the tasks."""


@dataclass(frozen=True)
class Machine:
    """What a Ray cluster has, all nodes together."""

    cpus: float
    gpus: float = 0
    memory: float = 0
    """Bytes that Ray lets trials ask for; 0 where it does not say."""
    gpu_memory: float = 0
    """Bytes of one GPU; 0 where none was measured."""
    node_cpus: float = math.inf
    """Most that one node has; a trial's process cannot be larger."""
    node_memory: float = math.inf
    """Bytes of memory of a node; likewise."""
    store: float = math.inf
    """Bytes of the smallest object store of a node; infinite where nobody said."""
    grows: bool = False
    """Whether nodes that are not there yet are counted in."""

    @classmethod
    def of(cls, nodes: Sequence[Mapping[str, float]], num_cpus: int | None = None, num_gpus: int | None = None) -> Self:
        """A cluster of nodes with these resources, and of the CPUs and GPUs that it will have when it has grown.

        A node with a GPU is taken to bring at least ``MOST_PER_GPU`` CPUs with it. Of nodes that are not there yet
        nothing else is known: the largest node is then any size.
        """
        cpus, gpus, memory = (sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU", "memory"))
        store = min((node.get(STORE, math.inf) for node in nodes), default=math.inf)
        more_gpus = max(0, (num_gpus or 0) - gpus)
        more_cpus = max((num_cpus or 0) - cpus, MOST_PER_GPU * more_gpus, 0)
        if more_cpus:
            return cls(cpus + more_cpus, gpus + more_gpus, store=store, grows=True)
        largest = {name: max((node.get(name, 0) for node in nodes), default=0) for name in ("CPU", "memory")}
        return cls(cpus, gpus, memory, node_cpus=largest["CPU"], node_memory=largest["memory"], store=store)


@dataclass
class Packing:
    """Resources of the trials of each class on a machine; lowered for a class that ran out of memory."""

    machine: Machine
    workers: int = 1
    """DDP workers per trial; two or more get whole GPUs."""
    cpus_per_trial: int | None = None
    """None: one, or a GPU's share of the cores, or all cores divided by the number of trials."""
    trials_per_gpu: int | Literal["auto"] = "auto"
    peaks: Mapping[Kind, float] = field(default_factory=dict)
    """Measured peak bytes of one training by kind."""
    trials: int | None = None
    """Trials to run: ``auto`` lets no more share a GPU than it takes to have all of them running."""
    lowered: dict[Kind, int] = field(default_factory=dict)
    """How often a class ran out of memory: each time half as many of it run side by side."""
    fewest: int = 0
    """Workers with which a group goes on that lost some; 0: it does not shrink."""
    graphs: bool = False
    """Whether steps are replayed as CUDA graphs: one trial then keeps a GPU busy, and ``auto`` lets none beside it."""
    stack: int = 1
    """Seeds of a training that train in one process as one model, at most."""
    cpus_besides: float = 0
    """What reading a trial's clips takes of the CPUs beside its workers."""

    def members(self, kind: Kind) -> int:
        """Seeds of a training that run in one process at most."""
        return max(1, self.stack >> self.lowered.get(kind, 0))

    def lower(self, kind: Kind) -> None:
        """Run half as many trainings of a kind side by side from now on, and in one process."""
        self.lowered[kind] = self.lowered.get(kind, 0) + 1

    def per_gpu(self, kind: Kind) -> int:
        """Trials of a class that share a GPU, or stacks of them."""
        if self.trials_per_gpu == "auto":
            peak = self.peaks.get(kind)
            members = self.members(kind)
            need = HEADROOM * peak * members + CONTEXT_BYTES if peak else math.inf
            most = min(MOST_PER_GPU, int(self.machine.cpus / self.machine.gpus))
            if self.trials is not None:
                most = min(most, math.ceil(self.trials / members / self.machine.gpus))
            first = 1 if self.graphs else min(most, int(self.machine.gpu_memory / HEADROOM / need))
        else:
            first = self.trials_per_gpu
        return max(1, first >> self.lowered.get(kind, 0))

    @property
    def cores(self) -> int:
        """CPU threads of a trial (of each worker of one)."""
        return self.cpus_per_trial or 1

    @property
    def _asked(self) -> float:
        """CPUs that a process asks for which trains; no more than its cores where no node has more."""
        spare = self.cpus_besides and self.machine.node_cpus > self.cores
        return self.cores + (KEPT_FREE if spare else 0)

    @property
    def in_groups(self) -> bool:
        """Whether trials have worker groups, for which they only wait."""
        return self.workers > 1

    @property
    def elastic(self) -> bool:
        """Whether worker groups may shrink and grow."""
        return 0 < self.fewest < self.workers

    @property
    def limits(self) -> bool:
        """Whether trials take more than what they ask Ray for, so that Ray's room does not say how many run."""
        return self.in_groups or self.cpus_besides > 0

    def resources(self, kind: Kind) -> dict[str, float]:
        """What one trial of a class asks Ray for; a trial with a worker group only for its waiting half."""
        if self.in_groups:
            return dict(WAITING)
        if self.machine.gpus:
            return {"CPU": self._asked, "GPU": 1 / self.per_gpu(kind)}
        asked: dict[str, float] = {"CPU": self._asked}
        if (memory := self._memory(kind)) > 0:
            asked["memory"] = memory
        return asked

    def _memory(self, kind: Kind) -> float:
        """Bytes to ask for on a CPU: 0 where the cores alone keep memory safe, else the next power of two."""
        if not self.machine.memory:
            return 0
        slots = self.machine.cpus // self.cores
        lowered = self.lowered.get(kind, 0)
        widest = HEADROOM * max([PROCESS_BYTES, *self.peaks.values()])
        if not lowered and slots * widest <= self.machine.memory:
            return 0
        need = HEADROOM * self.peaks.get(kind, PROCESS_BYTES)
        share = self.machine.memory / max(1, slots) * 2**lowered if lowered else 0
        most = min(self.machine.memory, self.machine.node_memory)
        return min(2.0 ** math.ceil(math.log2(max(need, share))), float(int(most)))

    def per_worker(self) -> dict[str, float]:
        """What each worker of a DDP group asks for."""
        return {"CPU": self._asked, **({"GPU": 1} if self.machine.gpus else {})}

    def whole(self, kind: Kind, workers: int | None = None) -> dict[str, float]:
        """All that one training takes, its worker group included: the whole one, or one of so many workers."""
        own = self.resources(kind)
        if not self.in_groups:
            return {**own, "CPU": own["CPU"] + self.cpus_besides}
        group = {name: amount * (workers or self.workers) for name, amount in self.per_worker().items()}
        return {**group, "CPU": own["CPU"] + group["CPU"] + self.cpus_besides}

    def share(self, kind: Kind, workers: int | None = None) -> float:
        """The largest share of any resource of the machine that one training takes."""
        have = {"CPU": self.machine.cpus, "GPU": self.machine.gpus, "memory": self.machine.memory}
        asked = self.whole(kind, workers)
        return max(amount / have[name] if have[name] else math.inf for name, amount in asked.items())

    def at_once(self, kind: Kind) -> int:
        """Trainings of a kind that run side by side; a group that shrinks runs alone where it does not fit whole."""
        whole = int(1 / self.share(kind) + 1e-9)
        return whole or int(self.share(kind, self.fewest or None) <= 1 + 1e-9)

    def require(self, kind: Kind) -> None:
        """BadInput when not even one training fits the machine, or one process of it no node."""
        if self.cores > self.machine.node_cpus:
            most = f"{counted(self.machine.node_cpus, 'CPU', spec='g')} of the largest node"
            raise BadInput(f"--cpus-per-trial is {self.cores}; valid: up to the {most}")
        if self.at_once(kind) >= 1:
            return
        named = {"CPU": "CPUs", "GPU": "GPUs", "memory": "bytes of memory"}
        have: dict[str, Any] = {"CPU": self.machine.cpus, "GPU": self.machine.gpus, "memory": self.machine.memory}
        asked = self.whole(kind, self.fewest or None)
        wanted = " and ".join(f"{amount:g} {named[name]}" for name, amount in asked.items())
        there = " and ".join(f"{have[name]:g} {named[name]}" for name in asked)
        raise BadInput(
            f"one training with --workers {self.fewest or self.workers} and --cpus-per-trial {self.cores} needs "
            f"{wanted}, the cluster has {there}"
        )
