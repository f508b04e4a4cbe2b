"""Names of the files that a training leaves in its folder."""

LAST_CHECKPOINT = "last.ckpt"
"""From which it goes on; only while it runs."""
BEST_CHECKPOINT = "best.ckpt"
"""The weights of its best epoch."""
LEVEL = "level-epoch-"
LOG = "log.txt"


def level_file(epoch: int) -> str:
    """The weights of an epoch that a level is nearest to."""
    return f"{LEVEL}{epoch:04d}.ckpt"
