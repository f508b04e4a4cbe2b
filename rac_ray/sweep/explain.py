"""Why a trial is or is not done: where it stands, and what it differs in from the nearest finished one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from rac_ray.counted import counted
from rac_ray.errors import BadInput
from rac_ray.identity import Trial, values_in
from rac_ray.store.entry import Entry
from rac_ray.store.ledger import Ledger
from rac_ray.sweep.outcomes import Described
from rac_ray.sweep.planner import Plan

_AXES = ("model", "hidden_units", "source", "seed", "experiment", "size", "level", "variant")
COMPONENTS = (*_AXES, "options", "recipe", "data", "training_version")
AXIS_WEIGHT = 10
"""Another seed or size is another trial; another recipe, data or training version may be the same one, changed."""


def components(trial: Mapping[str, Any], study: str = "") -> dict[str, Any]:
    """All that a trial's id is made of, flat: axes, variants, ``recipe.*``, data fingerprint, training version.

    Variants of which a trial does not tell are those of the study that is named.
    """
    from rac_ray.studies import own_values

    own = {name: trial.get(name) for name in COMPONENTS if name != "recipe"}
    flat = {name: value for name, value in own.items() if value not in (None, "", {})}  # seed 0 is one like any other
    variants = {**own_values(study), **trial.get("variants", {}), **values_in(trial.get("variant", ""))}
    return flat | variants | {f"recipe.{name}": value for name, value in trial["recipe"].items()}


def differences(trial: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Components in which two trials differ: (this one's, the other's)."""
    study = trial.get("study") or other.get("study") or ""
    ours, theirs = components(trial, study), components(other, study)
    names = [*ours, *(name for name in theirs if name not in ours)]
    return {name: (ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)}


def nearest(trial: Mapping[str, Any], finished: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The finished trial that differs least, axes weighing most; the trial itself does not count."""

    def distance(other: Mapping[str, Any]) -> int:
        return sum(AXIS_WEIGHT if name in _AXES else 1 for name in differences(trial, other))

    return min((other for other in finished if other["trial_id"] != trial["trial_id"]), key=distance, default=None)


def finished_trials(ledger: Ledger) -> list[dict[str, Any]]:
    """Plain values of all trials whose training has finished, as ``Trial.as_dict`` has them."""
    return [
        {**msgspec.to_builtins(entry.record), **msgspec.to_builtins(trial)}
        for entry in ledger.scan().values()
        if entry.record
        for trial in entry.record.trials
    ]


def described_trial(plans: Sequence[Plan], trial: str) -> Described:
    """The trial whose id begins so: one of some plans on one storage, or another one of the sweep.

    Raises BadInput where none begins so, or several do.
    """
    made, tasks = plans[0], [task for each in plans for task in each.tasks]
    known = {each.trial_id: (task, each) for task in tasks for each in task.asked}
    mine = {task.training_id for task in tasks}
    others = [training_id for training_id in made.ledger.training_ids() if training_id not in mine]
    found = [trial_id for trial_id in (*known, *others) if trial and trial_id.startswith(trial)]
    if len(found) != 1:
        which_ones = counted(len(found), "trial begins with", "trials begin with") if found else "no trial begins with"
        raise BadInput(f"{which_ones} {trial!r}; valid: one id of `status --verbose` or its beginning")
    (trial_id,) = found
    finished = [row for ledger in (*made.ledger.others(), made.ledger) for row in finished_trials(ledger)]
    if trial_id in known:
        task, it = known[trial_id]
        training_id, entry = task.training_id, made.ledger.scan([task], whole=True)[task.training_id]
    else:
        training_id, entry = trial_id, made.ledger.entry(trial_id)
        it = {"trial_id": trial_id, **made.ledger.trial(trial_id)}
    about = description(it, entry, made.ledger.driver(), made.ledger.failures(training_id), finished)
    return Described(about, made.ledger.folder(training_id).root)


def description(
    trial: Trial | Mapping[str, Any],
    entry: Entry,
    driver: str | None,
    failures: Iterable[Mapping[str, Any]],
    finished: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """Everything about one trial, for ``describe``; a trial that is not planned is given by its plain values."""
    planned = isinstance(trial, Trial)
    plain = trial.as_dict() if planned else dict(trial)
    near = nearest(plain, finished)
    return {
        "trial": plain,
        "name": trial.name if planned else plain["trial_id"],
        "state": entry.state_of(trial, driver) if planned else entry.state(driver),
        "reason": entry.reason_of(trial, driver) if planned else entry.reason(driver),
        "attempts": entry.attempts,
        "attempt": entry.attempt,
        "failures": list(failures),
        "record": entry.record and msgspec.to_builtins(entry.record),
        "bytes": sum(entry.sizes.values()),
        "files": dict(entry.sizes),
        "nearest_finished": near["trial_id"] if near else None,
        "differs_in": {name: list(pair) for name, pair in differences(plain, near).items()} if near else {},
    }


def described(about: Mapping[str, Any], folder: str) -> list[str]:
    """A ``description`` as lines for people."""
    trial, record = about["trial"], about["record"]
    lines = [
        f"{trial['trial_id']}  {about['name']}",
        f"state: {about['state']}" + (f" ({about['reason']})" if about["reason"] else ""),
    ]
    if record:
        chosen = next((c for c in record["selected"] if c["level"] == trial.get("level")), None)
        seconds = record["seconds"]["total"]
        if chosen:
            lines.append(f"result: val top-1 {chosen['val_top1']:.3f} in epoch {chosen['epoch'] + 1}, {seconds:.0f} s")
    attempt = about["attempt"] if about["state"] == "running" else None
    if attempt and {"host", "pid", "began_at"} <= attempt.keys():
        lines.append(f"running: on {attempt['host']}, process {attempt['pid']}, since {attempt['began_at']}")
    for failure in about["failures"]:
        then = {True: "tried again", False: "given up"}.get(failure.get("retry"), "undecided")
        lines.append(f"attempt {failure['attempt']} failed: {failure['class']}: {failure['reason']} ({then})")
    settings = ", ".join(f"{name} {value}" for name, value in components(trial).items() if name not in _AXES)
    lines.append(f"made of: {settings}")
    if about["nearest_finished"]:
        pairs = ", ".join(f"{name} {ours} (there {theirs})" for name, (ours, theirs) in about["differs_in"].items())
        lines.append(f"nearest finished trial {about['nearest_finished']} differs in {pairs}")
    else:
        lines.append("nearest finished trial: there is none on this storage")
    return [*lines, f"files: {folder} ({about['bytes'] / 1e6:.1f} MB: {', '.join(sorted(about['files'])) or 'none'})"]
