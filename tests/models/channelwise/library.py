"""A library's TimeSformer in float64 with weights that matter, and its tokens in either order of axes."""

from typing import Any

import torch

from rac_ray.models.channelwise.attention import Layout
from rac_ray.models.timesformer import TimeSformerClassifier, rotations


def build(hidden_units: int, heads: int, num_frames: int, rows: int, **options: Any) -> Any:
    """Gains, shifts and biases are drawn, too."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "num_frames": num_frames,
        "frame_size": 16 * rows,
        "channels": 1,
        "num_classes": 5,
        **options,
    }
    transformer = TimeSformerClassifier(hidden_units, heads=heads, **shape).double().transformer
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return transformer


def layouts(transformer: Any, clips: int, num_frames: int, rows: int) -> tuple[Layout, Layout]:
    """Over time and over space."""
    places = rows * rows
    by_time, by_space = (
        [turn.double().contiguous() for turn in turns]
        for turns in rotations(transformer, num_frames, rows, rows, torch.empty(0))
    )
    over_time = Layout(clips, transformer.heads, places, num_frames, clips, places * clips, *by_time)
    return over_time, Layout(clips, transformer.heads, num_frames, places, places * clips, clips, *by_space)


def by_channel(tokens: torch.Tensor) -> torch.Tensor:
    """(B, tokens, D) -> (D, tokens * B)."""
    return tokens.permute(2, 1, 0).flatten(1).contiguous()


def by_clip(columns: torch.Tensor, clips: int) -> torch.Tensor:
    """The opposite."""
    return columns.unflatten(1, (-1, clips)).permute(2, 1, 0)
