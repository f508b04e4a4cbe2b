import pytest
import torch

from rac_ray.models import MODELS, build_model
from rac_ray.models.stacked import member, outputs_of, stacked, together


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("training", [True, False])
def test_on_other_devices_than_a_cpu_all_members_are_computed_at_once(name: str, training: bool) -> None:
    """On PyTorch's meta device, which has shapes only, and takes the ways through a model that a GPU takes."""
    whole = stacked([build_model(name, 4).to("meta") for _ in range(3)]).train(training)
    logits = outputs_of(whole, slice(0, 3), torch.empty(3, 2, 20, 1, 64, 64, device="meta"))
    assert logits.shape == (3, 2, 5)
    logits.sum().backward()
    assert all(weight.grad is not None and weight.grad.shape == weight.shape for weight in whole.parameters())


def test_a_member_is_a_slice_of_the_stack() -> None:
    models = [build_model("cnn3d", 2) for _ in range(2)]
    state = stacked(models).state_dict()
    for place, model in enumerate(models):
        own, expected = member(state, place), model.state_dict()
        assert own.keys() == expected.keys()
        assert all(torch.equal(value, expected[name]) for name, value in own.items())


def test_a_cpu_computes_one_member_after_the_other() -> None:
    assert together(torch.device("cpu"), 3) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert together(torch.device("cuda"), 3) == [slice(0, 3)]


@pytest.mark.filterwarnings("ignore:There is a performance drop because we have not yet implemented the batching rule")
@pytest.mark.parametrize("name", sorted(MODELS))
def test_all_at_once_is_what_each_computes_alone(name: str) -> None:
    """By vmap on a CPU, where nothing compiled is in reach then: logits, gradients, running statistics."""
    torch.manual_seed(0)
    models, clips = [build_model(name, 2).double() for _ in range(3)], torch.rand(3, 4, 20, 1, 64, 64).double()
    whole = stacked(models)
    logits = outputs_of(whole, slice(0, 3), clips)
    logits.square().sum().backward()
    gradients = {name: weight.grad for name, weight in whole.named_parameters() if weight.grad is not None}
    for place, model in enumerate(models):
        own = model(clips[place])
        torch.testing.assert_close(logits[place], own, rtol=1e-9, atol=1e-11)
        own.square().sum().backward()
        for name, weight in model.named_parameters():
            torch.testing.assert_close(gradients[name][place], weight.grad, rtol=1e-7, atol=1e-9)
        for name, value in member(whole.state_dict(), place).items():
            torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-10, atol=1e-12)
