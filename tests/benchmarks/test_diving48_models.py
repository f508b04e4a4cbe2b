from benchmarks.diving48_models import forward_operations, row
from rac_ray.studies.diving48.sizes import SIZES


def test_operations_of_the_3d_cnn_by_hand() -> None:
    """Two per multiplication: kernel^3 * channels in * channels out * places, for each convolution, and the head."""
    places = [32 * 224**2 // 8**block for block in range(4)]
    layers = zip((7, 7, 5, 3), (3, 128, 128, 128), places, strict=True)
    expected = 2 * (sum(kernel**3 * channels * 128 * place for kernel, channels, place in layers) + 50_176 * 48)
    assert forward_operations("cnn3d-4x128") == expected


def test_a_row_names_the_model_and_its_parameters() -> None:
    cells = row("timesformer-15m", checkpointing=True)
    assert cells[:2] == ["timesformer-15m, checkpointed", f"{SIZES['timesformer-15m'].parameters:,}"]
    assert all(float(cell) > 0 for cell in cells[2:])
