"""My videos and my model: how well does what is learned in one domain hold in the others?

The videos are in folders, DOMAIN/CLASS/FILE.mp4. Models train on the domain SOURCE and are asked about all others.

    python own_videos.py --videos my_videos            decode the videos, train, evaluate, show the tables
    python own_videos.py --preset quick                the same with one small model each, to see that all works
    python own_videos.py plan                          what is left to do, and what it costs
    python own_videos.py results                       tables, figures and a page that opens in a browser
"""

from torch import Tensor, nn

from rac_ray.cli import sweep_main
from rac_ray.identity import Recipe
from rac_ray.models import register
from rac_ray.studies.videos import VideoGrid, VideoStudy

SOURCE = "day"


@register("average")
class Average(nn.Module):
    """A model that cannot tell the order of frames: a small 2D CNN on each frame, then the mean over time.

    Beside models that recur, attend or convolve over time it shows how much of a task is motion at all.
    """

    def __init__(self, hidden_units: int, *, num_frames: int, frame_size: int, channels: int, num_classes: int) -> None:
        super().__init__()
        self.frames = nn.Sequential(
            nn.Conv2d(channels, hidden_units, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(hidden_units, 2 * hidden_units, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
        )
        self.classify = nn.Linear(2 * hidden_units * 4 * 4, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (B, T, C, H, W) float32 in [0, 1] to logits (B, num_classes)."""
        features = self.frames(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        return self.classify(features.mean(1))


ALL = VideoGrid(source=SOURCE, models=("average", "convlstm", "cnn3d", "timesformer8"), hidden_units=(4, 8, 16))
QUICK = VideoGrid(
    source=SOURCE,
    models=("average", "cnn3d"),
    hidden_units=(4,),
    seeds=(42,),
    num_frames=8,
    frame_size=32,
    recipe=Recipe(learning_rate=0.01, batch_size=8, max_epochs=5, patience=5),
)
STUDY = VideoStudy("own_videos", {"all": ALL, "quick": QUICK}, "all", description=__doc__ or "")

if __name__ == "__main__":
    sweep_main(STUDY)
