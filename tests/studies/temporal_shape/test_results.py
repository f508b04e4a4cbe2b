from rac_ray.studies.temporal_shape.results import shape_names


def test_classes_have_names() -> None:
    assert shape_names(5) == ["circle", "spiral", "line", "rectangle", "arc"]
