"""Names of the files in a training's folder."""

TRIAL = "trial.json"
"""What is planned."""
ATTEMPT = "attempt.json"
"""The last attempt that has begun."""
LOG = "log.txt"
EPOCHS, PREDICTIONS = "epochs.parquet", "predictions.parquet"
RECORD = "record.json"
"""What the training came to; with it, it is done."""
LAST_CHECKPOINT = "last.ckpt"
"""All that an unfinished training goes on from."""
BEST_CHECKPOINT = "best.ckpt"
"""The weights of its best epoch."""
LEVEL = "level-epoch-"


def level_file(epoch: int) -> str:
    """The weights of an epoch that a level is nearest to."""
    return f"{LEVEL}{epoch:04d}.ckpt"


def is_weights(name: str) -> bool:
    """Whether a file holds weights that a finished training is evaluated with."""
    return name == BEST_CHECKPOINT or name.startswith(LEVEL)


def failure_file(attempt: int) -> str:
    """Why an attempt (1, 2, ..) failed."""
    return f"failure-{attempt:03d}.json"


def is_failure(name: str) -> bool:
    """Whether a file tells of a failed attempt."""
    return name.startswith("failure-")
