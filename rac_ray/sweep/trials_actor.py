"""The actor whose tasks stand for running trials. It imports nothing else: its process has no other work."""

import asyncio


class Trials:
    """The actor. Ray shows the class by this name, and its ``repr`` beside it."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._ends: dict[str, asyncio.Future[str]] = {}

    def __repr__(self) -> str:
        return self._title

    async def run(self, key: str) -> None:
        """Lasts until the trial's end is told; raises RuntimeError with the reason when it failed."""
        why = await self._end(key)
        del self._ends[key]
        if why:
            raise RuntimeError(why)

    async def end(self, key: str, why: str) -> None:
        """The trial has ended, or failed for a reason."""
        self._end(key).set_result(why)

    def _end(self, key: str) -> "asyncio.Future[str]":
        """Whichever of the two methods is called first makes it: Ray keeps no order between them."""
        return self._ends.setdefault(key, asyncio.get_running_loop().create_future())
