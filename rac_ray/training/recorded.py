"""A step that a GPU replays as one CUDA graph instead of being told each of its kernels anew."""

import logging
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_LOGGER = logging.getLogger(__name__)

WARM_UP = 3
"""Steps before the recording: they choose kernels, fill caches and make the optimiser's state."""
_TOLERANCE = 1e-3
"""Largest relative difference, by norm and tensor, between a replayed step and the same made kernel by kernel."""


class RecordedStep:
    """Calls ``step(frames, labels)``; on a GPU it records the step once and replays it for batches of the same shape.

    ``step`` may not ask the device for a value, and changes nothing but the tensors of ``state`` in place. The first
    replay is compared with the step itself from the same state. When recording fails or the two differ, that is logged
    once and every step is made kernel by kernel, as are the first steps and batches of another shape. On a CPU nothing
    is recorded.
    """

    def __init__(self, step: Callable[[Tensor, Tensor], None], state: Callable[[], Sequence[Tensor]]) -> None:
        self.step = step
        self.state = state
        self.calls = 0
        self.given_up = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, Tensor] | None = None

    def __call__(self, frames: Tensor, labels: Tensor) -> None:
        self.calls += 1
        other_shape = self._inputs is not None and self._inputs[0].shape != frames.shape
        if frames.device.type != "cuda" or self.given_up or other_shape:
            self.step(frames, labels)
        elif self.calls <= WARM_UP:
            self._beside(frames, labels)
        elif self._graph is None:
            self._record(frames, labels)
        else:
            self._replay(self._graph, frames, labels)

    def _beside(self, frames: Tensor, labels: Tensor) -> None:
        """A step on another stream than the default one, as a recording will be."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.step(frames, labels)
        torch.cuda.current_stream().wait_stream(stream)

    def _replay(self, graph: torch.cuda.CUDAGraph, frames: Tensor, labels: Tensor) -> None:
        assert self._inputs is not None
        for kept, given in zip(self._inputs, (frames, labels), strict=True):
            kept.copy_(given)
        graph.replay()

    def _record(self, frames: Tensor, labels: Tensor) -> None:
        """Make this step kernel by kernel, record it, go back, replay it, and compare."""
        self._inputs = frames.clone(), labels.clone()
        before = _copies(self.state())
        self._beside(frames, labels)
        expected = _copies(self.state())
        try:
            _set(self.state(), before)
            graph = torch.cuda.CUDAGraph()
            torch.clear_autocast_cache()  # 16-bit copies of weights made before would be stale in every replay
            with torch.cuda.graph(graph):
                self.step(*self._inputs)
            torch.clear_autocast_cache()
            self._replay(graph, frames, labels)
            off = difference(self.state(), expected)
        except RuntimeError as error:
            reason = f"recording failed: {error}"
        else:
            if off <= _TOLERANCE:
                self._graph = graph
                return
            reason = f"a replayed step is off by {off:.1e}"
        _LOGGER.warning("steps are made without a CUDA graph; %s", reason)
        _set(self.state(), expected)
        self.given_up = True


def difference(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Largest relative difference by norm between two states; infinite when a value is not finite or one is missing."""
    if len(found) != len(expected):
        return math.inf
    pairs = [(one.detach().double(), other.detach().double()) for one, other in zip(found, expected, strict=True)]
    shares = [float((one - other).norm() / other.norm().clamp_min(1e-12)) for one, other in pairs]
    return max((share if math.isfinite(share) else math.inf for share in shares), default=0.0)


def _copies(state: Sequence[Tensor]) -> list[Tensor]:
    return [value.detach().clone() for value in state]


@torch.no_grad()
def _set(state: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for tensor, value in zip(state, values, strict=True):
        tensor.copy_(value)
