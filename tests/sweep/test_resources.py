"""The settings of a run as the command line derives them from their classes."""

from dataclasses import fields

from rac_ray.cli.derive import arguments_of, flags_of
from rac_ray.sweep.failures import Budgets
from rac_ray.sweep.resources import Pricing, Resources
from rac_ray.training.watchdog import StallLimits


def verb(*, resources: Resources) -> None:
    """Anything that takes all of them."""


def test_every_setting_is_one_option_with_its_help() -> None:
    flags = {flag.name: flag for flag in flags_of(verb)}
    assert list(flags) == [
        "address", "num_cpus", "num_gpus", "workers", "fewest_workers", "cpus_per_trial", "trials_per_gpu",
        "stack", "cuda_graphs", "keep_shards", "retry_preempted", "retry_out_of_memory", "retry_not_finite",
        "retry_data", "retry_code", "retry_stalled",
        "back_off", "probe_seconds", "price_per_hour", "stall_factor", "stall_seconds", "dashboard",
        "take_over", "verbose",
    ]  # fmt: skip
    assert [name for name, flag in flags.items() if not flag.help] == []
    assert {f"retry_{field.name}" for field in fields(Budgets)} <= set(flags)


def test_options_make_the_settings_that_they_name() -> None:
    given = {"workers": 2, "retry_code": 7, "back_off": 0.5, "price_per_hour": 3.0, "stall_seconds": 9.0}
    (found,) = arguments_of(verb, given).values()
    assert found == Resources(
        workers=2,
        budgets=Budgets(code=7),
        pause=0.5,
        pricing=Pricing(price_per_hour=3.0),
        stall=StallLimits(floor_seconds=9.0),
    )


def test_only_the_command_line_probes_unasked() -> None:
    """In a notebook a run probes when it is told to."""
    assert Resources().pricing.seconds == 0
    assert {flag.name: flag.default for flag in flags_of(verb)}["probe_seconds"] == 1.0
