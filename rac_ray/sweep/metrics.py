"""A running sweep as Ray metrics: what Prometheus scrapes and cluster/monitoring/dashboard.json draws."""

import time
from collections.abc import Mapping
from typing import Any

from ray.util.metrics import Counter, Gauge

from rac_ray.identity import Training
from rac_ray.store.entry import State

TAGS = ("sweep", "model", "h", "size", "seed", "source")
REFRESH_SECONDS = 5.0
"""Ray drops a gauge that nobody has set for 20 seconds (twice its report interval); an epoch may take longer."""


class SweepMetrics:
    """Publishes the trials of one sweep from the driver; every series is tagged by ``TAGS``."""

    def __init__(self, sweep: str) -> None:
        self.sweep = sweep
        self._state = Gauge("rac_trial_state", "1 for the state that a trial is in", (*TAGS, "state"))
        self._epochs = Counter("rac_epochs", "Epochs finished", TAGS)
        self._clips_per_second = Gauge("rac_clips_per_second", "Clips per second of a running trial's last epoch", TAGS)
        self._best_val_top1 = Gauge("rac_best_val_top1", "Best source-validation top-1 so far, 0 to 1", TAGS)
        self._loader_wait_share = Gauge("rac_loader_wait_share", "Share of the last epoch spent waiting for data", TAGS)
        self._gpu_memory_bytes = Gauge("rac_gpu_memory_bytes", "GPU memory of a running trial", TAGS)
        self._states: dict[str, State] = {}
        self._values: dict[tuple[Gauge, frozenset[tuple[str, str]]], float] = {}
        self._refreshed = time.monotonic()

    def state(self, training: Training, state: State) -> None:
        """``training`` is now in ``state``; its last state, and what only running trials have, go to 0 and end."""
        tags = self._tags(training)
        before = self._states.get(training.training_id)
        self._states[training.training_id] = state
        if before and before != state:
            self._end(self._state, {**tags, "state": before})
        if before == "running" and state != "running":
            for gauge in (self._clips_per_second, self._loader_wait_share, self._gpu_memory_bytes):
                self._end(gauge, tags)
        self._set(self._state, 1, {**tags, "state": state})

    def epoch(self, training: Training, row: Mapping[str, Any]) -> None:
        """``training`` has finished an epoch; ``row`` is what it reported."""
        tags = self._tags(training)
        self._epochs.inc(tags=tags)
        self._set(self._clips_per_second, row["clips"] / row["seconds"] if row["seconds"] else 0, tags)
        self._set(self._best_val_top1, row["best_val_top1"], tags)
        self._set(self._loader_wait_share, row["loader_wait_share"], tags)
        self._set(self._gpu_memory_bytes, row["gpu_memory_bytes"], tags)

    def refresh(self) -> None:
        """Keep every gauge alive; to be called often, does something every ``REFRESH_SECONDS``."""
        now = time.monotonic()
        if now - self._refreshed < REFRESH_SECONDS:
            return
        self._refreshed = now
        for (gauge, tags), value in self._values.items():
            gauge.set(value, dict(tags))

    def _tags(self, training: Training) -> dict[str, str]:
        of_training = training.model, training.hidden_units, training.size, training.seed, training.source
        return dict(zip(TAGS, (self.sweep, *map(str, of_training)), strict=True))

    def _set(self, gauge: Gauge, value: float, tags: dict[str, str]) -> None:
        self._values[gauge, frozenset(tags.items())] = float(value)
        gauge.set(float(value), tags)

    def _end(self, gauge: Gauge, tags: dict[str, str]) -> None:
        """Set to 0 once more, and not again: Ray forgets the series, and a long sweep does not keep dead ones."""
        self._values.pop((gauge, frozenset(tags.items())), None)
        gauge.set(0.0, tags)
