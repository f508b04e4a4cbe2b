"""Numbers of things, and times, in words."""


def counted(count: float, one: str, many: str = "", spec: str = "") -> str:
    """``1 seed``, ``3 seeds``; ``many`` is what several are called, where that is not ``one`` with an s."""
    return f"{count:{spec}} {one if count == 1 else many or f'{one}s'}"


def duration(seconds: float) -> str:
    """A duration for people: ``40 s``, ``4.1 min``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def about_left(seconds: float) -> str:
    """``about 4.1 min left``; a second at least, as something is left."""
    return f"about {duration(max(1.0, seconds))} left"
