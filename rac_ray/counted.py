"""Numbers of things in words."""


def counted(count: float, one: str, many: str = "", spec: str = "") -> str:
    """``1 seed``, ``3 seeds``; ``many`` is what several are called, where that is not ``one`` with an s."""
    return f"{count:{spec}} {one if count == 1 else many or f'{one}s'}"
