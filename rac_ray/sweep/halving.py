"""The candidates of searches on Ray Tune: one of each search at a time, cut by Tune's ASHA where others were better.

ASHA's word depends on what it heard before. It hears the candidates of a search one after the other, and again, in the
same order, what the search's file says when a search goes on; so an interruption changes no choice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import takewhile
from types import SimpleNamespace
from typing import Any

import msgspec
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from rac_ray.counted import counted
from rac_ray.identity import Training
from rac_ray.store.entry import State
from rac_ray.sweep.failures import summary
from rac_ray.sweep.follow import Follower
from rac_ray.sweep.planner import Plan
from rac_ray.sweep.queue import Queue
from rac_ray.sweep.search import Candidate, Search, SearchBook, SearchRecord, chosen_words
from rac_ray.training.task import Task

REDUCTION = 3
"""One in so many goes on at each rung."""
FIRST_RUNG = 9
"""Part of the most epochs at which the first rung lies."""
STATES: dict[str, State] = {"done": "done", "cut": "done", "failed": "failed"}
"""Where a candidate that has ended stands in the queue."""


class Halving:
    """Tune's ASHA for one search."""

    def __init__(self, max_epochs: int) -> None:
        self.first = max(1, max_epochs // FIRST_RUNG)
        self.max_epochs = max_epochs
        self._asha = ASHAScheduler(
            time_attr="epochs",
            metric="best",
            mode="max",
            max_t=max_epochs,
            grace_period=self.first,
            reduction_factor=REDUCTION,
            stop_last_trials=False,
        )
        self._known: set[str] = set()

    @property
    def rungs(self) -> list[int]:
        """Epochs after which candidates are compared."""
        found = [self.first]
        while found[-1] * REDUCTION <= self.max_epochs:
            found.append(found[-1] * REDUCTION)
        return found

    def goes_on(self, candidate: str, epochs: int, best: float) -> bool:
        """Whether a candidate whose best top-1 after some epochs is this is to go on; each is heard at a rung once."""
        trial: Any = SimpleNamespace(trial_id=candidate)
        controller: Any = None
        if candidate not in self._known:
            self._known.add(candidate)
            self._asha.on_trial_add(controller, trial)
        said = self._asha.on_trial_result(controller, trial, {"epochs": epochs, "best": best})
        return said == TrialScheduler.CONTINUE

    def cut_of(self, candidate: str, val_top1: Sequence[float]) -> int | None:
        """The number of epochs after which a candidate with these top-1 is cut; None: it is not."""
        best = 0.0
        for epochs, top1 in enumerate(val_top1, 1):
            best = max(best, top1)
            if not self.goes_on(candidate, epochs, best):
                return epochs
        return None


class Searching:
    """Leads every search of a plan from candidate to candidate, and writes down what each came to."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        """``plan`` is of the candidates (``candidates_of``)."""
        self.plan, self.say = plan, say
        self.book = SearchBook(plan.sweep)
        self.curves: dict[str, list[float]] = {}
        """Validation top-1 of each epoch of the candidates that run."""
        self.cuts: dict[str, int] = {}
        self._searches = {search.search_id: search for search in plan.searches}
        self._candidates = {search_id: search.candidates() for search_id, search in self._searches.items()}
        self._of = {task.training_id: search_id for search_id, tasks in self._candidates.items() for task in tasks}
        self._halvings = {i: Halving(search.task.training.recipe.max_epochs) for i, search in self._searches.items()}
        self._records = {i: self._begun(search) for i, search in self._searches.items()}

    def begin(self, queue: Queue) -> None:
        """Let the next candidate of each search go; those that have ended before are heard again."""
        self.queue = queue
        for search_id, record in self._records.items():
            for each in record.candidates:
                self._halvings[search_id].cut_of(each.training_id, each.val_top1)
            self._next(search_id)

    def _begun(self, search: Search) -> SearchRecord:
        """A search's file, as far as it has come."""
        training, number = search.task.training, len(self._candidates[search.search_id])
        return SearchRecord(
            study=self.plan.study.name,
            search_id=search.search_id,
            model=training.model,
            hidden_units=training.hidden_units,
            size=training.size,
            source=training.source,
            about=dict(training.about),
            given=asdict(training.recipe),
            space=search.space.texts,
            rungs=self._halvings[search.search_id].rungs,
            candidates=known_candidates(self.book, search, self.plan.retry_failed),
            trials=search.trials,
            most=number if number < search.trials else None,
        )

    def on_tune(self, follower: Follower) -> "tuple[CandidateFollower, Rungs]":
        """What follows the candidates in place of a plain follower, and the scheduler that cuts them."""
        own = (follower.queue, follower.tasks, follower.ledger, follower.monitor, follower.listener)
        return CandidateFollower(self, *own), Rungs(self)

    def hears(self, training_id: str, row: Mapping[str, Any]) -> bool:
        """Take note of a candidate's epoch; whether it goes on."""
        curve = self.curves.setdefault(training_id, [])
        del curve[row["epoch"] :]  # an attempt that goes on tells its epochs again
        curve.append(row["val_top1"])
        if not self._halvings[self._of[training_id]].goes_on(training_id, len(curve), max(curve)):
            self.cuts[training_id] = len(curve)
        return training_id not in self.cuts

    def ended(self, training_id: str, failure: str = "") -> None:
        """Write down what a candidate came to, and let the next one of its search go."""
        search_id = self._of[training_id]
        heard = self.curves.pop(training_id, [])
        whole = not failure and training_id not in self.cuts
        self._settle(search_id, self._curve(training_id) if whole else heard, failure)
        self._next(search_id)

    def _next(self, search_id: str) -> None:
        """Let the first candidate go that has neither ended nor a record; without one the search is over."""
        tasks = self._candidates[search_id]
        while (number := len(self._records[search_id].candidates)) < len(tasks):
            training_id = tasks[number].training_id
            if self.queue.states[training_id] == "failed":  # given up in another search
                self._settle(search_id, [], summary(self.book.ledger.failures(training_id)[-1]))
            elif self.book.ledger.record(training_id) is None:
                self.queue.release(training_id)
                return
            else:
                self._settle(search_id, self._curve(training_id), "")
        self._chosen(search_id)

    def _curve(self, training_id: str) -> list[float]:
        """Validation top-1 of each epoch of a candidate that ran to its end."""
        return self.book.ledger.table(training_id, "epochs")["val_top1"].to_pylist()

    def _settle(self, search_id: str, curve: list[float], failure: str) -> None:
        """Write down the next candidate of a search, which has ended."""
        record, search = self._records[search_id], self._searches[search_id]
        task = self._candidates[search_id][len(record.candidates)]
        training_id = task.training_id
        cut = self.cuts.get(training_id) or self._halvings[search_id].cut_of(training_id, curve)
        given, own = asdict(search.task.training.recipe), asdict(task.training.recipe)
        candidate = Candidate(
            training_id=training_id,
            changes={name: value for name, value in own.items() if value != given[name]},
            state="failed" if failure else "cut" if cut else "done",
            val_top1=curve[:cut],
            reason=failure or (f"not among the best third after {counted(cut, 'epoch')}" if cut else ""),
        )
        self._records[search_id] = msgspec.structs.replace(record, candidates=[*record.candidates, candidate])
        self.book.write(self._records[search_id])

    def _chosen(self, search_id: str) -> None:
        record, search = self._records[search_id], self._searches[search_id]
        best = record.best_of(search.trials)
        self.book.write(msgspec.structs.replace(record, chosen=best.training_id if best else None))
        self.say(f"search {search_id} {search.name}: {chosen_words(best, search.trials)}")


class CandidateFollower(Follower):
    """Follows candidates: one that is cut or given up has ended, too."""

    def __init__(self, searching: Searching, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.searching = searching

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        ((ours, _),) = self._attempts(trial)  # candidates are never stacked
        epochs = self.searching.cuts.get(ours.training_id)
        if epochs is None:
            super().on_trial_complete(iteration, trials, trial, **info)
            return
        self.queue.done(ours.training_id)
        self.listener.state(ours, "done")
        self.monitor.cut(ours, epochs, max(self.searching.curves[ours.training_id]))
        self.searching.ended(ours.training_id)

    def _done(self, training: Training) -> bool:
        done = super()._done(training)
        if done:
            self.searching.ended(training.training_id)
        return done

    def _failed(self, training: Training, attempt: int, failure: Mapping[str, Any]) -> None:
        super()._failed(training, attempt, failure)
        if self.queue.states[training.training_id] == "failed":
            self.searching.ended(training.training_id, summary(failure))


class Rungs(FIFOScheduler):
    """Tune's scheduler of all searches: it asks the ASHA of the trial's own search."""

    def __init__(self, searching: Searching) -> None:
        super().__init__()
        self.searching = searching

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its scheduler for an experiment file that nobody reads."""
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Whether the candidate goes on after an epoch."""
        if "val_top1" not in result or self.searching.hears(trial.config["training_id"], result):
            return TrialScheduler.CONTINUE
        return TrialScheduler.STOP


def known_candidates(book: SearchBook, search: Search, again: bool = False) -> list[Candidate]:
    """Candidates of a search that have ended; with ``again``, to try failed ones again, those before the first."""
    record = book.read(search.search_id)
    known = record.candidates if record else []
    return list(takewhile(lambda each: each.state != "failed", known)) if again else list(known)


def candidates_of(plan: Plan) -> Plan | None:
    """The plan of all candidates of a plan's searches that have not ended; None: there is none."""
    book = SearchBook(plan.sweep)
    tasks: list[Task] = []
    settled: dict[str, State] = {}
    left: list[Search] = []
    for search in plan.searches:
        candidates = search.candidates()
        known = known_candidates(book, search, plan.retry_failed)
        if len(known) < len(candidates):
            left.append(search)
            tasks += candidates
            settled |= {each.training_id: STATES[each.state] for each in known}
    if not left:
        return None
    return replace(plan, tasks=tuple(tasks), ledger=book.ledger, searches=tuple(left), is_search=True, settled=settled)
