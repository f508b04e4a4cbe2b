import numpy as np
import pytest
from perlin_noise import PerlinNoise

from rac_ray.studies.temporal_shape.perlin import perlin_image


@pytest.mark.parametrize("octaves", range(1, 10))
def test_equals_the_perlin_noise_package_for_all_seeds_of_the_released_data(octaves: int) -> None:
    for seed in range(1, 16):
        package = PerlinNoise(octaves=octaves, seed=seed)
        expected = np.array([[package([i / 64, j / 64]) for j in range(64)] for i in range(64)])
        np.testing.assert_array_equal(perlin_image(octaves, seed), expected)


def test_the_135_backgrounds_have_the_measured_range() -> None:
    images = np.stack([perlin_image(octaves, seed) for octaves in range(1, 10) for seed in range(1, 16)])
    assert len(np.unique(images.reshape(135, -1), axis=0)) == 135
    assert -0.75 < images.min() < -0.6
    assert 0.6 < images.max() < 0.75
    drawn = np.clip(255 * images, 0, 255)
    assert drawn.mean() == pytest.approx(17, abs=1.5)
    assert (drawn == 0).mean() == pytest.approx(0.5, abs=0.05)


def test_images_are_cached_and_read_only() -> None:
    image = perlin_image(3, 7)
    assert perlin_image(3, 7) is image
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 1.0
