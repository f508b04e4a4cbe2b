"""Settings of the fine-tuning; importing this loads no network, and nothing of the extra ``segmentation``."""

from dataclasses import asdict, dataclass, field
from typing import Any

VIDEO_PATTERN = r"(.+?)([_-]+(frame)?[_-]*\d+)+"
"""What a frame's name looks like; the first group is its recording: all but the numbers at its end."""
MIN_SIZE, MAX_SIZE = 800, 1333
"""torchvision's: images are scaled until the shorter side is the first, or the longer one the second, in pixels."""


@dataclass(frozen=True)
class Settings:
    """How the network is trained; the defaults are the study's (facts.md section 4), but for the hold-out.

    Training has a constant learning rate. The authors mirrored half of the validation frames too; here none are.
    """

    weights: str = "coco"
    """``coco``, ``none``, or a file (``network.build_network``)."""
    holdout: str = "video"
    """``video``, or ``frames`` as the authors (``frames.split_frames``)."""
    video_pattern: str = VIDEO_PATTERN
    """What part of a frame's name tells its video."""
    seed: int = 42
    """Seed of the new heads, the order, the mirroring and the sampled regions."""
    batch_size: int = field(default=2, metadata={"least": 1})
    learning_rate: float = 0.005
    momentum: float = 0.9
    weight_decay: float = 5e-4
    max_epochs: int = field(default=100, metadata={"least": 1})
    patience: int = field(default=20, metadata={"least": 1})
    """Epochs without a better ``val_iou_boxes`` before training stops."""
    flip: float = 0.5
    """Probability that a training frame is mirrored."""
    min_size: int = field(default=MIN_SIZE, metadata={"least": 32})
    """Shorter side of what the network sees, in pixels."""
    max_size: int = field(default=MAX_SIZE, metadata={"least": 32})

    def identity(self) -> dict[str, Any]:
        """What decides the numbers of an epoch: all but when to stop, a file of weights by its content."""
        from rac_ray.segmentation.network import checkpoint_bytes, digest

        known = self.weights in ("coco", "none")
        weights = self.weights if known else digest(checkpoint_bytes(self.weights))
        stop = ("max_epochs", "patience")
        return {name: value for name, value in (asdict(self) | {"weights": weights}).items() if name not in stop}
