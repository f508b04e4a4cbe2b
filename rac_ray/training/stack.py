"""Several seeds of a training in one LightningModule: their weights stacked, and nothing else in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from rac_ray.data.feed import Batch
from rac_ray.identity import Recipe
from rac_ray.models.stacked import member, outputs_of, stacked, together
from rac_ray.training.classifier import Classifier, Totals, to_unit_range
from rac_ray.training.scales import LossScales

SCALED = "16-mixed"
"""The precision in which losses are scaled."""


class StackedClassifier(Classifier):
    """Trains N models by one recipe, each on batches of its own; weights, losses and figures have an axis of N.

    The recipe ``stacks``. A batch is (clips (N, B, T, C, H, W) uint8, labels (N, B)). Members share no number:
    not a scale of losses, not a step that is left out.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        recipe: Recipe,
        *,
        cuda_graphs: bool = False,
        scaled: Callable[[Tensor], Tensor] = to_unit_range,
    ) -> None:
        super().__init__(stacked(models), recipe, cuda_graphs=cuda_graphs, scaled=scaled)
        self.members = len(models)
        self.train_totals, self.val_totals = Totals(self.members), Totals(self.members)
        self.member_figures: list[dict[str, float]] = []
        """Each member's ``train_loss, train_top1, val_loss, val_top1`` of the epoch that has just ended."""
        self.scales = LossScales(self.members) if recipe.precision == SCALED else None
        self.replays = cuda_graphs and recipe.same_steps
        self.automatic_optimization = False

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        (self._whole_train_step if self.replays else self._train_step)(*batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (self._whole_val_step if self.replays else self._val_step)(*batch)

    def _train_step(self, frames: Tensor, labels: Tensor) -> None:
        optimiser = self.trainer.optimizers[0]
        optimiser.zero_grad()
        for places in together(frames.device, self.members):
            losses = self._losses(places, frames, labels, self.train_totals, self.recipe.label_smoothing)
            (losses if self.scales is None else losses * self.scales.scale[places]).sum().backward()
        if self.scales is not None:
            self.scales.step(optimiser)
            return
        if self.recipe.clip_norm is not None:
            self._clip(self.recipe.clip_norm)
        optimiser.step()
        if not self.recipe.keeps_rate:
            cast(Any, self.lr_schedulers()).step()

    def _clip(self, most: float) -> None:
        """Each member's gradients to a norm of their own, as PyTorch does it for one model."""
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        for place in range(self.members):
            own = [gradient[place] for gradient in gradients]
            factor = torch.clamp(most / (torch.nn.utils.get_total_norm(own) + 1e-6), max=1.0)
            for gradient in own:
                gradient.mul_(factor)

    def _val_step(self, frames: Tensor, labels: Tensor) -> None:
        for places in together(frames.device, self.members):
            self._losses(places, frames, labels, self.val_totals)

    def _losses(self, places: slice, frames: Tensor, labels: Tensor, totals: Totals, smoothing: float = 0.0) -> Tensor:
        """Mean cross entropy (n,) of the batches of the members at n places, which are added to ``totals``."""
        logits, labels = outputs_of(self.model, places, self.scaled(frames[places])), labels[places]
        pairs = zip(logits, labels, strict=True)
        losses = torch.stack([nn.functional.cross_entropy(*pair, label_smoothing=smoothing) for pair in pairs])
        totals.onto(losses.device)
        sums = totals.sums[places]
        sums[:, 0] += losses.detach().double() * labels.shape[1]
        sums[:, 1] += (logits.detach().argmax(dim=2) == labels).sum(1)
        sums[:, 2] += labels.shape[1]
        return losses

    def _state(self) -> list[Tensor]:
        of_scales = [self.scales.scale, self.scales.good_steps] if self.scales is not None else []
        of_optimiser = self.trainer.optimizers[0].state.values()
        tensors = [value for state in of_optimiser for value in state.values() if isinstance(value, Tensor)]
        return [*self.model.state_dict(keep_vars=True).values(), *tensors, *of_scales, self.train_totals.sums]

    def on_fit_start(self) -> None:
        if self.scales is not None:
            self.scales.onto(self.device)

    def on_validation_epoch_end(self) -> None:
        self.member_figures = [{} for _ in range(self.members)]
        for prefix, totals in (("train", self.train_totals), ("val", self.val_totals)):
            for figures, (loss, correct, clips) in zip(self.member_figures, totals.sums.tolist(), strict=True):
                figures |= {f"{prefix}_loss": loss / clips, f"{prefix}_top1": correct / clips}
                figures["clips"] = figures.get("clips", 0) + clips
            totals.sums.zero_()

    def know_scales(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on with the scales of losses that the members' checkpoints have, in their order."""
        if self.scales is not None:
            for place, state in enumerate(states):
                self.scales.load(place, state)

    def weights_of(self, place: int) -> dict[str, Tensor]:
        """One member's, under the names of a model that trains alone."""
        return member(self.model.state_dict(), place)


def apart(checkpoint: Mapping[str, Any], place: int) -> dict[str, Any]:
    """One member's checkpoint, as if it had trained alone, of Lightning's for all; without what callbacks know."""
    weights = member(checkpoint["state_dict"], place)
    states = [_each(state, place) for state in checkpoint["optimizer_states"]]
    return {**checkpoint, "state_dict": {k: v.clone() for k, v in weights.items()}, "optimizer_states": states}


def joined(checkpoints: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lightning's checkpoint for all members of theirs, which stand at the same step."""
    first = checkpoints[0]
    weights = {name: torch.stack([each["state_dict"][name] for each in checkpoints]) for name in first["state_dict"]}
    states = []
    for number, state in enumerate(first["optimizer_states"]):
        values = {
            index: {
                name: _beside([each["optimizer_states"][number]["state"][index][name] for each in checkpoints])
                for name in of_weight
            }
            for index, of_weight in state["state"].items()
        }
        states.append({**state, "state": values})
    return {**first, "state_dict": weights, "optimizer_states": states, "callbacks": {}}


def _each(state: Mapping[str, Any], place: int) -> dict[str, Any]:
    """One member's share of an optimiser's state; a count of steps is everybody's."""
    of_weights = {
        index: {name: (value[place] if value.dim() else value).clone() for name, value in of_weight.items()}
        for index, of_weight in state["state"].items()
    }
    return {**state, "state": of_weights}


def _beside(values: Sequence[Tensor]) -> Tensor:
    """The reverse for one tensor."""
    return torch.stack(list(values)) if values[0].dim() else values[0]
