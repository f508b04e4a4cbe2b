"""Does the way a video model handles time decide how robust it is to domain shift? Sweeps that answer, on Ray.

    import rac_ray
    from rac_ray.studies.temporal_shape.study import TemporalShape

    found = rac_ray.run(TemporalShape(), "demo", seeds=[42])
    tables = rac_ray.load("results/ts_grid")
    model = rac_ray.load_model("8d54fc745519", "results/ts_grid")

``run``, ``plan``, ``status``, ``describe``, ``cancel``, ``clean``, ``results``, ``replay`` and ``take_in`` (``import``)
are the verbs of the command line as plain functions. Importing this loads neither Ray nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rac_ray.api import cancel, clean, describe, plan, replay, results, run, status, take_in
    from rac_ray.errors import BadInput
    from rac_ray.loggers.asked import Logging
    from rac_ray.models import register
    from rac_ray.results.shared_weights import load_exported
    from rac_ray.results.tables import Tables, load
    from rac_ray.results.weights import load_model
    from rac_ray.studies.study import Study
    from rac_ray.sweep.asked import Where, Which
    from rac_ray.sweep.options import Option
    from rac_ray.sweep.outcomes import Wanted
    from rac_ray.sweep.resources import Resources

HOMES = {
    "rac_ray.api": (
        "cancel", "clean", "describe", "plan", "replay", "results", "run", "status", "take_in",
    ),
    "rac_ray.errors": ("BadInput",),
    "rac_ray.loggers.asked": ("Logging",),
    "rac_ray.models": ("register",),
    "rac_ray.sweep.asked": ("Where", "Which"),
    "rac_ray.sweep.outcomes": ("Wanted",),
    "rac_ray.results.shared_weights": ("load_exported",),
    "rac_ray.results.tables": ("Tables", "load"),
    "rac_ray.results.weights": ("load_model",),
    "rac_ray.studies.study": ("Study",),
    "rac_ray.sweep.options": ("Option",),
    "rac_ray.sweep.resources": ("Resources",),
}  # fmt: skip
"""What can be had from here, by the module that it is in; imported when it is asked for."""

__all__ = [
    "BadInput", "Logging", "Option", "Resources", "Study", "Tables", "Wanted", "Where", "Which", "cancel", "clean",
    "describe", "load", "load_exported", "load_model", "plan", "register", "replay", "results", "run", "status",
    "take_in",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("rac_ray.sweep.provenance").package_version("rac-ray")
    for module, names in HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'rac_ray' has no attribute {name!r}")
