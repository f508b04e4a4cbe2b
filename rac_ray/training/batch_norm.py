"""Batch normalisation over the clips of all workers of a group, so that their number does not move a model's numbers.

PyTorch's own, ``SyncBatchNorm``, needs GPUs. This one serves every process group, gloo on CPUs above all.
"""

from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.plugins.layer_sync import LayerSync, TorchSyncBatchNorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def shared_batch_norm() -> LayerSync:
    """Lightning's plugin for the process group that this process is in: PyTorch's layers with NCCL, else ours."""
    return TorchSyncBatchNorm() if dist.get_backend() == "nccl" else GroupBatchNorms()


class GroupBatchNorms(LayerSync):
    """Makes every batch normalisation of a model a ``GroupBatchNorm`` while it is trained, whatever the model is.

    Parameters, buffers and their names stay, so weights load into the plain model and back. A group of one worker keeps
    its plain layers, to the bit.
    """

    def __init__(self) -> None:
        self._plain: list[tuple[nn.Module, type[nn.Module]]] = []

    def apply(self, model: nn.Module) -> nn.Module:
        if dist.get_world_size() > 1:
            self._plain = [(each, type(each)) for each in model.modules() if isinstance(each, _BatchNorm)]
        for layer, _ in self._plain:
            layer.__class__ = GroupBatchNorm
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        for layer, plain in self._plain:
            layer.__class__ = plain
        return model


class GroupBatchNorm(_BatchNorm):
    """Batch normalisation of (B, C, ...) whose statistics in training are those of the clips of all workers.

    Workers may have different numbers of clips, but each has some. In evaluation, and in a group of one, it is the
    plain layer.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected an input (B, C, ...), got {input.dim()} dimensions")

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or dist.get_world_size() == 1:
            return super().forward(input)
        self._check_input_dim(input)
        # With channels innermost PyTorch 2.13 sums each of them up in a single float: plain layout for the statistics.
        input = input.contiguous()
        mean, variance, count = statistics_over_workers(input)
        if count < 2:
            raise ValueError("expected more than one value per channel when training")
        self._remember(mean, variance * (count / (count - 1)))
        return _Normalised.apply(input, self.weight, self.bias, mean, variance, count, self.eps)

    @torch.no_grad()
    def _remember(self, mean: Tensor, unbiased: Tensor) -> None:
        """Move the running statistics as the plain layer does."""
        if self.num_batches_tracked is None or self.running_mean is None or self.running_var is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


@torch.no_grad()
def statistics_over_workers(input: Tensor) -> tuple[Tensor, Tensor, float]:
    """Mean (C,) and biased variance (C,) of all workers' inputs (B, C, ...), and the values per channel, in 64 bits.

    Each worker's mean and variance are combined, not sums of squares, which would cancel.
    """
    precise = input.to(torch.promote_types(input.dtype, torch.float32))
    own_mean, own_variance = torch.batch_norm_update_stats(precise, None, None, 0.0)
    count = own_mean.new_full((1,), input.numel() // input.shape[1])
    own = torch.cat([each.double() for each in (own_mean, own_variance, count)])
    gathered = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, own)
    means, variances, counts = torch.stack(gathered).split([len(own_mean), len(own_mean), 1], dim=1)
    shares = counts / counts.sum()
    mean = (shares * means).sum(0)
    variance = (shares * (variances + (means - mean).square())).sum(0)
    return mean, variance, float(counts.sum())


class _Normalised(torch.autograd.Function):
    """``weight * (input - mean) / sqrt(variance + eps) + bias``, where mean and variance depend on all workers."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        count: float,
        eps: float,
    ) -> Tensor:
        dtype = torch.promote_types(input.dtype, torch.float32) if weight is None else weight.dtype
        mean, variance = mean.to(dtype), variance.to(dtype)
        weight = torch.ones_like(mean) if weight is None else weight
        ctx.save_for_backward(input, weight, mean, variance)
        ctx.count, ctx.eps = count, eps
        return nn.functional.batch_norm(input, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, mean, variance = ctx.saved_tensors
        # As if the statistics were constants; the weight's and the bias's gradients are sums over this worker's values.
        from_input, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            grads[0].contiguous(), input, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([of_weight, of_bias]).double()
        dist.all_reduce(sums)
        # Through the statistics: - weight / deviation / count * (sum of biases' + normalised input * sum of weights').
        deviation = (variance.double() + ctx.eps).sqrt()
        scale = -weight.double() / deviation / ctx.count
        slope = scale * sums[0] / deviation
        offset = scale * sums[1] - slope * mean.double()
        shape = (1, -1, *[1] * (input.dim() - 2))
        slope, offset = (each.to(from_input.dtype).view(shape) for each in (slope, offset))
        from_input.addcmul_(input, slope).add_(offset)
        needs_weight, needs_bias = ctx.needs_input_grad[1:3]
        return from_input, of_weight if needs_weight else None, of_bias if needs_bias else None, None, None, None, None
