"""ConvLSTM blocks: recurrence over frames (paper section 3.1; facts.md 2.1, 3.4).

Shapes: clips (B, T, C, H, W); h hidden units; gates (B, 4h, H, W) in the order input, forget, output, candidate.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from rac_ray.models.normalisation import NORMS
from rac_ray.models.reach import in_reach


class ConvLSTMBlock(nn.Module):
    """ConvLSTM cell over all frames, then 2x2 max pooling of every hidden state, then batch normalisation.

    The state starts at zero for each clip and recurs unpooled. No peepholes, no forget-gate bias. Both convolutions
    have the same ``kernel``; the input's may have a ``stride``.
    """

    def __init__(
        self, channels: int, hidden_units: int, kernel: int = 3, *, stride: int = 1, normalisation: str = "batch"
    ) -> None:
        super().__init__()
        padding = kernel // 2
        self.input_conv = nn.Conv2d(channels, 4 * hidden_units, kernel, stride, padding)
        self.recurrent_conv = nn.Conv2d(hidden_units, 4 * hidden_units, kernel, padding=padding)
        self.kernel, self.stride = kernel, stride
        self.pool = nn.MaxPool2d(2)
        self.norm = NORMS[normalisation](hidden_units)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> (B, T, h, H/2, W/2), divided by the stride besides."""
        quick = self.kernel == 3 and self.stride == 1 and in_reach(clips)
        return self._in_tiles(clips) if quick else self._frame_by_frame(clips)

    def _frame_by_frame(self, clips: Tensor) -> Tensor:
        """The recurrence as it is defined, one frame after the other."""
        num_clips, num_frames = clips.shape[:2]
        from_input = self.input_conv(clips.flatten(0, 1)).unflatten(0, (num_clips, num_frames))
        hidden, cell, outputs = None, None, []
        for frame_gates in from_input.unbind(1):
            hidden, cell = self._step(frame_gates, hidden, cell)
            outputs.append(self.pool(hidden))
        return self.norm(torch.stack(outputs, dim=2)).transpose(1, 2)

    def _in_tiles(self, clips: Tensor) -> Tensor:
        """The same in compiled loops, clip by clip, with pooling in it and the gradient written out."""
        from rac_ray.models.recurrence import PooledRecurrence

        assert self.input_conv.bias is not None
        assert self.recurrent_conv.bias is not None
        bias = self.input_conv.bias + self.recurrent_conv.bias
        weights = self.input_conv.weight, self.recurrent_conv.weight
        pooled = PooledRecurrence.apply(clips.transpose(1, 2), *weights, bias, torch.is_grad_enabled())
        return self.norm(pooled).transpose(1, 2)

    def _step(self, from_input: Tensor, hidden: Tensor | None, cell: Tensor | None) -> tuple[Tensor, Tensor]:
        """One frame; a state of None is the zero state, whose convolution is the bias alone."""
        if hidden is None:
            assert self.recurrent_conv.bias is not None
            from_state = self.recurrent_conv.bias.view(1, -1, 1, 1)
        else:
            from_state = self.recurrent_conv(hidden)
        sigmoids, candidate = (from_input + from_state).tensor_split([from_input.shape[1] // 4 * 3], dim=1)
        enter, forget, leave = sigmoids.sigmoid().chunk(3, dim=1)
        new_cell = enter * candidate.tanh()
        if cell is not None:
            new_cell = forget * cell + new_cell
        return leave * new_cell.tanh(), new_cell


class ConvLSTM(nn.Module):
    """Blocks of h hidden units and a linear layer on the last time step of the last one, or on all of its steps.

    ``kernels`` has one per block. The defaults are Temporal Shape's; ``diving48`` has those of the other study.
    """

    any_length: ClassVar[bool] = True
    """Of its defaults; the weights of one that reads all steps know their number."""

    def __init__(
        self,
        hidden_units: int,
        *,
        num_frames: int,
        frame_size: int,
        channels: int,
        num_classes: int,
        kernels: Sequence[int] = (3, 3, 3),
        stride: int = 1,
        steps: Literal["last", "all"] = "last",
        normalisation: str = "batch",
    ) -> None:
        super().__init__()
        widths = [channels] + [hidden_units] * len(kernels)
        self.encoder = nn.Sequential(
            *(
                ConvLSTMBlock(*pair, kernel, stride=stride, normalisation=normalisation)
                for pair, kernel in zip(pairwise(widths), kernels, strict=True)
            )
        )
        self.steps_read = 1 if steps == "last" else num_frames
        side = frame_size
        for _ in kernels:
            side = -(-side // stride) // 2
        self.classifier = nn.Linear(hidden_units * side**2 * self.steps_read, num_classes)
        with torch.no_grad():
            # The released models saw one random clip in training mode when built; it moves the running statistics.
            # Without values, where weights are only counted, there is nothing to move.
            if not self.classifier.weight.is_meta:
                self.encoder(torch.rand(1, num_frames, channels, frame_size, frame_size))

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> logits (B, num_classes)."""
        return self.classifier(self.encoder(clips)[:, -self.steps_read :].flatten(1))
