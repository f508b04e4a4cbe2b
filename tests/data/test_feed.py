"""A worker's place in its group: what it gets of a step, and how much that counts."""

import pytest

from rac_ray.data.feed import Opening, Place


@pytest.mark.parametrize(("batch_size", "world"), [(8, 1), (8, 2), (8, 3), (7, 4), (3, 3), (2, 3)])
def test_shares_of_a_step_are_its_clips_and_their_weights_an_average(batch_size: int, world: int) -> None:
    """Gradients are averaged over workers: with these weights each clip counts 1 / batch_size."""
    places = [Place(rank, world) for rank in range(world)]
    shares = [place.share(batch_size) for place in places]
    assert shares == [len(range(batch_size)[rank::world]) for rank in range(world)]
    assert sum(shares) == batch_size
    for place, share in zip(places, shares, strict=True):
        assert place.weight(batch_size) / world == pytest.approx(share / batch_size, abs=1e-12)
    assert sum(place.weight(batch_size) for place in places) / world == pytest.approx(1, abs=1e-12)


def test_alone_all_is_ones_own() -> None:
    assert Opening(seed=3, batch_size=64).place == Place(0, 1, "cpu")
    assert (Place().share(64), Place().weight(64)) == (64, 1.0)
    assert Place(1, 3).weight(8) == 3 * 3 / 8
