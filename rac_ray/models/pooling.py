"""What is left of a clip after poolings by two."""

from rac_ray.errors import BadInput


def halved(size: int, times: int, model: str, what: str) -> int:
    """How long a dimension is after being halved some times, rounded down. Raises BadInput where nothing is left.

    ``model`` and ``what`` are for people: "the ConvGRU", "pixels a side".
    """
    if size < 2**times:
        raise BadInput(f"clips for {model} have {size} {what}; valid: {2**times} or more")
    return size // 2**times
