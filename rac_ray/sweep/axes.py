"""Every field of a recipe as an axis of any study's grid."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from rac_ray.counted import counted
from rac_ray.errors import BadInput
from rac_ray.identity import NORMALISATIONS, OPTIMISERS, SCHEDULES, VARIED, Recipe, Training
from rac_ray.sweep.options import Option, integers, numbers, require_some, words

if TYPE_CHECKING:
    from rac_ray.models import Builder
    from rac_ray.training.task import Task


RECIPE_OPTIONS = (
    Option("optimiser", words, f"optimisers: {', '.join(OPTIMISERS)}"),
    Option("learning_rate", numbers("learning rate"), "learning rates"),
    Option("schedule", words, f"schedules of the learning rate: {', '.join(SCHEDULES)}"),
    Option("warm_up", numbers("warm-up"), "epochs in which the learning rate rises"),
    Option("momentum", numbers("momentum"), "momenta of sgd; first betas of adamw"),
    Option("weight_decay", numbers("weight decay"), "weight decays"),
    Option("label_smoothing", numbers("label smoothing"), "shares of each label that are spread over all classes"),
    Option("clip_norm", numbers("clip norm"), "largest norms of a step's gradients, or none"),
    Option("normalisation", words, f"normalisations, of models that have a choice: {', '.join(NORMALISATIONS)}"),
    Option("batch_size", integers("batch size"), "clips of a step"),
    Option("max_epochs", integers("max epochs"), "most epochs of a training"),
    Option("patience", integers("patience"), "epochs without a better validation top-1 before a training stops"),
    Option("stop_at", numbers("stop at"), "validation top-1 that ends a training, or none"),
)
"""By the recipe's fields; precision is an option of its own. A list of values is an axis."""


MOST_TRAININGS = 100_000
"""What the axes of recipes may ask for, all together: a few values on each of many axes are more than anybody runs."""


def with_recipes(tasks: "Sequence[Task]", asked: Mapping[str, Any]) -> "list[Task]":
    """Each task with each combination of the asked values in its recipe, in the tasks' order within a combination.

    ``asked`` are options by name, of which those of ``RECIPE_OPTIONS`` count. Raises BadInput for an axis without
    values, for too many trainings, for values that no recipe can have, for batches that the clips do not fill, and for
    models that have no choice of normalisation.
    """
    axes = {option.name: asked[option.name] for option in RECIPE_OPTIONS if asked.get(option.name) is not None}
    for name, values in axes.items():
        require_some(name, values)
    planned = len(tasks) * prod(map(len, axes.values()))
    if planned > MOST_TRAININGS:
        raise BadInput(f"the recipe's options ask for {counted(planned, 'training')}; valid: at most {MOST_TRAININGS}")
    several = [name for name, values in axes.items() if len(values) > 1]
    found = [
        with_recipe(task, dict(zip(axes, values, strict=True)), several)
        for values in product(*axes.values())
        for task in tasks
    ]
    return list({task.training_id: task for task in found}.values())


def with_recipe(task: "Task", changes: Mapping[str, Any], several: Sequence[str]) -> "Task":
    """A task with some of its recipe replaced; ``several`` are the fields by which people tell trials apart.

    Raises BadInput for values that no recipe can have, for batches that the clips do not fill, and for models that have
    no choice of normalisation.
    """
    given = task.training
    varied = " ".join([given.about.get(VARIED, ""), *(f"{name}={_short(changes[name])}" for name in several)]).strip()
    about = {**given.about, **({VARIED: varied} if varied else {})}
    training = replace(given, recipe=replace(given.recipe, **changes), about=about)
    subject: Any = task.subject
    batch = training.recipe.batch_size
    if task.counts.train < batch:
        raise BadInput(
            f"{counted(task.counts.train, 'training clip does', 'training clips do')} not fill one batch of {batch}"
        )
    if {given.recipe.normalisation, training.recipe.normalisation} != {Recipe.normalisation}:
        subject = replace(subject, build=with_normalisation(subject.build, training))
    return replace(task.with_training(training), subject=subject)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def with_normalisation(build: Any, training: Training) -> "Builder":
    """A model with its recipe's normalisation, yet to be built. Raises BadInput for one that has no choice."""
    from rac_ray.models import Builder

    asked = training.recipe.normalisation
    if not isinstance(build, Builder) or not build.takes("normalisation"):
        lacking = f"model {training.model!r} has no choice of normalisation"
        raise BadInput(f"{lacking}, but --normalisation asks for {asked!r}")
    return build.with_options(normalisation=asked)
