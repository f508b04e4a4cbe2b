"""The pixels that a plan's trainings read, and whether finished ones have read the same."""

from collections.abc import Mapping

from rac_ray.errors import BadInput
from rac_ray.store.entry import Entry
from rac_ray.sweep.planner import Plan


def pixels_of(plan: Plan) -> dict[str, Mapping[str, str]]:
    """Hashes over the pixels of each part of the data, by the key of the trainings that read them."""
    found = {}
    for part in plan.parts:
        content = plan.study.content(part.grid, part.data, part.tasks)
        found |= {task.training.clips_key: content for task in part.tasks}
    return found


def require_same_pixels(plan: Plan, entries: Mapping[str, Entry]) -> None:
    """BadInput when finished trainings saw other pixels than the data folder holds now, though the spec is the same.

    An id covers what clips are made from; what other versions of the image libraries make of it shows only in the
    pixels.
    """
    now = pixels_of(plan)
    for task in plan.tasks:
        record = entries[task.training_id].record
        if record is None:
            continue
        contents = {each.part: each.content for each in record.evaluations}
        same = [*task.trained_on, *(e.part for e in task.evaluations if contents.get(e.part) == e.content)]
        other = [part for part in same if record.content.get(part) != now[task.training.clips_key].get(part)]
        if other:
            raise BadInput(
                f"trial {task.training_id} was trained with other pixels in {other[0]} than {plan.data.root} holds "
                "(made by other library versions); use its data folder or another --storage"
            )
