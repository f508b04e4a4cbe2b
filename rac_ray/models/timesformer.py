"""TimeSformer with divided space-time attention, from timesformer-pytorch 0.4.1 (paper section 3.1; facts.md 2.1, 2.3).

Hidden units h are the width of one attention head (dim_head), so the residual stream is heads * h wide.
"""

import warnings

from torch import Tensor, nn

from rac_ray.errors import BadInput

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)
    from timesformer_pytorch import TimeSformer

PATCH_SIZE = 16


class TimeSformerClassifier(nn.Module):
    """Three TimeSformer layers with rotary embeddings and no dropout; the library's own head is the only one."""

    def __init__(
        self,
        hidden_units: int,
        *,
        heads: int,
        num_frames: int,
        frame_size: int,
        channels: int,
        num_classes: int,
        depth: int = 3,
    ) -> None:
        if hidden_units % 2:
            raise BadInput(
                f"hidden units of a TimeSformer are {hidden_units}; valid: even numbers (rotary embeddings turn pairs)"
            )
        super().__init__()
        self.transformer = TimeSformer(
            dim=hidden_units * heads,
            dim_head=hidden_units,
            heads=heads,
            depth=depth,
            num_frames=num_frames,
            image_size=frame_size,
            patch_size=PATCH_SIZE,
            channels=channels,
            num_classes=num_classes,
            rotary_emb=True,
            attn_dropout=0.0,
            ff_dropout=0.0,
        )

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, H, W) -> logits (B, num_classes)."""
        return self.transformer(clips)
