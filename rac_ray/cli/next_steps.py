"""What to type after results."""

from rac_ray.studies.study import Study
from rac_ray.sweep.outcomes import Results
from rac_ray.sweep.program import Program


def next_step(
    study: Study, program: Program, preset: str, storage: str | None, asked: list[str], last: list[str], found: Results
) -> str:
    """The command that follows on results: try again what failed, go on with what is missing, or another preset.

    ``asked`` is what was typed, ``last`` what the preset's last run was given besides.
    """
    named = any(word.partition("=")[0] == "--preset" for word in asked)
    asked = asked if named or preset == study.default_preset else ["--preset", preset, *asked]
    if found.counts["failed"]:
        return f"{program.typed(['retry', *asked])}  # tries again what failed"
    if found.counts["pending"] + found.counts["running"]:
        return f"{program.typed(['run', *asked, *last])}  # goes on from here"
    later = list(study.presets)[list(study.presets).index(preset) + 1 :]
    if not later:
        return f"{program.typed(['results', '--verdict', *asked])}  # what that means for each claim"
    kept = ["--storage", storage] if storage else []
    return f"{program.typed(['plan', '--preset', later[0], *kept])}  # what a larger sweep costs"
