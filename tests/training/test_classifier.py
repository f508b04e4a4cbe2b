import torch

from rac_ray.identity import Recipe
from rac_ray.models import build_model
from rac_ray.training.classifier import Classifier, Totals, to_unit_range


def test_unit_range() -> None:
    frames = torch.tensor([[0, 51, 255]], dtype=torch.uint8)
    assert to_unit_range(frames).tolist() == [[0.0, torch.tensor(51 / 255).item(), 1.0]]


def test_totals_weigh_batches_by_their_clips() -> None:
    totals = Totals()
    totals.add(torch.tensor(1.0), torch.eye(5)[[0, 1, 2]], torch.tensor([0, 1, 3]))
    totals.add(torch.tensor(4.0), torch.eye(5)[[4]], torch.tensor([4]))
    assert totals.read() == {"loss": (3 * 1 + 4) / 4, "top1": 3 / 4, "clips": 4}


def test_totals_begin_anew_in_place_and_add_up_workers() -> None:
    totals = Totals()
    sums = totals.sums
    totals.add(torch.tensor(1.0), torch.eye(5)[[0]], torch.tensor([0]))
    totals.read()
    totals.add(torch.tensor(2.0), torch.eye(5)[[0, 1]], torch.tensor([0, 4]))
    assert totals.sums is sums
    other_worker = torch.tensor([8.0, 2, 2], dtype=torch.float64)
    assert totals.read(lambda mine: mine + other_worker) == {"loss": (4 + 8) / 4, "top1": 3 / 4, "clips": 4}


def test_uneven_shares_of_a_step_add_up_to_its_gradient() -> None:
    torch.manual_seed(0)
    model = build_model("timesformer1", 4)
    clips, labels = torch.randint(0, 256, (5, 20, 1, 64, 64), dtype=torch.uint8), torch.arange(5)

    def gradient(places: slice, share: float = 1.0) -> torch.Tensor:
        model.zero_grad()
        loss = Classifier(model, Recipe(), share=share).training_step((clips[places], labels[places]), 0)
        assert loss is not None
        loss.backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])

    whole = gradient(slice(5))
    averaged = (gradient(slice(3), 3 * 2 / 5) + gradient(slice(3, 5), 2 * 2 / 5)) / 2
    torch.testing.assert_close(averaged, whole, rtol=1e-4, atol=1e-7)
    assert not torch.allclose((gradient(slice(3)) + gradient(slice(3, 5))) / 2, whole, rtol=1e-3, atol=1e-6)


def test_the_optimiser_is_the_recipes() -> None:
    recipe = Recipe(learning_rate=0.5, momentum=0.25, weight_decay=0.125)
    (group,) = Classifier(build_model("cnn3d", 2), recipe).configure_optimizers().param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"], group["nesterov"]) == (0.5, 0.25, 0.125, False)


def test_a_fused_first_step_that_overflows_leaves_no_momentum() -> None:
    """A momentum that such a step makes itself is whatever lay in memory."""
    torch.manual_seed(0)
    classifier = Classifier(build_model("cnn3d", 2), Recipe(learning_rate=0.5, momentum=0.5, weight_decay=0))
    optimiser, scaler = classifier.configure_optimizers(), torch.amp.GradScaler("cpu", init_scale=4.0)
    optimiser.param_groups[0]["fused"] = optimiser._step_supports_amp_scaling = True
    parameter = next(classifier.model.parameters())
    assert not any(optimiser.state[each]["momentum_buffer"].any() for each in classifier.model.parameters())
    before = parameter.detach().clone()
    for overflow, expected in ((True, before), (False, before - 0.5), (False, before - 0.5 - 0.75)):
        optimiser.zero_grad()
        scaler.scale(torch.stack([each.sum() for each in classifier.model.parameters()]).sum()).backward()
        if overflow:
            assert parameter.grad is not None
            parameter.grad.fill_(torch.inf)
        scaler.step(optimiser)
        scaler.update()
        torch.testing.assert_close(parameter.detach(), expected)
