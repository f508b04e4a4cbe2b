import torch
from torch import Tensor, nn

from rac_ray.models.vivit import Attention, Layer, ViViT


def vivit(frame_size: int = 32, channels: int = 1) -> ViViT:
    torch.manual_seed(0)
    return ViViT(2, num_frames=6, frame_size=frame_size, channels=channels, num_classes=5).double().eval()


def test_attention_is_pytorchs_own_in_values_and_gradients() -> None:
    torch.manual_seed(0)
    ours, tokens = Attention(16, 4).double(), torch.randn(3, 2, 7, 16).double()
    theirs = nn.MultiheadAttention(16, 4, batch_first=True).double()
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.to_qkv.weight,
            "in_proj_bias": torch.zeros(48),
            **{f"out_proj.{name}": value for name, value in ours.to_out.state_dict().items()},
        }
    )
    normalised = ours.norm(tokens).flatten(0, 1)
    one, other = ours(tokens), theirs(normalised, normalised, normalised)[0].unflatten(0, (3, 2))
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    target = torch.rand_like(one)
    (mine,) = torch.autograd.grad((one * target).sum(), ours.to_qkv.weight)
    (libraries,) = torch.autograd.grad((other * target).sum(), theirs.in_proj_weight)
    torch.testing.assert_close(mine, libraries, rtol=1e-10, atol=1e-10)


def test_space_is_read_within_a_frame_and_time_at_a_place() -> None:
    """Which of 6 frames of 4 places are moved by another token at frame 2, place 1."""
    torch.manual_seed(0)
    layer, tokens = Layer(16, 4).double(), torch.randn(1, 6, 4, 16).double()
    changed = tokens.clone()
    changed[0, 2, 1] = 0

    def moved(one: Tensor, other: Tensor) -> list[list[int]]:
        return ((one - other).abs().amax(-1) > 1e-9)[0].nonzero().tolist()

    assert moved(layer.over_space(tokens), layer.over_space(changed)) == [[2, place] for place in range(4)]
    in_time = [layer.over_time(each.transpose(1, 2)).transpose(1, 2) for each in (tokens, changed)]
    assert moved(*in_time) == [[frame, 1] for frame in range(6)]
    assert len(moved(layer(tokens), layer(changed))) == 6 * 4


def test_order_is_known_by_positions_alone() -> None:
    """Of frames and of patches; with all positions equal, neither order changes a logit."""
    model, clips = vivit(), torch.rand(2, 6, 1, 32, 32).double()
    swapped = torch.cat((clips[..., 16:], clips[..., :16]), dim=-1)
    logits = model(clips)
    for other in (clips.flip(1), swapped):
        assert not torch.allclose(model(other), logits, rtol=0, atol=1e-6)
    for positions in (model.places, model.times):
        nn.init.zeros_(positions)
    logits = model(clips)
    for other in (clips.flip(1), swapped):
        torch.testing.assert_close(model(other), logits, rtol=0, atol=1e-12)


def test_a_patch_is_a_token_rows_before_columns() -> None:
    model, clips = vivit(frame_size=48, channels=3), torch.zeros(1, 6, 3, 48, 48).double()
    clips[0, 1, :, 16:32, 32:48] = 1
    tokens = model.embed(clips.flatten(0, 1)).flatten(2).transpose(1, 2)
    assert tokens.shape == (6, 9, 16)
    assert model.embed.bias is not None
    lit = (tokens - model.embed.bias).abs().amax(2) > 1e-9
    assert lit.nonzero().tolist() == [[1, 5]]
    assert model.places.shape == (9, 16)
    assert model.times.shape == (6, 1, 16)
