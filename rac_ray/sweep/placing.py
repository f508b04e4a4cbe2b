"""How a plan is placed on a machine: how clips are delivered, how trainings are packed, what cannot be."""

from dataclasses import replace
from typing import Literal

from rac_ray.counted import counted
from rac_ray.data.ahead import READING_CPUS
from rac_ray.errors import BadInput
from rac_ray.identity import PRECISIONS
from rac_ray.sweep.feeds import asked_delivery, reads_beside, way_of
from rac_ray.sweep.packing import STACKED_BY_ITSELF, Machine, Packing
from rac_ray.sweep.planner import Plan, precision_on
from rac_ray.sweep.resources import Resources
from rac_ray.sweep.session import room_on

ON_GPUS = precision_on(1)


def placed(plan: Plan, resources: Resources, machine: Machine) -> tuple[Plan, Packing]:
    """The plan that says how clips are delivered on a machine, and how trainings are packed there. Raises BadInput."""
    plan = replace(plan, delivered=way_of(plan.tasks, asked_delivery(plan.asked), room_on(machine)))
    return plan, packing_for(plan, resources, machine)


def packing_for(plan: Plan, resources: Resources, machine: Machine) -> Packing:
    """How trainings are packed on a machine.

    Raises BadInput when one kind does not fit at all, when workers share no step, and for a precision that the machine
    does not have.
    """
    require_precision(plan, machine.gpus)
    workers = resources.workers or max(plan.study.workers(part.grid) for part in plan.parts)
    fewest = resources.fewest_workers or workers
    batch = min(task.training.recipe.batch_size for task in plan.tasks)
    if fewest > workers:
        raise BadInput(f"--fewest-workers is {fewest}; valid: at most {workers}, the workers")
    if workers > batch:
        raise BadInput(f"{workers} workers for steps of {counted(batch, 'clip')}; valid: at most one worker per clip")
    stack = stack_of(plan, resources.stack, workers, machine)
    reading = READING_CPUS if reads_beside(plan.tasks, plan.delivered) else 0.0
    packing = Packing(
        machine,
        workers,
        resources.cpus_per_trial,
        resources.trials_per_gpu,
        fewest=fewest,
        graphs=resources.cuda_graphs and workers == 1,
        stack=stack,
        cpus_besides=reading,
    )
    for kind in {task.training.kind for task in plan.tasks}:
        packing.require(kind)
    return packing


def stack_of(plan: Plan, asked: int | Literal["auto"], workers: int, machine: Machine) -> int:
    """Seeds of a training that train in one process at most.

    Raises BadInput where several are asked for that cannot.
    """
    alike = all(task.training.recipe.stacks for task in plan.tasks)
    if plan.is_search or asked == 1:
        return 1
    if asked == "auto":
        return STACKED_BY_ITSELF["GPU" if machine.gpus else "CPU"] if alike and workers == 1 else 1
    if workers > 1:
        raise BadInput(f"--stack is {asked} with {workers} workers for each training; valid: 1")
    if not alike:
        raise BadInput(f"--stack is {asked} for {ON_GPUS} with AdamW, a schedule or clipping; valid: 1")
    return asked


def require_precision(plan: Plan, gpus: float) -> None:
    """BadInput for 16-bit mixed precision, which scales its losses, where there is no GPU to compute it."""
    asked = {task.training.recipe.precision for task in plan.tasks}
    if ON_GPUS in asked and not gpus:
        valid = ", ".join(each for each in PRECISIONS if each not in ("auto", ON_GPUS))
        raise BadInput(f"precision {ON_GPUS!r} needs a GPU; valid here: {valid}")
