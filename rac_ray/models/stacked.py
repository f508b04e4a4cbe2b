"""Models of one architecture as one: every weight has a leading axis, a member's weights behind each place of it.

As in HFTA (Wang et al., MLSys 2021), by PyTorch's ``vmap``: N convolutions become one grouped convolution, N matrix
products one batched product. Names are those of a single model, so that a member's state is a slice of the stack's.
"""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap


def stacked(models: Sequence[nn.Module]) -> nn.Module:
    """A module whose parameters and buffers are those of ``models``, (N, ..) each; it is called by ``outputs_of``."""
    whole = copy.deepcopy(models[0])
    for into, *members in zip(whole.modules(), *(model.modules() for model in models), strict=True):
        for name, first in members[0].named_parameters(recurse=False):
            values = torch.stack([getattr(member, name).detach() for member in members])
            setattr(into, name, nn.Parameter(values, requires_grad=first.requires_grad))
        for name, _ in members[0].named_buffers(recurse=False):
            setattr(into, name, torch.stack([getattr(member, name) for member in members]))
    return whole


def together(device: torch.device, members: int) -> list[slice]:
    """Places of the members that a device computes at once: all of them, on a CPU one after the other.

    A CPU's loops are written for its cache: a member alone is as fast, in less memory, and the same to the bit.
    """
    return [slice(place, place + 1) for place in range(members)] if device.type == "cpu" else [slice(0, members)]


def outputs_of(whole: nn.Module, places: slice, clips: Tensor) -> Tensor:
    """Clips (n, B, T, C, H, W) of the members at n places -> their outputs (n, B, ..)."""
    state = {name: value[places] for name, value in _state_of(whole).items()}
    if len(clips) == 1:
        return functional_call(whole, member(state, 0), (clips[0],)).unsqueeze(0)

    def call(own: Mapping[str, Tensor], batch: Tensor) -> Tensor:
        return functional_call(whole, dict(own), (batch,))

    return vmap(call)(state, clips)


def _state_of(whole: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, those that are not saved, too."""
    return {**dict(whole.named_parameters()), **dict(whole.named_buffers())}


def member(state: Mapping[str, Tensor], place: int) -> dict[str, Tensor]:
    """One member's share of a stack's state; what is written there is written in the stack."""
    return {name: value[place] for name, value in state.items()}
