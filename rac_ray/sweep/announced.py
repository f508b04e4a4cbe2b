"""What a run says before it spends anything: how much it is about to do, and that nobody has to sit through it."""

from collections.abc import Mapping

from rac_ray.counted import counted, duration
from rac_ray.store.entry import Entry
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.price import Price


def announced(plan: Plan, entries: Mapping[str, Entry], price: Price) -> list[str]:
    """One line; none where nothing is missing."""
    trials = sum(len(task.asked) for task in plan.missing(entries))
    if not trials:
        return []
    wall = price.forecast and price.forecast.wall_seconds.expected
    took = f"about {duration(wall)}" if wall else "for a time that nobody has measured yet"
    small = next(iter(plan.study.presets))
    other = f"; a small sweep is --preset {small}" if small != plan.preset else ""
    what = counted(trials, "candidate" if plan.is_search else "trial")
    return [f"{plan.title}: {what} to run, {took}; Ctrl-C loses nothing, the same command goes on{other}"]
