"""What a sweep tells its loggers: each event while it runs, and everything that its records hold."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rac_ray.loggers import LOGGERS, Destination, Library
from rac_ray.loggers.delivery import Delivery, Patience
from rac_ray.loggers.messages import Epoch, Files, Look, Message
from rac_ray.loggers.process import Start
from rac_ray.loggers.protocol import Sweep
from rac_ray.loggers.runs import curve_points
from rac_ray.store.entry import State
from rac_ray.store.ledger import Ledger
from rac_ray.store.storage import Storage

if TYPE_CHECKING:
    from rac_ray.identity import Training


class News:
    """Passes on what happens in a sweep; none of its methods but ``close`` waits for a logger.

    A logger that fails, or gives no answer in time, is stopped and told of in one line.
    """

    def __init__(
        self,
        destinations: Sequence[Destination],
        sweep: Sweep,
        ledger: Ledger,
        say: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        self.say = say
        self.patience = patience or Patience()
        self.deliveries = {each.name: _delivery(each, sweep, ledger, self.patience) for each in destinations}
        self._begun: set[str] = set()
        self._told: set[str] = set()

    def state(self, training: "Training", state: State) -> None:
        """A training is in a state; one that waits and has not been told of is not told of."""
        training_id = training.training_id
        if state != "pending" or training_id in self._begun:
            self._begun.add(training_id)
            self._put(Look(training_id, state))

    def epoch(self, training: "Training", row: Mapping[str, Any]) -> None:
        """A training has finished an epoch; ``row`` is what it reported."""
        self._put(Epoch(training.training_id, curve_points(row)))

    def refresh(self) -> None:
        """Say which loggers have stopped since."""
        for name, delivery in self.deliveries.items():
            if delivery.stopped and name not in self._told:
                self._told.add(name)
                self.say(
                    f"{delivery.name}: logging stopped: {delivery.stopped}; the sweep is not touched, and "
                    f"`results --log {name}` writes later what is missing"
                )

    def records(self, training_ids: Iterable[str]) -> None:
        """The records of these trainings are to be written, as far as they are not."""
        for training_id in training_ids:
            self._put(Look(training_id))

    def files(self, folder: str, over: int) -> None:
        """Figures and report are in a folder, of a sweep of which so many trials are over."""
        self._put(Files(Storage.at(folder), over))

    def close(self) -> dict[str, str]:
        """Wait for what is left, as long as patience lasts; why each logger stopped, or nothing."""
        until = time.monotonic() + self.patience.end if self.patience.end < math.inf else math.inf
        for delivery in self.deliveries.values():
            delivery.end()
        for delivery in self.deliveries.values():
            delivery.wait(until)
        self.refresh()
        return {name: delivery.stopped for name, delivery in self.deliveries.items()}

    def _put(self, message: Message) -> None:
        for delivery in self.deliveries.values():
            delivery.put(message)


def _delivery(destination: Destination, sweep: Sweep, ledger: Ledger, patience: Patience) -> Delivery:
    logger = LOGGERS[destination.name]
    make = logger.home if isinstance(logger, Library) else logger
    return Delivery(str(destination), Start(make, destination.where, sweep, ledger), patience)
